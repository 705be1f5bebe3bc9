"""The base classes of commands."""

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command, load_command_class

from marketplace.cli import DatabaseCommand, ParagraphFormatter
from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted
from tests.machine import ROOT, Machine

COMMANDS = ["init_all", "db_create", "db_migrate", "db_rollback", "db_verify", "db_status"]


class TestDatabaseCommand:
    def test_continues_after_a_failure(self, capsys):
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

    def test_selects_an_alias_once(self):
        options = {"database": ["procurement", "ecommerce", "procurement"]}

        assert DatabaseCommand().selected(options) == ("procurement", "ecommerce")

    def test_selects_all_by_default(self):
        selected = DatabaseCommand().selected({"database": None})

        assert selected == ("ecommerce", "classifieds", "procurement")

    def test_rejects_an_unknown_alias_of_call_command(self):
        with pytest.raises(CommandError, match="Unknown database olx"):
            call_command("db_status", database="olx")

    def test_needs_a_terminal_to_confirm(self, monkeypatch):
        def end_of_file():
            raise EOFError

        monkeypatch.setattr("builtins.input", end_of_file)

        with pytest.raises(CommandError, match="nothing was confirmed"):
            DatabaseCommand().confirm("All will be lost.", "all")

    @pytest.mark.parametrize("name", [*COMMANDS, "db_stop"])
    def test_every_option_has_help(self, name):
        command = load_command_class("marketplace", name)

        parser = command.create_parser("manage.py", name)

        assert command.help
        assert all(action.help for action in parser._actions)

    def test_preserves_indented_lines_of_help(self, capsys):
        with pytest.raises(SystemExit):
            call_command("db_restore", "--help")

        assert (
            "\n  db_restore SET --database ecommerce"
            "\n  db_restore SET --database ecommerce --into NAME"
            "\n  db_restore --drop-old --database ecommerce\n"
        ) in capsys.readouterr().out


class TestParagraphFormatter:
    @pytest.mark.parametrize(
        ("text", "filled"),
        [
            (
                "One line goes\non here.\nThis is another.",
                "One line goes on here.\nThis is another.",
            ),
            (
                "As here:\n    one --two\n    three\nAnd on.",
                "As here:\n    one --two\n    three\nAnd on.",
            ),
            ("A paragraph\n\nAnother", "A paragraph\n\nAnother"),
            ("    " + "long " * 20 + "end", ("long " * 20 + "end")),
        ],
    )
    def test_wraps_paragraphs(self, text, filled):
        formatter = ParagraphFormatter("manage.py")

        assert formatter._fill_text(text, 200, "") == filled


class TestClosedPipe:
    def write_into_a_closed_pipe(self, tmp_path, *command):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as pipe:
            return subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=Machine(tmp_path / "data").environment,
                stdout=pipe,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    @pytest.mark.parametrize("command", ["help", "diffsettings"])
    def test_ends_quietly(self, tmp_path, monkeypatch, command, unbuffered):
        monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)

        result = self.write_into_a_closed_pipe(tmp_path, "manage.py", command)

        assert (result.returncode, result.stderr) == (141, "")

    def test_another_broken_pipe_is_an_error(self, tmp_path, capsys):
        code = (
            "from marketplace.cli import exit_on_closed_pipe\n"
            "with exit_on_closed_pipe(): raise BrokenPipeError('the process that reads')"
        )
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert result.returncode == 1
        assert "BrokenPipeError: the process that reads" in result.stderr


class TestCounted:
    def test_has_a_plural(self):
        assert counted(1, "table") == "1 table"
        assert counted(4000, "table") == "4,000 tables"
