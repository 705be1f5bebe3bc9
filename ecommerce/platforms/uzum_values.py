"""What the payloads of Uzum have in common: names in two languages, photos, badges."""

from typing import Any

from marketplace.loading import values
from marketplace.loading.adapters import Payload
from marketplace.loading.values.prices import in_currency

CURRENCY = "UZS"
PRICE_STYLE = in_currency(CURRENCY)
SITE = "https://uzum.uz"

#: Keys of a photo's sizes, best first. Not by number: "24034" is a crop of 240 pixels.
_PHOTO_SIZES = ("800", "720", "540", "480", "240")


def parse_names(value: Any, field: str) -> tuple[str | None, str | None, str | None]:
    """Return a name in any language, in Russian, in Uzbek; that of plain text is unknown."""
    if not isinstance(value, dict):
        return values.text(value, field), None, None
    russian = values.text(value.get("ru"), f"{field}.ru")
    uzbek = values.text(value.get("uz"), f"{field}.uz")
    return uzbek or russian, russian, uzbek


def parse_photos(data: Payload) -> list[str] | None:
    """Return one address a photo, the largest: product responses nest sizes, cards do not."""
    if data.get("photos") is None:
        return None
    images = []
    for photo in values.objects(data["photos"], "photos"):
        sizes = values.mapping(photo.get("photo"), "photos[].photo")
        links = [*map(sizes.get, _PHOTO_SIZES), photo.get("link")]
        found = (values.mapping(link, "photos[].photo").get("high") for link in links)
        images.append(values.text(next(filter(None, found), None), "photos[].high"))
    return [address for address in images if address]


def parse_tags(data: Payload) -> list[str] | None:
    if data.get("badges") is None:
        return None
    badges = values.objects(data["badges"], "badges")
    # What an installment costs a month is a price, not a tag, and changes as prices do.
    tags = (badge for badge in badges if badge.get("__typename") != "UzumInstallmentTitleBadge")
    return [text for badge in tags if (text := values.text(badge.get("text"), "badges[].text"))]
