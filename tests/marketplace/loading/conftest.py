"""Fixtures of the tests of loading."""

import pytest


@pytest.fixture
def database(stage):
    """A new database on the server of the module's `stage`; return its name."""
    name = stage.use_new_database()
    yield name
    stage.drop(name)
