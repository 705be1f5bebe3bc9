"""The documents: their commands run on demo data, and their links and names are right.

docs/development.md describes how a block of a document is marked.
"""

import os
import pkgutil
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from argparse import SUPPRESS, ArgumentParser, _SubParsersAction
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import pytest
from django.core.management import get_commands, load_command_class
from markdown_it import MarkdownIt

from marketplace.registry import DATABASES

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)

#: The languages of blocks. Of these, `shell` and `sql` are run.
LANGUAGES = {"shell", "sql", "python", "toml", "text", "json", "nginx"}

#: What a block may need that the machine of the tests does not have. Such a block is only parsed.
NEEDS = {"docker", "systemd", "network", "server", "time"}

#: Where the documents have the site.
SITE = "127.0.0.1:8000"

#: What the documents call a run that a gate holds.
HELD_RUN = "uzum-17"

TOKEN = "rehearsal-of-the-documents-4c1f"

#: Names that are settings, or environment variables, but not of .env.example.
OTHER_SETTINGS = {
    "TIME_ZONE",
    "DJANGO_SUPERUSER_PASSWORD",
    "INGEST_READ_APART",
    "INGEST_MAX_DOCUMENT",
}

#: Apps whose commands docs/commands.md lists.
OWN_APPS = {"marketplace", *(database.alias for database in DATABASES)}


class Block(NamedTuple):
    """A fenced block of a document, in the section of a heading of the second level."""

    section: str
    line: int
    language: str
    options: dict[str, str]
    text: str

    @property
    def is_run(self):
        return self.language in ("shell", "sql") and "needs" not in self.options


#: A comment that states an option of the block after it, such as `<!-- needs: network -->`.
OPTION = re.compile(r"<!-- (\w+): (\w+) -->")


def blocks(document):
    """Return the fenced blocks of a document, in their order."""
    found, section, options = [], "", {}
    tokens = MarkdownIt().parse(document.read_text())
    for token, content in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and token.tag == "h2":
            section = content.content
        elif token.type == "fence":
            found.append(Block(section, token.map[0] + 1, token.info, options, token.content))
        options = dict(OPTION.findall(token.content)) if token.type == "html_block" else {}
    return found


def prose(document):
    """Return the text of a document without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)


def spans(document):
    """Return what stands between backticks in the text of a document."""
    return re.findall(r"`([^`]+)`", re.sub(r"\s+", " ", prose(document)))


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
            if not name.endswith((".py", ".md")):
                assert pkgutil.resolve_name(name), f"{document.name}: {name}"


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


# Commands


#: What a copy of the project leaves out.
GENERATED = (".git", ".venv", ".data", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the demo data, whose server is stopped, to be copied."""
    # Under the tests' own folder: the server runs as another user, who must be able to enter.
    folder = tmp_path_factory.mktemp("documents") / "project"
    disk = shutil.disk_usage(folder.parent)
    if disk.free < disk.total * 0.15:
        pytest.skip("The disk is nearly full, so that db_doctor rightly exits with an error.")
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*GENERATED), symlinks=True)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    prepared = Shell(folder).run("python manage.py demo; python manage.py db_stop")
    assert prepared.returncode == 0, prepared.stdout[-5000:]
    return folder


@pytest.fixture(scope="module")
def shells(project, tmp_path_factory):
    """Return a function from a document to its shell, in a copy of the project of its own."""
    shells = {}

    def get_shell(document):
        if document not in shells:
            _end(shells)
            folder = tmp_path_factory.mktemp("document") / "project"
            subprocess.run(["cp", "--archive", "--reflink=auto", project, folder], check=True)
            shells[document] = Shell(folder)
        return shells[document]

    yield get_shell
    _end(shells)


def _end(shells):
    """Stop the servers of documents and remove their folders."""
    for shell in shells.values():
        for data_dir in (".data", ".data/second", ".data/tests"):
            shell.run(f"test ! -d {data_dir} || DATA_DIR={data_dir} python manage.py db_stop")
        shutil.rmtree(shell.folder)
    shells.clear()


#: Defined before the commands of a document: the run that its `uzum-17` stands for.
PRELUDE = """
held_run() {
    python manage.py ingest_review list --platform uzum --format json |
        python -c "import json, sys; print(json.load(sys.stdin)[0]['runs'][0]['id'])"
}
"""


class Shell:
    """The shell of a person who has prepared the project by `make demo`."""

    def __init__(self, folder):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.site = f"127.0.0.1:{probe.getsockname()[1]}"
        names = ("SECRET_KEY", "DB_HOST", "ARCHIVE_DIR", "BACKUP_DIR", "EMBEDDED_POSTGRES_CONF")
        self.environment = os.environ | dict.fromkeys(names, "")
        self.environment |= {
            "EMBEDDED_RESERVE": "16MB",
            "HTTPS": "false",
            "INGEST_TOKENS": f"uzum={TOKEN}",
            "TOKEN": TOKEN,
            # The documents state where PostgreSQL's programs and the server are.
            "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
        }
        unset = ("DATA_DIR", "DJANGO_SETTINGS_MODULE", "PGHOST", "PGUSER", "PYTEST_XDIST_WORKER")
        for name in unset:
            self.environment.pop(name, None)

    def run(self, commands):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands.replace(SITE, self.site)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )

    @contextmanager
    def site_running(self):
        """Run the site."""
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", self.site.partition(":")[2]],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait()
            yield
        finally:
            process.terminate()
            process.wait(60)

    def _wait(self):
        for _ in range(300):
            try:
                urlopen(f"http://{self.site}/healthz", timeout=5).close()
            except OSError:
                time.sleep(0.2)
            else:
                return


def sections():
    """Return the sections that have commands, as parameters of a test: document and heading."""
    matches = dict.fromkeys(
        (document, block.section)
        for document in DOCUMENTS
        for block in blocks(document)
        if block.is_run
    )
    return [
        pytest.param(document, section, id=f"{document.name}: {section}")
        for document, section in matches
    ]


def script(document, section):
    """Return the commands of a section as one script that names each block."""
    parts = []
    for block in blocks(document):
        if not block.is_run or block.section != section:
            continue
        parts.append(f"echo {shlex.quote(f'@@@ {document.name}:{block.line}')}")
        if block.language == "sql":
            options = f"--database {block.options['database']} -- --set ON_ERROR_STOP=1 --quiet"
            parts.append(f"python manage.py dbshell {options} <<'END'\n{block.text}END")
        else:
            parts.append(block.text)
    return "\n".join(parts)


# The first of them waits for the demo data.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("document", "section"), sections())
def test_every_command_runs(shells, document, section):
    shell, commands = shells(document), script(document, section)

    with shell.site_running() if SITE in commands else nullcontext():
        result = shell.run(PRELUDE + commands.replace(HELD_RUN, "$(held_run)"))

    assert result.returncode == 0, result.stdout.rpartition("@@@")[2][-5000:]
