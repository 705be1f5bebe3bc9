"""How values look on the pages: money, times, links, JSON. Unknown is a dash, never 0."""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import zstandard
from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from marketplace.loading.payloads import decompress

DASH = "—"

#: The currency of Uzbekistan, and all in which platforms publish prices: code and name.
SOM = "UZS"
CURRENCIES = (
    (SOM, "so'm (UZS)"),
    ("RUB", "rubles (RUB)"),
    ("KZT", "tenge (KZT)"),
    ("USD", "dollars (USD)"),
    ("EUR", "euros (EUR)"),
    ("PLN", "zlotys (PLN)"),
)

#: Bytes of a payload that a page shows.
PAYLOAD_LIMIT = 20_000

#: Bytes of a raw payload that a page shows: nearly all are smaller.
RAW_LIMIT = 500_000

#: Characters of a text that a row of a list shows.
CLIP = 120

#: How columns' names, and words of them, are written for people.
_NAMES = {
    "discount_percent": "discount",
    "min_price": "price",
    "order_count": "orders",
    "price_change_percent": "change, %",
    "price_point_count": "price points",
    "product_count": "products",
    "review_count": "reviews",
    "savings_percent": "savings, %",
    "seen_count": "times seen",
}
_WORDS = {
    "at": "",
    "count": "",
    "en": "(English)",
    "inn": "INN",
    "no": "number",
    "ru": "(Russian)",
    "sku": "SKU",
    "sqm": "m²",
    "url": "URL",
    "uz": "(Uzbek)",
}

#: What a badge's color means, by the word in it.
_TONES = {
    "completed": "good",
    "active": "good",
    "connected": "good",
    "running": "busy",
    "held": "busy",
    "sold": "busy",
    "failed": "bad",
    "cancelled": "bad",
    "removed": "bad",
    "unreachable": "bad",
}


def label(name: str) -> str:
    """Return a column's name for people: is_available → available."""
    if name in _NAMES:
        return _NAMES[name]
    words = re.sub(r"^(is|has)_", "", name).split("_")
    return " ".join(filter(None, (_WORDS.get(word, word) for word in words)))


def number(value: Decimal | float | None, places: int = 0) -> str:
    """Return a number with its thousands apart: 5 300 716."""
    if value is None:
        return DASH
    return f"{value:,.{places}f}".replace(",", " ")


def money(amount: Decimal | None, currency: str | None) -> str:
    """Return an amount with its currency: 5 300 716 UZS; hundredths only where there are any."""
    if amount is None:
        return DASH
    places = 0 if amount == amount.to_integral_value() else 2
    return f"{number(amount, places)} {currency or ''}".rstrip()


def change(amount: Decimal | None, currency: str | None) -> str:
    """Return a difference of amounts with its sign: +12 000 UZS."""
    return f"{'+' if amount and amount > 0 else ''}{money(amount, currency)}"


def quantity(value: Decimal | None) -> str:
    """Return a quantity without idle zeros: 12.5."""
    if value is None:
        return DASH
    text = number(value, 4)
    return text.rstrip("0").rstrip(".")


def percent(value: Decimal | None) -> str:
    """Return a share: 12.5 %."""
    if value is None:
        return DASH
    return f"{number(value, 2).rstrip('0').rstrip('.')} %"


def percent_change(value: Decimal | None) -> str:
    """Return a relative change with its sign: +12.5 %."""
    return f"{'+' if value and value > 0 else ''}{percent(value)}"


def format_time(value: datetime | None) -> str:
    """Return a time in the project's zone: 2025-11-22 18:17."""
    return DASH if value is None else f"{timezone.localtime(value):%Y-%m-%d %H:%M}"


def duration(value: timedelta | None) -> str:
    """Return a length of time in its two largest units: 3 min 12 s."""
    if value is None:
        return DASH
    left = max(int(value.total_seconds()), 0)
    parts: list[str] = []
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, seconds)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def size(value: int | None) -> str:
    """Return a number of bytes: 1.2 GB."""
    if value is None:
        return DASH
    amount, units = float(value), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.0f} {units[0]}" if amount >= 100 else f"{amount:.3g} {units[0]}"


def figure(text: str) -> SafeString:
    """Return a figure that is never broken into two lines."""
    return format_html('<span class="mp-figure">{}</span>', text)


def badge(text: str, tone: str = "") -> SafeString:
    """Return a word in a colored frame; `tone` is good, bad, busy, or found by the word."""
    return format_html(
        '<span class="mp-badge mp-{}">{}</span>', tone or _TONES.get(text.lower(), "plain"), text
    )


def two_lines(first: str, second: str) -> SafeString:
    """Return a value with a remark below it; the value alone if the remark is empty."""
    if not second:
        return format_html("{}", first)
    return format_html('<div>{}</div><small class="mp-muted">{}</small>', first, second)


def flag(value: bool | None) -> str:
    """Return yes or no."""
    if value is None:
        return DASH
    return badge("Yes", "good") if value else badge("No", "bad")


def web_url(value: object) -> str:
    """Return the value if a browser may open it as a page or image, else an empty text."""
    text = str(value).strip()
    if text.startswith("//"):
        return f"https:{text}"
    return text if text.lower().startswith(("http://", "https://")) else ""


def link(url: str, text: object) -> SafeString:
    """Return a link to another page of the admin."""
    return format_html('<a class="mp-link" href="{}">{}</a>', url, text)


def out_link(url: str, text: object) -> SafeString:
    """Return a link out of the admin, which opens beside it."""
    return format_html(
        '<a class="mp-link" href="{}" target="_blank" rel="noopener noreferrer">{}</a>', url, text
    )


