"""Rollups: their files, their tables, and when they are computed."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from ecommerce.models import Rollup
from marketplace.databases.rollup_tables import create_tables
from marketplace.exceptions import AnswerError, QuestionError
from marketplace.questions import ask
from marketplace.questions.definition import read_questions
from marketplace.rollups import checks, definition
from marketplace.rollups.refresh import find_due, refresh, refresh_quick
from tests import factories
from tests.questions import SELLERS_HEAD, analysts  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

HEAD = '/*\ndescription = "Sellers."\nindexes = [["name"]]\n*/\n'
FROM = "FROM ecommerce_rollup_names AS r"
SQL = "SELECT s.id, s.name FROM ecommerce_sellers AS s"


def read_again():
    definition.read_rollups.cache_clear()
    read_questions.cache_clear()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make the rollup `ecommerce.names` the only one; return the folder of its file."""
    folder = tmp_path / "ecommerce" / "rollups"
    folder.mkdir(parents=True)
    (folder / "names.sql").write_text(HEAD + SQL)
    monkeypatch.setattr(
        definition,
        "find_files",
        lambda alias: sorted(tmp_path.joinpath(alias, "rollups").glob("*.sql")),
    )
    read_again()
    create_tables("ecommerce")
    yield folder
    monkeypatch.undo()
    read_again()
    create_tables("ecommerce")


@pytest.fixture
def ask_names(folder, question):
    """Return a function that returns the names that a question finds in the rollup."""
    question.write_text(
        SELLERS_HEAD.replace('[columns.link]\ntype = "link"\n', "")
        + f"SELECT r.id, r.name, %(platform)s AS platform {FROM}"
    )
    read_again()

    def names():
        with ask("ecommerce.sellers") as rows:
            return [row.name for row in rows], rows.computed_at

    return names


def write(path, sql, head=HEAD):
    path.write_text(head + sql)
    read_again()
    return [str(error) for error in create_tables("ecommerce")]


def count_indexes(table):
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = %s", [table])
        return cursor.fetchone()[0]


class TestTables:
    def test_have_the_rows_of_their_select(self, folder, ask_names):
        factories.seller(name="Anor")
        assert ask_names() == ([], None)

        [done] = refresh("ecommerce")

        assert (done.rollup.address, done.row_count) == ("ecommerce.names", 1)
        assert ask_names() == (["Anor"], Rollup.objects.get(name="names").computed_at)
        assert count_indexes("ecommerce_rollup_names") == 1

    def test_readers_see_the_rows_before_until_new_ones_are_complete(self, folder, ask_names):
        factories.seller(name="Anor")
        list(refresh("ecommerce"))
        factories.seller(name="Behi")
        seen = []
        with connections["ecommerce"].execute_wrapper(
            lambda execute, *rest: (seen.append(ask_names()[0]), execute(*rest))[1]
        ):
            list(refresh("ecommerce"))

        # The last statement, ANALYZE, comes after the transaction.
        assert seen[:-1] == [["Anor"]] * (len(seen) - 1) != []
        assert ask_names()[0] == ["Anor", "Behi"]

    def test_a_changed_file_gets_a_new_table(self, folder, ask_names):
        factories.load_run("ecommerce")
        list(refresh("ecommerce"))

        assert write(folder / "names.sql", f"{SQL} WHERE true") == []

        with pytest.raises(
            AnswerError, match=r"has not been computed yet\. Run: .*db_rollups --database ecommerce"
        ):
            ask_names()

    def test_an_outdated_table_is_not_read(self, folder, ask_names):
        (folder / "names.sql").write_text(f"{HEAD}{SQL} WHERE true")
        read_again()

        with pytest.raises(AnswerError, match=r"not that of this version\. Run: .* migrate"):
            ask_names()

    def test_an_invalid_select_does_not_affect_the_others(self, folder, ask_names):
        [error] = write(folder / "broken.sql", "SELECT none FROM ecommerce_sellers")

        assert 'broken.sql: The SQL is not valid: column "none" does not exist' in error
        assert ask_names() == ([], None)

    def test_of_a_removed_file_is_dropped(self, folder):
        list(refresh("ecommerce"))
        (folder / "names.sql").unlink()
        read_again()
        create_tables("ecommerce")

        assert not Rollup.objects.exists()
        assert "ecommerce_rollup_names" not in connections["ecommerce"].introspection.table_names()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1", "does not begin with"),
        ("/*\ndescription = \n*/\nSELECT 1", "not valid TOML"),
        ("/*\nindexes = []\n*/\nSELECT 1", "must have a description"),
        ('/*\ndescription = ""\ntitle = ""\n*/\nSELECT 1', "must have a description"),
        ('/*\ndescription = ""\nindexes = ["name"]\n*/\nSELECT 1', "must be lists of columns"),
    ],
)
def test_an_invalid_head_is_named_and_so_is_the_question(folder, question, text, reason):
    (folder / "names.sql").write_text(text)
    question.write_text(f"{SELLERS_HEAD}SELECT %(platform)s AS name, r.id {FROM}")
    read_again()

    [error] = checks.check_files()

    assert "names.sql" in error.msg and reason in error.msg
    with pytest.raises(QuestionError, match="ecommerce_rollup_names is not the table of a valid"):
        ask("ecommerce.sellers")


