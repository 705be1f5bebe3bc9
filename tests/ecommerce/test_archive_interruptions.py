"""Interrupted archiving is resumed, and no row is lost."""

import pytest
from django.db import connections

from ecommerce.archive import manifests, months, moving
from ecommerce.archive.months import Place
from tests.commands import run
from tests.ecommerce.archiving import (
    AGE,
    MAY,
    answers,
    archive,
    make_history,
    rows,
    unarchive,
)

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("archive_dir"),
]


class Killed(BaseException):
    """Raised in place of a signal."""


STEPS = [
    (manifests, "write"),
    (manifests, "remove_leftovers"),
    (months, "mark"),
    (months, "detach"),
    (months, "drop"),
    (moving, "_is_complete"),
    (moving, "_finish"),
]


class TestInterruption:
    @pytest.mark.parametrize("is_after", [False, pytest.param(True, marks=pytest.mark.slow)])
    @pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
    def test_archiving_is_resumed(self, step, is_after, monkeypatch):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        original = getattr(*step)

        def die(*arguments, **options):
            if is_after:
                original(*arguments, **options)
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(*step, die)
            archive(MAY)
        assert answers(offers) == expected

        assert run("db_archive", AGE, "--force").code == 0
        assert months.place(MAY) is Place.ABSENT
        assert answers(offers) == expected
        unarchive(MAY)
        assert rows(MAY) == before

    def test_bringing_back_can_be_repeated(self, monkeypatch):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        archive(MAY)

        def die(month):
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(months, "attach", die)
            unarchive(MAY)

        assert months.place(MAY) is Place.ABSENT
        assert answers(offers) == expected
        unarchive(MAY)
        assert rows(MAY) == before

    def test_session_that_keeps_reading(self, monkeypatch):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        monkeypatch.setattr(months, "LOCK_TIMEOUT", 0.2)
        other = connections["ecommerce"].copy()
        other.set_autocommit(False)
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM ecommerce_price_history")
                result = run("db_archive", AGE, "--force")
        finally:
            other.close()

        assert result.code == 1
        assert "2021-05 failed: A session has used the price history for more than" in result.err
        assert months.place(MAY) is Place.DETACHING
        assert answers(offers) == expected
        assert "being archived" in run("db_partitions").out
        assert "is being archived" in run("db_unarchive", "2021-05").err
        assert run("db_archive", AGE, "--force").code == 0
        unarchive(MAY)
        assert rows(MAY) == before