def web_link(value: str) -> str:
    """Return a link out of the admin; the text alone if it is no address."""
    url = web_url(value)
    return out_link(url, value) if url else value


def web_urls(values: object) -> list[str]:
    """Return those of a list of values that are addresses of pages or images."""
    found = values if isinstance(values, list) else []
    return [url for url in map(web_url, found) if url]


def admin_link(obj: models.Model | None, text: str = "") -> str:
    """Return a link to a row's page."""
    if obj is None:
        return DASH
    meta = obj._meta
    try:
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=(obj.pk,))
    except NoReverseMatch:
        return text or str(obj)
    return link(url, text or str(obj))


def brief(obj: models.Model) -> str:
    """Return what a row is called, without the platform's id if it has a name."""
    names = (getattr(obj, column, None) for column in ("name", "title", "variant_title"))
    return next(filter(None, names), str(obj))


def list_url(model: type[models.Model], **parameters: object) -> str:
    """Return the address of a table's list, narrowed by `parameters`."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{url}?{urlencode(parameters)}" if parameters else url


def clip(text: str, limit: int = CLIP) -> str:
    """Return a text cut to `limit`; the rest shows on hovering."""
    if len(text) <= limit:
        return text
    return format_html('<span title="{}">{}…</span>', text[:1000], text[:limit].rstrip())


def paragraphs(text: str | None) -> SafeString:
    """Return a text with its own line breaks."""
    return format_html('<div class="mp-text">{}</div>', text or DASH)


def as_json(value: object) -> str:
    """Return a JSON value with its indentation, letters of any alphabet readable."""
    if value is None:
        return DASH
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return format_html_join("", "<div>{}</div>", ((web_link(item),) for item in value)) or DASH
    return preformatted(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def preformatted(text: str) -> SafeString:
    """Return a text with its own line breaks, in a box that scrolls."""
    return format_html('<pre class="mp-pre" tabindex="0">{}</pre>', text)


def marked(text: str, field: str) -> SafeString:
    """Return JSON with indentation in a box that scrolls, the values of a field marked.

    :param field: the name of the field, or a path to it such as skus[0].price
    """
    name = json.dumps(re.split(r"[.\]]", field.rstrip("]"))[-1], ensure_ascii=False)
    # A value in the line of its name, or the lines down to the bracket that closes it.
    value = rf"( *){re.escape(name)}: (?:[\[{{]\n(?:\1 .*\n)*\1[\]}}],?|.*)"
    parts, end = [], 0
    for found in re.finditer(f"^{value}$", text, re.MULTILINE) if field else ():
        parts += [(text[end : found.start()], found.group())]
        end = found.end()
    before = format_html_join("", "{}<mark>{}</mark>", parts)
    return format_html('<pre class="mp-pre" tabindex="0">{}{}</pre>', before, text[end:])


def unpack(alias: str, data: bytes | memoryview, limit: int = PAYLOAD_LIMIT) -> str:
    """Return the text of a zstd frame; more than `limit` bytes are cut off, and it says so.

    :param alias: the database that keeps the frame, and the dictionary that it may need
    """
    try:
        raw = decompress(alias, data, limit + 1)
    except zstandard.ZstdError as error:
        return f"The payload cannot be unpacked: {error}."
    if len(raw) > limit:
        return f"{raw[:limit].decode(errors='replace')}\n… cut off after {number(limit)} bytes."
    return pretty(raw.decode(errors="replace"))


def pretty(text: str) -> str:
    """Return JSON with indentation; any other text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[str] = ()
) -> SafeString:
    """Return a table; the columns named in `right` are aligned as figures."""
    classes = ["mp-right" if header in right else "" for header in headers]
    head = format_html_join("", '<th class="{}">{}</th>', zip(classes, headers, strict=True))
    body = [
        (format_html_join("", '<td class="{}">{}</td>', zip(classes, row, strict=True)),)
        for row in rows
    ]
    if not body:
        return mark_safe('<p class="mp-empty">None.</p>')
    return format_html(
        '<div class="mp-scroll" tabindex="0"><table class="mp-table"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        head,
        format_html_join("", "<tr>{}</tr>", body),
    )


def field_value(obj: models.Model, field: "models.Field[Any, Any]", short: bool = False) -> str:
    """Return a row's value of a field, as its type wants to be shown; `short` for a list."""
    value = getattr(obj, field.name)
    if value is None or value == "":
        return DASH
    if field.choices:
        return badge(str(dict(field.flatchoices).get(value, value)))
    if isinstance(field, models.ForeignKey):
        return admin_link(value, clip(brief(value), 40) if short else "")
    kind = field.output_field if isinstance(field, models.GeneratedField) else field
    if isinstance(kind, models.DecimalField):
        return figure(_decimal(obj, field.name, value, kind))
    if isinstance(kind, models.JSONField):
        return as_json(value)
    return _plain(value, field.name, short)


def _decimal(obj: models.Model, name: str, value: Decimal, kind: "models.Field[Any, Any]") -> str:
    if name.endswith("percent"):
        return percent(value)
    if getattr(kind, "max_digits", 0) == 18:
        return money(value, getattr(obj, "currency", None))
    return quantity(value)


def _plain(value: Any, name: str, short: bool) -> str:
    if isinstance(value, bool):
        return flag(value)
    if isinstance(value, datetime):
        return figure(format_time(value))
    if isinstance(value, date):
        return figure(value.isoformat())
    if isinstance(value, int):
        grouped = name.endswith(("count", "quantity", "amount", "available", "mileage"))
        return figure(number(value) if grouped else str(value))
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if name == "platform":
        return badge(value, "plain")
    if short:
        return clip(value)
    return web_link(value) if web_url(value) else paragraphs(value)