class TestDue:
    def test_is_a_rollup_that_was_never_computed(self, folder):
        assert find_due("ecommerce") == ["names"]

    @pytest.mark.parametrize(
        ("seconds_since", "duration", "loaded_since", "due"),
        [
            (60, 1, True, True),
            (60, 1, False, False),
            # Computing takes at most a tenth of the time.
            (60, 7, True, False),
            # Periods end at midnight, and rates may have changed.
            (13 * 3600, 7, False, True),
            (11 * 3600, 7, False, False),
        ],
    )
    def test_depends_on_loads_and_on_time(
        self, folder, monkeypatch, seconds_since, duration, loaded_since, due
    ):
        now = timezone.localtime().replace(hour=12, minute=0)
        monkeypatch.setattr(timezone, "now", lambda: now)
        computed_at = now - timedelta(seconds=seconds_since)
        offset = timedelta(seconds=1 if loaded_since else -1)
        factories.load_run("ecommerce", finished_at=computed_at + offset)
        Rollup.objects.create(name="names", computed_at=computed_at, seconds=duration, row_count=0)

        assert find_due("ecommerce") == ["names"] * due

    def test_commands_that_load_leave_out_slow_ones(self, folder):
        factories.load_run("ecommerce", finished_at=timezone.now())
        state = {"computed_at": timezone.now() - timedelta(hours=1), "row_count": 0}
        Rollup.objects.create(name="names", seconds=6, **state)

        assert refresh_quick("ecommerce") == []
        assert find_due("ecommerce") == ["names"]
        Rollup.objects.update(seconds=5)
        assert [done.rollup.name for done in refresh_quick("ecommerce")] == ["names"]


class TestCommand:
    def test_computes_and_lists(self, folder, capsys):
        factories.seller()
        call_command("db_rollups", database="ecommerce", list=True)
        call_command("db_rollups", "ecommerce.names")
        call_command("db_rollups", database="ecommerce", list=True)
        call_command("db_rollups", database="ecommerce", due=True)

        first, second, third = capsys.readouterr().out.splitlines()
        assert first == "ecommerce.names: not computed yet"
        assert second.startswith("ecommerce.names: 1 row in 0.")
        assert third.startswith("ecommerce.names: 1 row, computed ")

    @pytest.mark.parametrize("name", ["names", "ecommerce.none", "none.names"])
    def test_refuses_an_unknown_name(self, folder, name):
        with pytest.raises(CommandError, match=f"{name} does not exist. List them"):
            call_command("db_rollups", name)
