"""The links, names and commands in the documents are right.

`test_docs_commands.py` runs the commands.
"""

import pkgutil
import re
import subprocess
from argparse import SUPPRESS, ArgumentParser, _SubParsersAction
from typing import NamedTuple

import pytest
from django.core.management import get_commands, load_command_class

from marketplace.questions.definition import read_questions
from marketplace.registry import DATABASES
from tests.documents import DOCUMENTS, ROOT, blocks, prose, spans

BY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)

#: The languages of blocks. Of these, `shell` and `sql` are run.
LANGUAGES = {"shell", "sql", "python", "toml", "text", "json", "nginx"}

#: Requirements that the machine of the tests does not meet. A block with one is only parsed.
NEEDS = {"docker", "systemd", "network", "server", "time"}

#: Names that are settings, or environment variables, but not of .env.example.
OTHER_SETTINGS = {
    "TIME_ZONE",
    "DJANGO_SUPERUSER_PASSWORD",
    "INGEST_READ_APART",
    "INGEST_MAX_DOCUMENT",
}

#: Apps whose commands docs/commands.md lists.
OWN_APPS = {"marketplace", *(database.alias for database in DATABASES)}


class TestBlocks:
    @BY_DOCUMENT
    def test_have_a_known_mark(self, document):
        for block in blocks(document):
            place = f"{document.name}:{block.line}"

            assert block.language in LANGUAGES, place
            assert set(block.options) <= {"needs", "database"}, place
            assert block.options.get("needs", "time") in NEEDS, place
            assert (block.language == "sql") == ("database" in block.options), place

    @BY_DOCUMENT
    def test_follow_their_options_directly(self, document):
        comments = re.findall(r"^ *<!--", document.read_text(), re.MULTILINE)

        assert len(comments) == sum(bool(block.options) for block in blocks(document))

    @BY_DOCUMENT
    def test_shell_syntax_is_valid(self, document):
        for block in blocks(document):
            if block.language == "shell":
                result = subprocess.run(
                    ["bash", "-n"], input=block.text, capture_output=True, text=True, check=False
                )

                assert (result.returncode, result.stderr) == (0, ""), (
                    f"{document.name}:{block.line}"
                )

    @BY_DOCUMENT
    def test_python_syntax_is_valid(self, document):
        for block in blocks(document):
            if block.language == "python":
                compile(block.text, f"{document.name}:{block.line}", "exec")


# Names of commands, options, settings and targets


class Options(NamedTuple):
    """The options of a command, with those of its actions."""

    all: set[str]
    documented: set[str]


#: The options that Django gives every command.
COMMON = {
    option
    for action in load_command_class("django.core", "check").create_parser("", "check")._actions
    for option in action.option_strings
} - {"--database", "--tag", "-t", "--list-tags", "--deploy", "--fail-level"} | {"--skip-checks"}


def command_options(name):
    """Return the options of a command of manage.py."""
    return _options(load_command_class(get_commands()[name], name).create_parser("manage.py", name))


def _options(parser: ArgumentParser):
    every, documented = set(), set()
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for inner in action.choices.values():
                options = _options(inner)
                every |= options.all
                documented |= options.documented
        every |= set(action.option_strings)
        if action.help != SUPPRESS:
            documented |= {word for word in action.option_strings if word.startswith("--")}
    return Options(every, documented - COMMON)


def calls(document):
    """Yield each call of manage.py in a document: the command and its options."""
    text = document.read_text().replace("\\\n", " ")
    command_lines = [
        call for line in text.splitlines() for call in re.split(r"manage\.py ", line)[1:]
    ]
    # In the text, calls stand between backticks, with or without `python manage.py`.
    command_lines += [span for span in spans(document) if span.split()[0] in own_commands()]
    for call in command_lines:
        words = re.split(r"\s(?:--\s|[|;>&])|[)`]|\s#", call)[0].split()
        if words and re.fullmatch(r"[a-z_]+", words[0]):
            options = [word for word in words[1:] if re.match("--?[a-z]", word)]
            yield words[0], [option.partition("=")[0] for option in options]


def own_commands():
    """Return the names of the commands that the project defines or changes."""
    return {name for name, app in get_commands().items() if app in OWN_APPS}


