"""Damaged samples of every platform: adapters read them or raise a clear error."""

import json
import random

import pytest
from django.conf import settings

from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source, get_adapter
from marketplace.registry import PLATFORMS
from tests.mutation import mutate

#: The number of damaged copies of each sample.
COPIES = 200


def samples():
    """Yield platform and sample of each shape."""
    for platform in PLATFORMS:
        path = settings.BASE_DIR / platform.database / "platforms" / "samples"
        path /= f"{platform.name}.json"
        if path.exists():
            for shape, document in json.loads(path.read_text()).items():
                yield pytest.param(platform.name, document, id=f"{platform.name} {shape}")


@pytest.mark.parametrize(("platform", "document"), list(samples()))
def test_a_damaged_payload_is_read_or_refused(platform, document):
    adapter, generator, outcomes = (
        get_adapter(platform),
        random.Random(17),
        {"read": 0, "refused": 0},
    )
    for _ in range(COPIES):
        try:
            for item in adapter.split(mutate(document, generator), Source()):
                adapter.parse(item)
        except PayloadError as error:
            assert "the adapter failed" not in str(error), error
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1

    assert min(outcomes.values()) > 0, outcomes
