"""The questions that this database answers, and the SQL files they are written in."""

from marketplace.sqlfiles import read_sql


def sql(name: str) -> str:
    """Return the text of one of this app's SQL files."""
    return read_sql(__file__, name)