class TestNames:
    @BY_DOCUMENT
    def test_commands_and_options_exist(self, document):
        for command, options in calls(document):
            assert command in get_commands(), f"{document.name}: {command}"
            unknown = set(options) - command_options(command).all
            assert not unknown, f"{document.name}: {command} {unknown}"

    @BY_DOCUMENT
    def test_settings_exist(self, document):
        settings = set(re.findall(r"^#?([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.M))

        for span in spans(document):
            if name := re.fullmatch(r"([A-Z]+(?:_[A-Z0-9]+)+)(?:=.*)?", span):
                assert name[1] in settings | OTHER_SETTINGS, f"{document.name}: {span}"

    @BY_DOCUMENT
    def test_make_targets_exist(self, document):
        makefile = (ROOT / "Makefile").read_text()
        shell = "\n".join(block.text for block in blocks(document) if block.language == "shell")
        targets = re.findall(r"^(?:\w+=\S+ )*make ([a-z-]+)", shell, re.MULTILINE)
        targets += [
            span.split()[-1] for span in spans(document) if re.fullmatch("make [a-z-]+", span)
        ]

        for target in targets:
            assert f"\n{target}:" in makefile, f"{document.name}: make {target}"

    @BY_DOCUMENT
    def test_files_exist(self, document):
        folders = "marketplace|ecommerce|classifieds|procurement|deploy|docs|tests|bench"
        for name in spans(document):
            if re.fullmatch(rf"(?:{folders})/[\w./-]*", name):
                assert (ROOT / name).exists(), f"{document.name}: {name}"

    @BY_DOCUMENT
    def test_python_names_exist(self, document):
        for name in re.findall(
            r"\b(?:values|prices|marketplace|classifieds)(?:\.\w+)+", prose(document)
        ):
            name = re.sub(r"^prices\.", "values.prices.", name)
            name = re.sub(r"^values\.", "marketplace.loading.values.", name)
            if not name.endswith((".py", ".md")) and name not in read_questions()[0]:
                assert pkgutil.resolve_name(name), f"{document.name}: {name}"


def test_guarantees_name_tests_that_exist():
    """The tests in the table of docs/development.md exist; those of `make soak` are slow."""
    text = (ROOT / "docs" / "development.md").read_text()
    table = text.partition("## Guarantees")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!guarantee|---)(.+?) \| (.+?) \| (.*?) ?\|$", table, re.MULTILINE)

    assert len(rows) > 15
    for _, short, long in rows:
        for span in re.findall(r"`(\S+::\S+)`", f"{short} {long}"):
            path, *names = span.split("::")
            source = (ROOT / path).read_text()
            for name in names:
                kind = "class" if name.startswith("Test") else "def"
                assert re.search(rf"^ *{kind} {name}\b", source, re.MULTILINE), span
        for span in re.findall(r"`(\S+?)(?:::\S+)?`", long):
            source = (ROOT / span).read_text()
            assert re.search("mark.slow|repeated|short_and_long", source), span


class TestCommands:
    """docs/commands.md lists every command with its options."""

    def sections(self):
        text = (ROOT / "docs" / "commands.md").read_text()
        matches = re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        return dict(matches)

    def test_are_all_listed(self):
        deprecated = {name for name in own_commands() if "deprecated" in _help(name).lower()}

        assert set(self.sections()) == own_commands() - deprecated

    def test_are_listed_with_their_options(self):
        for name, text in self.sections().items():
            options = {
                word
                for span in re.findall(r"`([^`]+)`", text)
                for word in re.findall(r"(?<!\S)--[a-z_-]+", span)
            }
            known = command_options(name)

            assert known.documented <= options, f"{name}: {known.documented - options} missing"
            assert options <= known.all, f"{name}: {options - known.all} unknown"


def _help(name):
    return str(load_command_class(get_commands()[name], name).help)


# Links and pictures


def anchors(document):
    """Return the anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


class TestLinks:
    @BY_DOCUMENT
    def test_lead_somewhere(self, document):
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            file = (document.parent / path) if path else document

            assert file.exists(), f"{document.name}: {target}"
            if anchor:
                assert anchor in anchors(file), f"{document.name}: {target}"

    def test_lead_to_each_document(self):
        linked = re.findall(r"\]\((docs/[\w-]+\.md)", (ROOT / "README.md").read_text())

        assert set(linked) == {f"docs/{path.name}" for path in DOCUMENTS[1:]}

    def test_pictures_are_small_and_used(self):
        texts = "".join(document.read_text() for document in DOCUMENTS)

        for picture in (ROOT / "docs" / "images").iterdir():
            assert picture.stat().st_size < 200_000, picture.name
            assert picture.name in texts

    def test_the_readme_is_short(self):
        assert len((ROOT / "README.md").read_text().splitlines()) <= 150
