import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from marketplace.backups import sets
from tests.commands import run
from tests.marketplace.backups.conftest import NAME, NOW, back_up, copy, flip

pytestmark = pytest.mark.django_db(databases=["default", "procurement"], transaction=True)

NONE = ["--keep-daily", "0", "--keep-weekly", "0", "--keep-monthly", "0"]
DEFAULTS = ["--keep-daily", "7", "--keep-weekly", "4", "--keep-monthly", "6"]


class TestRetention:
    def test_newest_sets_of_days_weeks_and_months_are_kept(self):
        manifest = back_up("default")
        for days in range(1, 61):
            copy(manifest, NOW - timedelta(days=days))
        copy(manifest, NOW - timedelta(hours=2))

        options = ["--keep-daily", "3", "--keep-weekly", "2", "--keep-monthly", "2"]
        outcome = run("db_backup", "--prune", "--dry-run", *options)

        removed = set(re.findall(r"Would remove (\S+)", outcome.out))
        remaining = [name[:10] for name in sets.names() if name not in removed]
        # Monday, June 1: it is also the newest of its week and month.
        assert remaining == ["2026-06-01", "2026-05-31", "2026-05-30"]
        assert NAME not in removed

    def test_old_sets_are_removed_after_a_backup(self):
        copy(back_up("default"), NOW - timedelta(days=1))

        options = ["--keep-daily", "1", "--keep-weekly", "0", "--keep-monthly", "0"]
        outcome = run("db_backup", "--database", "default", *options)

        [name] = sets.names()
        assert name not in (NAME, "2026-05-31T03-00-00Z")
        assert f"Removed 2026-05-31T03-00-00Z\nRemoved {NAME}\n" in outcome.out

    def test_dry_run_of_a_backup_includes_the_new_set(self):
        manifest = back_up("default")
        for days in (1, 2):
            copy(manifest, NOW - timedelta(days=days))
        options = ["--database", "default", "--keep-daily", "2", *NONE[2:]]

        foreseen = run("db_backup", "--dry-run", *options).out
        plan = json.loads(run("db_backup", "--dry-run", "--format", "json", *options).out)
        removed = re.findall(r"Removed (\S+)", run("db_backup", *options).out)

        assert len(removed) == 2
        assert re.findall(r"Would remove (\S+)", foreseen) == removed
        assert plan["pruning"]["removed"] == removed
        assert list(plan["databases"]) == ["default"]

    def test_prune_without_a_backup(self):
        manifest = back_up("default")
        for days in (1, 2):
            copy(manifest, NOW - timedelta(days=days))
        options = ["--keep-daily", "2", *NONE[2:]]

        foreseen = run("db_backup", "--prune", "--dry-run", *options).out
        remaining = sets.names()
        result = run("db_backup", "--prune", *options)
        again = run("db_backup", "--prune", *options)

        assert foreseen == "Would remove 2026-05-30T03-00-00Z\n"
        assert (result.out, result.code) == ("Removed 2026-05-30T03-00-00Z\n", 0)
        assert sets.names() == remaining[:-1] == [NAME, "2026-05-31T03-00-00Z"]
        assert (again.out, again.code) == ("No set to remove\n", 0)

    def test_last_good_set_is_kept(self, folder):
        good = copy(back_up("default"), NOW - timedelta(days=30))
        files = (folder / NAME / "default").glob("*.gz")
        flip(max(files, key=lambda path: path.stat().st_size), 30)

        options = ["--keep-daily", "0", "--keep-weekly", "0", "--keep-monthly", "0"]
        outcome = run("db_backup", "--prune", "--dry-run", *options)

        assert re.findall(r"Would remove (\S+)", outcome.out) == [NAME]
        assert good.name in sets.names()

    def test_last_set_of_each_database_is_kept(self):
        back_up("procurement", now=NOW - timedelta(days=500))

        options = ["--keep-daily", "1", "--keep-weekly", "0", "--keep-monthly", "0"]
        outcome = run("db_backup", "--database", "default", *options)

        assert "Removed" not in outcome.out
        assert len(sets.names()) == 2

    def test_broken_sets_are_kept(self, folder):
        (folder / "2025-01-01T00-00-00Z").mkdir(parents=True)

        outcome = run("db_backup", "--database", "default", *DEFAULTS)

        assert (
            "2025-01-01T00-00-00Z is damaged. Show the reason: python manage.py db_backup --verify"
            in outcome.err
        )
        assert (folder / "2025-01-01T00-00-00Z").exists()
        assert outcome.code == 0

    def test_set_in_use_is_kept(self):
        copy(back_up("default"), NOW - timedelta(days=1))

        options = ["--keep-daily", "1", "--keep-weekly", "0", "--keep-monthly", "0"]
        with sets.shared_lock(NAME):
            outcome = run("db_backup", "--database", "default", *options)

        assert f"{NAME} is in use: the next backup will remove it\n" in outcome.err
        assert NAME in sets.names()

    @pytest.mark.parametrize("hours", [47, 49])
    def test_sets_younger_than_two_days_are_kept(self, hours):
        now = datetime.now(UTC)
        manifest = back_up("default", now=now - timedelta(days=9))
        young = copy(manifest, now - timedelta(hours=hours)).name
        before = copy(manifest, now - timedelta(hours=hours, minutes=1)).name

        outcome = run("db_backup", "--database", "default", *NONE)

        removed = set(re.findall(r"Removed (\S+)", outcome.out))
        assert ({young, before} <= removed) == (hours > 48)
        assert manifest.name in removed

    def test_days_of_the_time_zone(self, settings):
        # In Tashkent, both are on June 1.
        evening = datetime(2026, 5, 31, 20, tzinfo=UTC)
        morning = copy(back_up("default", now=evening), evening + timedelta(hours=9)).name

        outcome = run("db_backup", "--database", "default", *DEFAULTS)

        assert outcome.out.endswith(f"\nRemoved {sets.format_name(evening)}\n")
        assert morning in sets.names()


