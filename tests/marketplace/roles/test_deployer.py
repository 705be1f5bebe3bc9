"""A role without superuser rights initializes and migrates a database."""

from contextlib import contextmanager

import pytest
from django.db import connections
from django.utils import timezone

from marketplace.databases.creation import create_database
from marketplace.doctor.diagnosis import diagnose
from marketplace.postgresql import embedded
from tests.commands import run
from tests.marketplace.roles.differences import differences, query

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"], transaction=True)


class TestDeployer:
    def test_without_createrole_continues_without_roles(self, deployer):
        deployer("CREATEDB")
        self.create_extensions()

        first, second = (run("init_all", "--database", "classifieds") for _ in range(2))

        assert first.code == second.code == 0
        assert "migrations" in first.out
        note = (
            "   No roles were created: permission denied to create role (as test_deployer). "
            "They are optional. To create them, run this as a role with CREATEROLE: "
            "python manage.py db_grants --repair --database classifieds\n"
        )
        assert second.out == f"CLASSIFIEDS: nothing to do\n{note}"
        assert query("SELECT count(*) FROM classifieds_sellers", "classifieds") == [(0,)]

    def test_with_createrole_creates_them_and_can_still_migrate(self, deployer):
        deployer("CREATEDB CREATEROLE")
        self.create_extensions()

        first = run("init_all", "--database", "classifieds")
        second = run("init_all", "--database", "classifieds")
        back = run("db_rollback", "classifieds", "1", "--force")
        again = run("init_all", "--database", "classifieds")

        assert "created 3 roles\n   New roles cannot log in without a password: set " in first.out
        assert second == ("CLASSIFIEDS: nothing to do\n", "", 0)
        assert (back.code, again.code) == (0, 0)
        assert differences("classifieds") == []
        # Limits that only a superuser can set are not differences. db_doctor reports them.
        [diagnosis] = diagnose(["classifieds"], timezone.now(), only=["role-unbounded"])
        findings = " ".join(finding.what for finding in diagnosis.findings)
        assert "PUBLIC should not have EXECUTE on system function" in findings
        assert "scratch_classifieds_analyst lacks the setting temp_file_limit" in findings
        assert "connections" not in findings

    def test_can_still_migrate_after_a_repair_by_a_superuser(self, deployer):
        deployer("CREATEDB")
        self.create_extensions()
        run("init_all", "--database", "classifieds")

        with self.superuser():
            repaired = run("db_grants", "--repair", "--database", "classifieds")
        assert (repaired.code, repaired.err) == (0, "")

        back = run("db_rollback", "classifieds", "1", "--force")
        again = run("init_all", "--database", "classifieds")
        assert (back.code, again.code) == (0, 0)
        assert "   " not in again.out
        assert differences("classifieds") == []

    def create_extensions(self):
        """Create the database and, as a superuser, its extensions."""
        create_database("classifieds")
        with self.superuser():
            query("CREATE EXTENSION cube; CREATE EXTENSION earthdistance", "classifieds")

    @contextmanager
    def superuser(self):
        connection = connections["classifieds"]
        user = connection.settings_dict["USER"]
        connection.close()
        connection.settings_dict["USER"] = embedded.SUPERUSER
        yield
        connection.close()
        connection.settings_dict["USER"] = user
