"""The commands of the documents run on demo data, in a copy of the project, in `make soak`.

docs/development.md describes how a block of a document is marked.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.documents import DOCUMENTS, ROOT, blocks

pytestmark = pytest.mark.slow

#: Where the documents have the site.
SITE = "127.0.0.1:8000"

#: The id of a held run in the documents.
HELD_RUN = "uzum-17"

#: The token of uzum in docs/push.md.
TOKEN = "a-token-of-32-or-more-characters"

#: Names that a copy of the project omits.
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


@pytest.mark.parametrize(("document", "section"), sections())
def test_every_command_runs(shells, document, section):
    shell, commands = shells(document), script(document, section)

    with shell.site_running() if SITE in commands else nullcontext():
        result = shell.run(PRELUDE + commands.replace(HELD_RUN, "$(held_run)"))

    assert result.returncode == 0, result.stdout.rpartition("@@@")[2][-5000:]
