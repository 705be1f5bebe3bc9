"""Words of messages."""


def counted(number: int, noun: str) -> str:
    """Return the number with its noun: 1 migration, 4,000 migrations."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
