"""Addresses of the admin that no page offers, as an attacker or a damaged link has them."""

from collections.abc import Iterator
from itertools import cycle, islice
from urllib.parse import quote

from django.contrib import admin
from django.urls import reverse

LONG = "x" * 100_000

#: Values of a filter: a NUL character, a pattern, and numbers, dates and texts out of all bounds.
VALUES = ("\0", "(", "'", "1e999999", "9" * 30, "99999-01-01", "2026-02-30", "NaN", "zzz", LONG)

#: Queries that no list can read.
QUERIES = {
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

#: Values of the parameters that every list has, and none can read.
ODD = {
    "q": ("\0", LONG, "слово " * 100),
    "o": ("abc", "1.x", "9" * 5000, "1." * 1000, "--1"),
    "p": ("0", "-1", "1e9", "9" * 5000, "\0"),
    "_to_field": ("x", "id__in"),
}

#: Queries that are odd, but can be read.
READABLE = (
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


def query(parameters: dict[str, str]) -> str:
    """Return the query of an address, behind its question mark."""
    return "?" + "&".join(f"{quote(name)}={quote(value)}" for name, value in parameters.items())


def list_url(model) -> str:
    """Return the address of a list."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def unreadable_lists(model) -> Iterator[str]:
    """Yield addresses of a list that have what the list does not offer."""
    url = list_url(model)
    yield from (url + query({name: value}) for name, value in QUERIES.items())
    yield from (url + query({name: value}) for name, values in ODD.items() for value in values)
    # Some columns, each with another of the values.
    for place, field in enumerate(model._meta.fields[:12]):
        lookup = ("regex", "gte", "year", "in", "exact", "contains")[place % 6]
        value = VALUES[place % len(VALUES)]
        yield url + query({f"{field.name}__{lookup}": value})


def odd_filters(model) -> Iterator[str]:
    """Yield addresses of a list with two of the values for each parameter of its filters."""
    for place, name in enumerate(filter_names(admin.site._registry[model])):
        values = islice(cycle(VALUES), place, place + 10, 5)
        yield from (list_url(model) + query({name: value}) for value in values)


def filter_names(model_admin) -> Iterator[str]:
    """Yield the parameters of a list's filters."""
    for each in model_admin.list_filter:
        if isinstance(each, tuple):
            yield from (f"{each[0]}_from", f"{each[0]}_to")
        elif isinstance(each, str):
            yield from (f"{each}__exact", f"{each}__isnull", f"{each}__id__exact")
        else:
            yield each.parameter_name


def readable_lists() -> Iterator[str]:
    """Yield odd addresses of lists that can be read all the same."""
    queries = cycle(READABLE)
    for model in admin.site._registry:
        yield from (list_url(model) + query(parameters) for parameters in islice(queries, 3))


def row_pages() -> Iterator[str]:
    """Yield addresses of the pages of rows that cannot exist."""
    keys = cycle(("x", "%00", "_00", "9" * 30, "9" * 5000, "-1", "1e5", "_5F", "1'--"))
    for model in admin.site._registry:
        url = list_url(model)
        for key in islice(keys, 2):
            yield from (f"{url}{key}/{page}/" for page in ("change", "history", "delete"))
        yield from (f"{url}1/change/?{each}" for each in ("_to_field=x", "_changelist_filters=%00"))


def other_pages() -> Iterator[str]:
    """Yield addresses of the pages that are of no one table."""
    source = "app_label=ecommerce&model_name=offer&field_name=product"
    yield from (
        f"/autocomplete/?{source}&{each}"
        for each in ("term=%00", f"term={LONG}", "page=abc", "page=0", "page=" + "9" * 30, "term=(")
    )
    for odd in ("app_label=%00", "model_name=%00", "field_name=%00", "field_name=x", ""):
        yield f"/autocomplete/?{source}&{odd}"
    for odd in (
        "s=%00",
        "s=(",
        "page=abc",
        "s=a&page=abc",
        "s=a&page=0",
        "s=a&page=99",
        "extended",
    ):
        yield f"/search/?{odd}"
        yield f"/search/?extended=1&{odd}"
    yield f"/search/?s={LONG}"
    yield from ("/jsi18n/?x=%00", "/?x=%00", "/login/?next=%00", "/%00/", "/r/1/x/", "/r/%00/%00/")
    yield from ("/password_change/?x=%00", "/ecommerce/?x=%00", "/auth/user/1/password/?x=%00")
