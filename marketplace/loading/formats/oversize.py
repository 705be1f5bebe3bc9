"""Records that are larger than INGEST_MAX_RECORD: each goes to quarantine alone."""

#: Bytes, or characters, that are kept of such a record.
KEPT = 1024


def too_large(size: int, max_record: int) -> str:
    """Return the reason for the quarantine of a record.

    :param size: bytes of the record
    :param max_record: bytes that it may have
    """
    return (
        f"has {size:,} bytes, more than INGEST_MAX_RECORD ({max_record:,}); raise that setting if "
        "the size is right, and load the source again"
    )
