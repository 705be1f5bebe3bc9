"""URLs of the admin that no page links to, as an attacker or a damaged link may send them."""

from collections.abc import Iterator
from itertools import cycle, islice
from urllib.parse import quote

from django.contrib import admin
from django.urls import reverse

LONG = "x" * 100_000

#: Values of filters: a NUL character, patterns, and numbers, dates and texts out of range.
VALUES = ("\0", "(", "'", "1e999999", "9" * 30, "99999-01-01", "2026-02-30", "NaN", "zzz", LONG)

#: Parameters that no list accepts.
PARAMETERS = {
    "id__regex": "(",
    "id__in": "1,x",
    "id__exact": "\0",
    "id__isnull": "maybe",
    "id": "9" * 30,
    "pk": "abc",
    "platform__exact": "\0",
    "platform__in": "\0,x",
    "content_hash": "'",
    "price__gte": "1e999999",
    "scraped_at__year": "99999",
    "last_seen_at__gte": "99999-01-01",
    "attributes__0__regex": "(",
    "_changelist_filters": "x=(",
    "password__startswith": "p",
    "utm_source": "x",
    "__gte": "1",
    "\0": "1",
    "\0__id__exact": "1",
    "seller__id__exact": "\0",
    "product__id__exact": "9" * 30,
    "lot__id__exact": "-1",
    "run__id__exact": "٣",
    "_to_field": "\0",
    "_popup": "\0",
    "all": "\0",
}

#: Invalid values of parameters that every list accepts.
INVALID_VALUES = {
    "q": ("\0", LONG, "слово " * 100),
    "o": ("abc", "1.x", "9" * 5000, "1." * 1000, "--1"),
    "p": ("0", "-1", "1e9", "9" * 5000, "\0"),
    "_to_field": ("x", "id__in"),
}

#: Unusual but valid queries.
VALID_QUERIES = (
    {"p": "9" * 18},
    {"q": "'\"<>|&!:*()\\%_"},
    {"q": '"'},
    {"q": "9" * 100},
    {"q": "-" * 100},
    {"q": "(- " * 100},
    {"p": ""},
    {"all": "x"},
    {"_facets": "x"},
    {"_popup": "x"},
    {"e": "1"},
    {"_to_field": "id"},
    {},
)


def query_string(parameters: dict[str, str]) -> str:
    """Return a query string with its question mark."""
    return "?" + "&".join(f"{quote(name)}={quote(value)}" for name, value in parameters.items())


def list_url(model) -> str:
    """Return the URL of a list."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def invalid_list_urls(model) -> Iterator[str]:
    """Yield URLs of a list with parameters or values that it does not accept."""
    url = list_url(model)
    yield from (url + query_string({name: value}) for name, value in PARAMETERS.items())
    yield from (
        url + query_string({name: value})
        for name, values in INVALID_VALUES.items()
        for value in values
    )
    # Lookups of columns, with a different value for each column.
    for index, field in enumerate(model._meta.fields[:12]):
        lookup = ("regex", "gte", "year", "in", "exact", "contains")[index % 6]
        value = VALUES[index % len(VALUES)]
        yield url + query_string({f"{field.name}__{lookup}": value})


def filter_urls(model) -> Iterator[str]:
    """Yield URLs of a list with two of VALUES for each parameter of its filters."""
    for index, name in enumerate(filter_names(admin.site._registry[model])):
        values = islice(cycle(VALUES), index, index + 10, 5)
        yield from (list_url(model) + query_string({name: value}) for value in values)


def filter_names(model_admin) -> Iterator[str]:
    """Yield the parameters of the filters of a list."""
    for entry in model_admin.list_filter:
        if isinstance(entry, tuple):
            yield from (f"{entry[0]}_from", f"{entry[0]}_to")
        elif isinstance(entry, str):
            yield from (f"{entry}__exact", f"{entry}__isnull", f"{entry}__id__exact")
        else:
            yield entry.parameter_name


def valid_list_urls() -> Iterator[str]:
    """Yield unusual but valid URLs of all lists."""
    queries = cycle(VALID_QUERIES)
    for model in admin.site._registry:
        yield from (list_url(model) + query_string(parameters) for parameters in islice(queries, 3))


def row_urls() -> Iterator[str]:
    """Yield URLs of pages of rows with keys that cannot exist."""
    keys = cycle(("x", "%00", "_00", "9" * 30, "9" * 5000, "-1", "1e5", "_5F", "1'--"))
    for model in admin.site._registry:
        url = list_url(model)
        for key in islice(keys, 2):
            yield from (f"{url}{key}/{page}/" for page in ("change", "history", "delete"))
        yield from (
            f"{url}1/change/?{query}" for query in ("_to_field=x", "_changelist_filters=%00")
        )


def other_urls() -> Iterator[str]:
    """Yield invalid URLs of pages that do not belong to a table."""
    source = "app_label=ecommerce&model_name=offer&field_name=product"
    yield from (
        f"/autocomplete/?{source}&{query}"
        for query in (
            "term=%00",
            f"term={LONG}",
            "page=abc",
            "page=0",
            "page=" + "9" * 30,
            "term=(",
        )
    )
    for query in ("app_label=%00", "model_name=%00", "field_name=%00", "field_name=x", ""):
        yield f"/autocomplete/?{source}&{query}"
    for query in (
        "s=%00",
        "s=(",
        "page=abc",
        "s=a&page=abc",
        "s=a&page=0",
        "s=a&page=99",
        "extended",
    ):
        yield f"/search/?{query}"
        yield f"/search/?extended=1&{query}"
    yield f"/search/?s={LONG}"
    yield from ("/jsi18n/?x=%00", "/?x=%00", "/login/?next=%00", "/%00/", "/r/1/x/", "/r/%00/%00/")
    yield from ("/password_change/?x=%00", "/ecommerce/?x=%00", "/auth/user/1/password/?x=%00")
