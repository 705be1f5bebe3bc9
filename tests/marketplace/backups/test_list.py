import json
import re
from datetime import timedelta

import pytest

from marketplace.backups import manifests
from marketplace.databases.names import database_name
from tests.commands import run
from tests.marketplace.backups.conftest import NAME, NOW, back_up, copy, rewrite

pytestmark = pytest.mark.django_db(databases=["default", "procurement"], transaction=True)


class TestList:
    def test_no_set(self, folder):
        assert run("db_backup", "--list") == (f"{folder} contains no backup sets\n", "", 0)

    def test_newest_set_comes_first(self, folder):
        manifest = back_up("default")
        copy(manifest, NOW + timedelta(days=1))
        rewrite(manifest, failed={"ecommerce": "it does not answer"})
        (folder / "2026-05-01T00-00-00Z").mkdir()

        lines = run("db_backup", "--list").out.splitlines()

        assert re.fullmatch(r"2026-06-02T03-00-00Z +[\d.]+ kB  default", lines[0])
        assert re.fullmatch(rf"{NAME} +[\d.]+ kB  default  without ecommerce", lines[1])
        assert lines[2].endswith(
            "manifest.json is missing: the set is incomplete. Use another set."
        )

    def test_json(self):
        back_up("default")

        [found] = json.loads(run("db_backup", "--list", "--format", "json").out)

        assert (found["name"], found["error"], found["failed"]) == (NAME, "", {})
        assert found["databases"]["default"]["database"] == database_name("default")


class TestStatus:
    @pytest.mark.django_db(databases=["ecommerce", "procurement"], transaction=True)
    def test_time_of_the_last_backup(self, folder):
        assert "   Last backup: none recorded" in run("db_status", "--database", "procurement").out

        run("db_backup", "--database", "procurement")

        assert "   Last backup: just now" in run("db_status", "--database", "procurement").out
        assert "   Last backup: none recorded" in run("db_status", "--database", "ecommerce").out

    def test_damaged_manifest(self, folder):
        (folder / NAME).mkdir(parents=True)
        (folder / NAME / manifests.MANIFEST).write_text('{"sha256": 1}')

        assert "   Last backup: none recorded" in run("db_status", "--database", "procurement").out
