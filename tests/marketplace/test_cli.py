import pytest
from django.core.management import CommandError, call_command, load_command_class

from marketplace.cli import DatabaseCommand, counted
from marketplace.exceptions import MarketplaceError

COMMANDS = ["init_all", "db_create", "db_migrate", "db_rollback", "db_verify", "db_status"]


class TestDatabaseCommand:
    def test_visits_the_others_when_one_fails(self, capsys):
        visited = []

        def visit(alias):
            visited.append(alias)
            if alias == "ecommerce":
                raise MarketplaceError("It is full. Delete something.")
            return alias != "procurement"

        with pytest.raises(CommandError, match="2 of 3 databases failed: ecommerce, procurement"):
            DatabaseCommand().visit(["ecommerce", "classifieds", "procurement"], visit)

        assert visited == ["ecommerce", "classifieds", "procurement"]
        assert capsys.readouterr().err == "ECOMMERCE: It is full. Delete something.\n"

    def test_selects_each_alias_once(self):
        options = {"database": ["procurement", "ecommerce", "procurement"]}

        assert DatabaseCommand().selected(options) == ("procurement", "ecommerce")

    def test_selects_all_by_default(self):
        selected = DatabaseCommand().selected({"database": None})

        assert selected == ("ecommerce", "classifieds", "procurement")

    def test_refuses_an_unknown_alias_from_code(self):
        with pytest.raises(CommandError, match="There is no database olx here"):
            call_command("db_status", database="olx")

    def test_cannot_ask_where_nobody_is(self, monkeypatch):
        def nobody():
            raise EOFError

        monkeypatch.setattr("builtins.input", nobody)

        with pytest.raises(CommandError, match="Add --force"):
            DatabaseCommand().confirm("All will be lost.", "all")

    @pytest.mark.parametrize("name", [*COMMANDS, "db_stop"])
    def test_every_option_has_a_help(self, name):
        command = load_command_class("marketplace", name)

        parser = command.create_parser("manage.py", name)

        assert command.help
        assert all(action.help for action in parser._actions)


class TestCounted:
    def test_has_a_plural(self):
        assert counted(1, "table") == "1 table"
        assert counted(4000, "table") == "4,000 tables"