class TestRemoval:
    @pytest.fixture
    def unneeded(self):
        """A set that the next backup removes."""
        copy(back_up("default"), NOW + timedelta(days=1))
        return NAME

    def test_target_of_a_link_is_kept(self, unneeded, folder, tmp_path):
        target = tmp_path / "elsewhere"
        shutil.move(folder / unneeded, target)
        (folder / unneeded).symlink_to(target)

        outcome = run("db_backup", "--database", "default", *NONE)
        again = run("db_backup", "--database", "default", *NONE)

        assert outcome.err == (
            f"The link {folder}/.removed-{unneeded} was removed; its target {target} still exists. "
            "Remove the target by hand if it is not needed.\n"
        )
        assert f"Removed {unneeded}" not in outcome.out
        assert (again.err, again.code) == ("", 0)
        assert (target / "default" / "toc.dat").exists()
        assert list(folder.glob(".removed-*")) == []

    def test_files_that_cannot_be_removed(self, unneeded, folder, monkeypatch):
        unlink, tried = os.unlink, []

        def refusing(path, **options):
            if str(path).endswith("toc.dat"):
                tried.append(path)
                raise PermissionError(1, "Operation not permitted", str(path))
            unlink(path, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", refusing)
            outcome = run("db_backup", "--database", "default", *NONE)
            again = run("db_backup", "--database", "default", *NONE)
        free = run("db_backup", "--database", "default", *NONE)

        message = rf"{folder}/\.removed-{unneeded} cannot be removed \(\S*toc.dat: Operation not "
        message += r"permitted\)\. Remove it by hand\.\n"
        assert re.search(message, outcome.err)
        assert f"Removed {unneeded}" not in outcome.out
        # Removing is not retried for long.
        assert re.search(message, again.err)
        assert len(tried) < 10
        assert (outcome.code, again.code, free.err) == (0, 0, "")
        assert list(folder.glob(".removed-*")) == []
