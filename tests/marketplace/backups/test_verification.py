import json
import re
from datetime import timedelta

import pytest

from marketplace.backups import files, manifests, sets, verify
from tests.commands import run
from tests.marketplace.backups.conftest import NAME, NOW, back_up, copy, flip, rewrite

pytestmark = pytest.mark.django_db(databases=["default", "procurement"], transaction=True)


class TestVerify:
    def test_good_set(self):
        back_up("default")

        outcome = run("db_backup", "--verify")

        assert re.fullmatch(rf"{NAME}: ok \(default; \d+ files, [\d.]+ kB\)\n", outcome.out)
        assert (outcome.err, outcome.code) == ("", 0)

    @pytest.mark.parametrize("file", ["toc.dat", "*.dat.gz", "manifest"])
    @pytest.mark.parametrize("place", [0, -1])
    def test_flipped_byte_of_a_file(self, folder, file, place):
        back_up("default")
        path = folder / NAME / manifests.MANIFEST
        if file != "manifest":
            path = next((folder / NAME / "default").glob(file))
        flip(path, place)

        outcome = run("db_backup", "--verify", NAME)

        assert path.name in outcome.out
        assert outcome.err == f"CommandError: 1 of 1 set failed: {NAME}\n"
        assert outcome.code == 1

    def test_missing_files(self, folder):
        back_up("default")
        for path in sorted((folder / NAME).rglob("*.*")):
            path.rename(folder / "away")

            outcome = run("db_backup", "--verify", NAME)

            assert f"{path.name} is missing" in outcome.out, path
            assert outcome.code == 1
            (folder / "away").rename(path)
        assert run("db_backup", "--verify", NAME).code == 0

    def test_flipped_bytes_of_the_manifest(self, folder):
        back_up("default")
        path = folder / NAME / manifests.MANIFEST
        for place in range(0, path.stat().st_size, 211):
            flip(path, place)

            assert run("db_backup", "--verify", NAME).code == 1, place
            flip(path, place)

    def test_unlisted_file(self, folder):
        back_up("default")
        (folder / NAME / "default" / "9.dat.gz").write_text("")

        outcome = run("db_backup", "--verify", NAME)

        assert "   default/9.dat.gz is not in the manifest\n" in outcome.out
        assert outcome.code == 1

    def test_truncated_dump_with_a_matching_hash(self, folder):
        manifest = back_up("default")
        dump = manifest.databases["default"]
        key = next(key for key in dump.files if key.endswith(".gz"))
        path = folder / NAME / "default" / key
        # A complete gzip file has at least 20 bytes.
        path.write_bytes(path.read_bytes()[:15])
        dump.files[key] = manifests.File(15, files.digest(path))
        rewrite(manifest)

        outcome = run("db_backup", "--verify", NAME)

        assert "   default cannot be read: pg_restore failed: " in outcome.out
        assert outcome.code == 1

    @pytest.mark.parametrize("name", ["../../x", "2026-06-01T03-00-00Z/..", ".lock", "*"])
    def test_path_instead_of_a_name(self, name):
        outcome = run("db_backup", "--verify", name)

        assert f"{name!r} is not the name of a set" in outcome.err
        assert outcome.code == 1

    def test_absent_set(self):
        outcome = run("db_backup", "--verify", NAME)

        assert f"The set {NAME} does not exist in " in outcome.err

    def test_unlisted_link(self, folder, tmp_path):
        back_up("default")
        (tmp_path / "elsewhere").mkdir()
        (folder / NAME / "default" / "link").symlink_to(tmp_path / "elsewhere")

        outcome = run("db_backup", "--verify", NAME)

        assert "   default/link is not in the manifest\n" in outcome.out
        assert outcome.code == 1

    def test_continues_after_an_entry_that_is_not_a_set(self, folder):
        back_up("default")
        (folder / "2026-12-30T00-00-00Z").write_text("")

        outcome = run("db_backup", "--verify")

        assert outcome.out.startswith("2026-12-30T00-00-00Z: 1 problem\n")
        assert "is not a set: it is not a folder, or cannot be entered." in outcome.out
        assert f"{NAME}: ok (" in outcome.out
        assert outcome.err == "CommandError: 1 of 2 sets failed: 2026-12-30T00-00-00Z\n"

    def test_continues_after_a_set_that_is_removed_meanwhile(self, monkeypatch):
        manifest = back_up("default")
        newer = copy(manifest, NOW + timedelta(days=1)).name
        whole = verify.verify

        def removing(name, **options):
            if name == newer:
                with sets.exclusive_lock():
                    sets.remove(name)
            return whole(name, **options)

        monkeypatch.setattr(verify, "verify", removing)

        outcome = run("db_backup", "--verify")

        assert outcome.out.startswith(f"{NAME}: ok (")
        assert (outcome.err, outcome.code) == (f"{newer} was removed during the verification\n", 0)

    def test_json(self, folder):
        copy(back_up("default"), NOW + timedelta(days=1))
        flip(folder / NAME / "default" / "toc.dat", 9)

        outcome = run("db_backup", "--verify", "--format", "json")

        newer, older = json.loads(outcome.out)
        assert (newer["name"], newer["problems"]) == ("2026-06-02T03-00-00Z", [])
        [problem] = older["problems"]
        assert problem.startswith("default/toc.dat has changed")


class TestUnreadableManifest:
    @pytest.fixture(params=["time", "zone", "size", "list", "nested", "project"])
    def path(self, request, folder):
        """The path of a manifest with an invalid value and a valid hash, or with deep nesting."""
        back_up("default")
        path = folder / NAME / manifests.MANIFEST
        if request.param == "nested":
            path.write_text("[" * 200_000)
            return path
        document = json.loads(path.read_text())
        del document["sha256"]
        dump = document["databases"]["default"]
        changes = {
            "time": {"created_at": "x"},
            "zone": {"databases": {"default": dump | {"started_at": "2026-06-01T03:00:00"}}},
            "size": {
                "databases": {"default": dump | {"files": {"a": {"size": "1", "sha256": ""}}}}
            },
            "list": {"databases": []},
            "project": {"project": None},
        }
        document |= changes[request.param]
        digest = manifests._digest(document)
        path.write_text(manifests._encoded({"sha256": digest} | document))
        return path

    def test_is_reported_and_does_not_stop_commands(self, path):
        listed = run("db_backup", "--list")
        verified = run("db_backup", "--verify")
        status = run("db_status", "--database", "procurement")
        made = run("db_backup", "--database", "default")

        assert str(path) in listed.out
        assert (listed.err, listed.code) == ("", 0)
        assert str(path) in verified.out
        assert verified.code == 1
        assert "   Last backup: none recorded" in status.out
        assert (
            f"{NAME} is damaged. Show the reason: python manage.py db_backup --verify" in made.err
        )
        assert made.code == 0
        assert sets.last_backup_at("default") > NOW
