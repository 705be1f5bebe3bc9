"""Damaged samples of every platform: adapters read them or raise a clear error."""

import json
import random

import pytest
from django.conf import settings

from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source, get_adapter
from marketplace.registry import PLATFORMS
from tests.mutation import mutate
from tests.repetitions import short_and_long


def samples():
    """Yield platform and sample of each shape."""
    for platform in PLATFORMS:
        path = settings.BASE_DIR / platform.database / "platforms" / "samples"
        path /= f"{platform.name}.json"
        if path.exists():
            for shape, document in json.loads(path.read_text()).items():
                yield pytest.param(platform.name, document, id=f"{platform.name} {shape}")


@pytest.mark.parametrize("copies", short_and_long(200, 3000))
@pytest.mark.parametrize(("platform", "document"), list(samples()))
def test_a_damaged_payload_is_read_or_refused(platform, document, copies):
    adapter, generator = get_adapter(platform), random.Random(17)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(copies):
        try:
            for item in adapter.split(mutate(document, generator), Source("lot-12345.json")):
                for record in adapter.parse(item).records:
                    assert (getattr(record, "price", None) or 0) >= 0
        except PayloadError as error:
            assert "the adapter failed" not in str(error), error
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1

    assert min(outcomes.values()) > 0, outcomes
