"""What all tests share."""

from collections.abc import Iterator

import pytest
from django.conf import settings

from marketplace import embedded


@pytest.fixture(scope="session", autouse=True)
def _stop_server() -> Iterator[None]:
    """Leave no server behind."""
    yield
    if settings.EMBEDDED_POSTGRES:
        embedded.stop(settings.DATA_DIR)
