"""Words of messages."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 record, 4,000 records.

    :param plural: the noun's plural; with an s if empty
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
