"""Sets that an attacker with access to BACKUP_DIR has prepared: links, paths, sizes, files."""

import gzip
import os

import pytest

from marketplace.backups import manifests, sealing, sets
from marketplace.exceptions import BackupError
from tests import factories
from tests.commands import run
from tests.marketplace.backups.conftest import (
    NAME,
    back_up,
    connect,
    flip,
    other_databases,
    rewrite,
)

pytestmark = pytest.mark.django_db(databases=["procurement"], transaction=True)

VERIFY = ("db_backup", "--verify", NAME)
DRILL = ("db_drill", NAME)
RESTORE = ("db_restore", NAME, "--database", "procurement", "--into", "tampered")


def refusals():
    """Return the output of each command, which must refuse the set."""
    outcomes = [run(*command) for command in (VERIFY, DRILL, RESTORE)]
    assert [outcome.code for outcome in outcomes] == [1, 1, 1]
    assert other_databases("procurement") == []
    return [outcome.out + outcome.err for outcome in outcomes]


def rows_of(folder):
    return next(iter(sorted((folder / NAME / "procurement").glob("*.dat.gz"))))


def link(path, away):
    path.rename(away)
    path.symlink_to(away)


def pipe(path, away):
    path.rename(away)
    os.mkfifo(path)


class TestEntries:
    @pytest.mark.parametrize(
        ("replace", "problem"), [(link, "is a link"), (pipe, "is not a regular file")]
    )
    def test_links_and_pipes_are_refused(self, folder, tmp_path, replace, problem):
        back_up("procurement")
        path = rows_of(folder)
        replace(path, tmp_path / "away")

        for output in refusals():
            assert f"procurement/{path.name} {problem}" in output

    def test_link_instead_of_the_folder_is_refused(self, folder, tmp_path):
        back_up("procurement")
        link(folder / NAME / "procurement", tmp_path / "away")

        for output in refusals():
            assert "procurement is a link, not a folder" in output

    @pytest.mark.parametrize("replace", [link, pipe])
    def test_link_or_pipe_instead_of_the_manifest_is_refused(self, folder, tmp_path, replace):
        back_up("procurement")
        replace(folder / NAME / manifests.MANIFEST, tmp_path / "away")

        for output in refusals():
            assert "manifest.json: it is " in output
        assert "manifest.json: it is " in run("db_backup", "--list").out

    def test_link_to_the_set_is_accepted(self, folder, tmp_path):
        back_up("procurement")
        link(folder / NAME, tmp_path / "away")

        assert [run(*command).code for command in (VERIFY, DRILL)] == [0, 0]


class TestManifest:
    @pytest.mark.parametrize("name", ["../../outside", "/outside", "..", "", "a\0"])
    @pytest.mark.parametrize("is_alias", [False, True])
    def test_paths_outside_of_the_set_are_refused(self, name, is_alias):
        manifest = back_up("procurement")
        dump = manifest.databases["procurement"]
        if is_alias:
            manifest.databases[name] = dump
        else:
            dump.files[name] = dump.files["toc.dat"]
        rewrite(manifest)

        with pytest.raises(BackupError, match="is not the name of a file or folder of a set"):
            sets.read(NAME)

    def test_too_large_manifest_is_refused(self, folder):
        back_up("procurement")
        os.truncate(folder / NAME / manifests.MANIFEST, 2 * 1024**3)

        for output in refusals():
            assert "manifest.json has more than 8 MiB" in output


class TestSealing:
    @pytest.fixture
    def dump(self):
        factories.lot(title="ours")
        return back_up("procurement").databases["procurement"]

    def seal(self, folder, dump):
        return sealing.sealed(folder / NAME, "procurement", dump)

    def test_unlisted_files_are_not_restored(self, folder, dump):
        # pg_restore would prefer a file without .gz.
        for path in (folder / NAME / "procurement").glob("*.dat.gz"):
            content = gzip.decompress(path.read_bytes())
            path.with_suffix("").write_bytes(content.replace(b"ours", b"evil"))

        outcome = run(*RESTORE)

        assert outcome.code == 0
        with connect("tampered") as cursor:
            cursor.execute("SELECT title FROM procurement_lots")
            assert cursor.fetchall() == [("ours",)]

    def test_temporarily_replaced_file_is_detected(self, folder, dump, tmp_path):
        path = rows_of(folder)

        with (
            pytest.raises(BackupError, match="was changed while it was read"),
            self.seal(folder, dump) as private,
        ):
            path.rename(tmp_path / "away")
            path.write_text("evil")
            assert (private / path.name).read_text() == "evil"
            (tmp_path / "away").rename(path)

    def test_temporarily_replaced_folder_is_detected(self, folder, dump, tmp_path):
        path = folder / NAME / "procurement"

        with pytest.raises(BackupError, match="was changed"), self.seal(folder, dump):
            path.rename(tmp_path / "away")
            (tmp_path / "away").rename(path)

    def test_statements_are_a_copy(self, folder, dump):
        path = folder / NAME / "procurement" / "toc.dat"
        before = path.read_bytes()

        with pytest.raises(BackupError, match="was changed"), self.seal(folder, dump) as private:
            flip(path, 9)
            assert (private / "toc.dat").read_bytes() == before
