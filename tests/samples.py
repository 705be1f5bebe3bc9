"""The sample payloads of the adapters, for tests to change and load."""

import json

from django.conf import settings

from marketplace.registry import get_platform


def sample(platform, shape):
    """Return the sample payload of one shape of a platform."""
    folder = settings.BASE_DIR / get_platform(platform).database / "platforms" / "samples"
    return json.loads((folder / f"{platform}.json").read_text())[shape]
