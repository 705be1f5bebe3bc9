"""The command `db_grants` shows and repairs the roles of a database."""

import json

import pytest

from marketplace.databases.roles.grants import grant
from tests.commands import run
from tests.marketplace.roles.differences import ALIAS, ANALYST, query

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"], transaction=True)


class TestCommand:
    def test_shows_differences_and_exits_with_1(self, roles):
        query(f"GRANT INSERT ON ecommerce_offers TO {ANALYST}")

        outcome = run("db_grants", "--database", "ecommerce")

        assert outcome.code == 1
        assert outcome.err == "CommandError: 1 of 1 database failed: ecommerce\n"
        assert outcome.out.splitlines()[-2:] == [
            f"   Difference: {ANALYST} should not have INSERT on table ecommerce_offers",
            "   Repair: python manage.py db_grants --repair --database ecommerce",
        ]

        repaired = run("db_grants", "--repair", "--database", "ecommerce")

        assert (repaired.code, repaired.err) == (0, "")
        assert repaired.out.endswith(
            f"   Repaired: {ANALYST} should not have INSERT on table ecommerce_offers\n"
        )
        assert run("db_grants", "--database", "ecommerce").code == 0

    def test_prints_json(self, roles):
        query("GRANT CONNECT ON DATABASE test_ecommerce_db TO PUBLIC")

        shown = run("db_grants", "--database", "ecommerce", "--format", "json")
        repaired = run("db_grants", "--database", "ecommerce", "--format", "json", "--repair")

        assert (shown.code, repaired.code) == (1, 0)
        report = json.loads(shown.out)["ecommerce"]
        assert report["differences"] == [
            {
                "role": "PUBLIC",
                "problem": "should not have CONNECT on",
                "objects": ["database test_ecommerce_db"],
                "reason": None,
            }
        ]
        assert report["roles"][ANALYST]["rights"]["DATABASE"] == {"CONNECT": 1}
        assert json.loads(repaired.out)["ecommerce"]["differences"] == []

    def test_lists_other_roles(self, roles):
        grant(ALIAS, "test_stranger", can_write=False)

        outcome = run("db_grants", "--database", "ecommerce")

        assert "   other role: test_stranger  CONNECT on the database; USAGE" in outcome.out

    @pytest.mark.parametrize(
        ("privileges", "option"), [("CONNECT", ""), ("CONNECT, TEMPORARY", " --write")]
    )
    def test_reports_a_role_that_may_connect_without_usage(self, roles, privileges, option):
        query(f"GRANT {privileges} ON DATABASE test_ecommerce_db TO test_stranger")

        outcome = run("db_grants", "--database", "ecommerce")

        assert outcome.code == 0
        assert outcome.out.splitlines()[-1] == (
            "   test_stranger may connect, but lacks USAGE on the schema: it finds no tables. "
            f"Grant it access: python manage.py db_grants test_stranger{option} "
            "--database ecommerce"
        )

        grant(ALIAS, "test_stranger", can_write=False)

        assert "lacks USAGE" not in run("db_grants", "--database", "ecommerce").out

    def test_refuses_to_change_the_databases_own_roles(self, roles):
        outcome = run("db_grants", ANALYST, "--write", "--database", "classifieds")

        assert outcome.code == 1
        assert f"{ANALYST} is one of the project's own roles; this command" in outcome.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--write"], "--write needs a role"),
            (["somebody", "--repair"], "ROLE can be combined with --write"),
            (
                ["somebody", "--format", "json"],
                "ROLE can be combined with --write",
            ),
        ],
    )
    def test_refuses_invalid_combinations(self, arguments, message):
        outcome = run("db_grants", *arguments)

        assert (outcome.code, outcome.out) == (1, "")
        assert message in outcome.err
