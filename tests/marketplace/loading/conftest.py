"""Fixtures of the tests of loading."""

import pytest

from marketplace.loading.ingest import ingest


@pytest.fixture
def database(stage):
    """A new database on the server of the module's `stage`; return its name."""
    name = stage.use_new_database()
    yield name
    stage.drop(name)


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a source and returns its path."""

    def write(data, name="source.json"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


@pytest.fixture
def load(tmp_path):
    """Write a table and its mapping, and load the table with the mapping."""

    def write_and_load(text, columns, platform="wildberries", name="table.csv", **options):
        path, mapping = tmp_path / name, tmp_path / "map.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        mapping.write_text(columns)
        return ingest(platform, [str(path)], columns=str(mapping), **options)

    return write_and_load
