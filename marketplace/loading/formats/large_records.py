"""Records that are larger than INGEST_MAX_RECORD. Each of them is quarantined alone."""

#: Bytes, or characters, that are kept of such a record.
EXCERPT_SIZE = 1024


def size_fault(size: int, max_record: int) -> str:
    """Return the reason for which a record is quarantined.

    :param size: the size of the record in bytes
    :param max_record: the limit in bytes
    """
    return (
        f"has {size:,} bytes, more than INGEST_MAX_RECORD ({max_record:,}); raise that setting if "
        "the size is right, and load the source again"
    )
