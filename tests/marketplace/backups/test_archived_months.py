"""No set contains archived months; restore and drill warn if their files are missing."""

import json
from datetime import timedelta

import pytest

from ecommerce import queries
from ecommerce.archive import months
from tests import factories
from tests.commands import run
from tests.ecommerce.archiving import MAY, archive, files, make_history, manifest_of, unarchive
from tests.ecommerce.conftest import archive_dir  # noqa: F401 # a fixture
from tests.marketplace.backups.conftest import NAME, back_up

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("archive_dir"),
]

MESSAGE = "The archived month 2021-05, which no backup set contains, cannot be read: "


class TestArchivedMonths:
    def test_restored_database_finds_the_files_of_its_month(self):
        offer = make_history(offers=4)[0]
        archive(MAY)
        expected = queries.monthly_prices()
        back_up("ecommerce")
        unarchive(MAY)
        late = months.bounds(MAY)[0] + timedelta(days=1, seconds=1)
        factories.price_point(offer=offer, recorded_at=late)
        archive(MAY)
        assert queries.monthly_prices() != expected

        result = run("db_restore", NAME, "--database", "ecommerce", "--force")

        assert result.code == 0, result.err
        assert "warning" not in result.err
        assert queries.monthly_prices() == expected
        assert run("db_archive", "--verify").code == 0

    def test_missing_files_are_reported_by_restore_and_drill(self):
        make_history(offers=4)
        archive(MAY)
        back_up("ecommerce")
        path = manifest_of(MAY)
        path.unlink()

        drilled = run("db_drill", NAME)
        results = json.loads(run("db_drill", NAME, "--format", "json").out)
        restored = run("db_restore", NAME, "--database", "ecommerce", "--force")

        assert drilled.code == restored.code == 0
        assert f"ECOMMERCE: warning: {MESSAGE}{path} cannot be read: No such file" in drilled.err
        assert f"ECOMMERCE: warning: {MESSAGE}{path} cannot be read: No such file" in restored.err
        assert drilled.out.startswith("ECOMMERCE: ok (")
        [warning] = results[0]["warnings"]
        assert warning.startswith(MESSAGE)

    def test_complete_months_are_not_reported(self):
        make_history(offers=4)
        archive(MAY)
        back_up("ecommerce")

        result = run("db_drill", NAME)

        assert (result.err, result.code) == ("", 0)
        files(MAY)[0].unlink()
        assert f"warning: {MESSAGE}" in run("db_drill", NAME).err
