"""The parsed demonstration data."""

from collections import defaultdict

from marketplace.loading.adapters import Source, get_adapter


def parsed(feed):
    """Yield the parsed items of a feed; each of its documents must be recognized."""
    adapter, source = get_adapter(feed.platform), Source(feed.name)
    for document in feed.documents:
        assert adapter.recognize(document), list(document)
        for item in adapter.split(document, source):
            yield adapter.parse(item)


def records_of(feed):
    """Yield the records of a feed."""
    for item in parsed(feed):
        yield from item.records


def by_id(visits, record_type):
    """Return external id → the records of a type, in order.

    :param visits: pairs of a feed and its records
    """
    found = defaultdict(list)
    for _, records in visits:
        for record in records:
            if isinstance(record, record_type):
                found[record.external_id].append(record)
    return found


def assert_no_data_of_the_future(visits):
    """Assert that no record is later than its feed."""
    for feed, records in visits:
        for record in records:
            for name in ("posted_at", "bumped_at", "starts_at", "deal_date"):
                moment = getattr(record, name, None)
                assert moment is None or moment <= feed.observed_at
