"""Values as HTML elements: badges, links, tables, JSON. All text is escaped."""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from urllib.parse import urlencode

from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from marketplace.admin_site.formatting import DASH

#: Default length in characters of a text in a list.
CLIP_LENGTH = 120

#: Colors of badges by their text in lower case.
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


def figure(text: str) -> SafeString:
    """Return a value that is never wrapped to a second line."""
    return format_html('<span class="mp-figure">{}</span>', text)


def badge(text: str, tone: str = "") -> SafeString:
    """Return a word in a colored frame.

    :param tone: good, bad, busy or plain; chosen by the word if empty
    """
    return format_html(
        '<span class="mp-badge mp-{}">{}</span>', tone or _TONES.get(text.lower(), "plain"), text
    )


def two_lines(first: str, second: str) -> SafeString:
    """Return a value with a note below it, or the value alone if the note is empty."""
    if not second:
        return format_html("{}", first)
    return format_html('<div>{}</div><small class="mp-muted">{}</small>', first, second)


def flag(value: bool | None) -> str:
    """Return a badge with yes or no; a dash if the value is unknown."""
    if value is None:
        return DASH
    return badge("Yes", "good") if value else badge("No", "bad")


def paragraphs(text: str | None) -> SafeString:
    """Return a text with its line breaks."""
    return format_html('<div class="mp-text">{}</div>', text or DASH)


def clip(text: str, limit: int = CLIP_LENGTH) -> str:
    """Return a text cut to `limit` characters, with the full text as its tooltip."""
    if len(text) <= limit:
        return text
    return format_html('<span title="{}">{}…</span>', text[:1000], text[:limit].rstrip())


def web_url(value: object) -> str:
    """Return the value if it is an http(s) URL, otherwise an empty string."""
    text = str(value).strip()
    if text.startswith("//"):
        return f"https:{text}"
    return text if text.lower().startswith(("http://", "https://")) else ""


def web_urls(values: object) -> list[str]:
    """Return the http(s) URLs in a list of values; an empty list if it is not a list."""
    candidates = values if isinstance(values, list) else []
    return [url for url in map(web_url, candidates) if url]


def list_url(model: type[models.Model], **parameters: object) -> str:
    """Return the URL of a table's list page, filtered by `parameters`."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{url}?{urlencode(parameters)}" if parameters else url


def link(url: str, text: object) -> SafeString:
    """Return a link to another page of the admin."""
    return format_html('<a class="mp-link" href="{}">{}</a>', url, text)


def external_link(url: str, text: object) -> SafeString:
    """Return a link to another site, which opens in a new tab."""
    return format_html(
        '<a class="mp-link" href="{}" target="_blank" rel="noopener noreferrer">{}</a>', url, text
    )


def web_link(value: str) -> str:
    """Return a link to the URL that the value is, or the value alone if it is not a URL."""
    url = web_url(value)
    return external_link(url, value) if url else value


def admin_link(obj: models.Model | None, text: str = "") -> str:
    """Return a link to the page of a row; the text alone if its table has no pages."""
    if obj is None:
        return DASH
    meta = obj._meta
    try:
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=(obj.pk,))
    except NoReverseMatch:
        return text or str(obj)
    return link(url, text or str(obj))


def as_json(value: object) -> str:
    """Return a JSON value with indentation, or a list of strings as lines with links."""
    if value is None:
        return DASH
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return format_html_join("", "<div>{}</div>", ((web_link(item),) for item in value)) or DASH
    return preformatted(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def preformatted(text: str) -> SafeString:
    """Return a text with its line breaks, in a box that scrolls."""
    return format_html('<pre class="mp-pre" tabindex="0">{}</pre>', text)


def highlighted_json(text: str, field: str) -> SafeString:
    """Return indented JSON in a box that scrolls, with the values of a field highlighted.

    :param field: the name of the field, or a path to it such as skus[0].price
    """
    name = json.dumps(re.split(r"[.\]]", field.rstrip("]"))[-1], ensure_ascii=False)
    # The value is on the line of its name, or extends to the bracket that closes it.
    value = rf"( *){re.escape(name)}: (?:[\[{{]\n(?:\1 .*\n)*\1[\]}}],?|.*)"
    parts, end = [], 0
    for match in re.finditer(f"^{value}$", text, re.MULTILINE) if field else ():
        parts += [(text[end : match.start()], match.group())]
        end = match.end()
    before = format_html_join("", "{}<mark>{}</mark>", parts)
    return format_html('<pre class="mp-pre" tabindex="0">{}{}</pre>', before, text[end:])


def table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[str] = ()
) -> SafeString:
    """Return a table, or a note that there are no rows.

    :param right: the headers of columns that are aligned to the right
    """
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
