import gzip
import json
from datetime import timedelta

import pytest

from marketplace.backups import files, manifests, sets
from tests.commands import run
from tests.marketplace.backups.conftest import (
    NAME,
    NOW,
    back_up,
    copy,
    databases,
    other_databases,
    rewrite,
)

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)

KEY = "k3Vx9-Qm2Lr8Tz5Wb7Yc4Nd6Hf1Jg0Ps"
OLD_KEY = "Za7-Rw4Ke9Uq2Bn6Mx8Vc3Lt5Hd1Fy0J"

VERIFY = ("db_backup", "--verify", NAME)
DRILL = ("db_drill", NAME)
RESTORE = ("db_restore", NAME, "--database", "default", "--into", "signed_copy")
COMMANDS = (VERIFY, DRILL, RESTORE)


@pytest.fixture(autouse=True)
def keys(settings):
    settings.BACKUP_SIGNING_KEY = [KEY]


def refusals(*options):
    """Return the output of each command, which must refuse the set."""
    outcomes = [run(*command, *options) for command in COMMANDS]
    assert [outcome.code for outcome in outcomes] == [1, 1, 1]
    assert other_databases("default") == []
    assert "signed_copy" not in databases()
    return [outcome.out + outcome.err for outcome in outcomes]


def accepted(*options):
    """Return the outcome of each command, which must accept the set."""
    outcomes = [run(*command, *options) for command in COMMANDS]
    assert [outcome.code for outcome in outcomes] == [0, 0, 0]
    return outcomes


def tamper(manifest, folder):
    """Change rows, and write the manifest again with their hashes."""
    files_of_rows = (folder / NAME / "default").glob("*.dat.gz")
    path = max(files_of_rows, key=lambda path: path.stat().st_size)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"a", b"b")))
    listed = manifest.databases["default"].files
    listed[path.name] = manifests.File(path.stat().st_size, files.digest(path))
    rewrite(manifest)


class TestSignature:
    def test_valid_signature(self):
        back_up("default")

        verified, drilled, restored = accepted()

        assert "; signed)" in verified.out
        assert (verified.err, drilled.err) == ("", "")
        assert "signature" not in restored.err

    @pytest.mark.parametrize(
        ("attacker", "reason"),
        [
            ([], "is not signed, but BACKUP_SIGNING_KEY is set"),
            ([OLD_KEY], "does not match any key of"),
        ],
    )
    def test_rewritten_set(self, folder, settings, attacker, reason):
        manifest = back_up("default")
        settings.BACKUP_SIGNING_KEY = attacker
        tamper(manifest, folder)
        settings.BACKUP_SIGNING_KEY = [KEY]

        for output in refusals():
            assert f"the set {NAME} {reason}" in output.replace("The set", "the set")

    @pytest.mark.parametrize("signature", ["same", "", 1, "ä"])
    def test_signature_of_another_manifest(self, folder, signature):
        manifest = back_up("default")
        path = folder / NAME / manifests.MANIFEST
        before = json.loads(path.read_text())["hmac_sha256"]
        tamper(manifest, folder)
        document = json.loads(path.read_text())
        del document["sha256"]
        document["hmac_sha256"] = before if signature == "same" else signature
        digest = manifests._digest(document)
        path.write_text(manifests._encoded({"sha256": digest} | document))

        for output in refusals("--unsigned"):
            assert "does not match any key of BACKUP_SIGNING_KEY" in output

    def test_signature_of_a_set_of_another_time(self, folder):
        back_up("default")
        (folder / NAME).rename(folder / "2026-06-02T03-00-00Z")

        assert "Expected: the set" in run("db_drill").err

    def test_unsigned_set_is_accepted_with_unsigned(self, settings):
        settings.BACKUP_SIGNING_KEY = []
        back_up("default")
        settings.BACKUP_SIGNING_KEY = [KEY]

        for outcome in accepted("--unsigned"):
            assert f"The set {NAME} is not signed" in outcome.err

    def test_each_key_verifies(self, settings):
        settings.BACKUP_SIGNING_KEY = [OLD_KEY]
        manifest = back_up("default")
        settings.BACKUP_SIGNING_KEY = [KEY, OLD_KEY]
        newer = copy(manifest, NOW + timedelta(days=1)).name

        with_both_keys = [sets.read(name).signature for name in (newer, NAME)]
        settings.BACKUP_SIGNING_KEY = [KEY]
        with_one_key = [sets.read(name).signature for name in (newer, NAME)]

        assert with_both_keys == ["signed", "signed"]
        assert with_one_key == ["signed", "wrong signature"]

    def test_signature_is_not_checked_without_a_key(self, settings):
        back_up("default")
        settings.BACKUP_SIGNING_KEY = []

        for outcome in accepted():
            assert f"The signature of {NAME} was not checked" in outcome.err


class TestOtherCommands:
    def test_list_shows_signatures(self, settings):
        manifest = back_up("default")
        settings.BACKUP_SIGNING_KEY = [OLD_KEY]
        copy(manifest, NOW + timedelta(days=1))
        settings.BACKUP_SIGNING_KEY = []
        copy(manifest, NOW + timedelta(days=2))
        settings.BACKUP_SIGNING_KEY = [KEY]

        lines = run("db_backup", "--list").out.splitlines()
        listed = json.loads(run("db_backup", "--list", "--format", "json").out)

        expected = ["unsigned", "wrong signature", "signed"]
        assert [line.partition("  default  ")[2] for line in lines] == expected
        assert [entry["signature"] for entry in listed] == expected

    def test_prune_keeps_the_last_good_set_without_a_signature(self, folder, settings):
        settings.BACKUP_SIGNING_KEY = []
        manifest = back_up("default")
        newer = copy(manifest, NOW + timedelta(days=1)).name
        (folder / newer / "default" / "toc.dat").write_bytes(
            bytes(manifest.databases["default"].files["toc.dat"].size)
        )
        settings.BACKUP_SIGNING_KEY = [KEY]

        run("db_backup", "--prune", "--keep-daily=1", "--keep-weekly=0", "--keep-monthly=0")

        assert sets.names() == [newer, NAME]
