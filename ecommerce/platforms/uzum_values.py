"""Values in all payloads of Uzum: names in two languages, photos and badges."""

from typing import Any

from marketplace.loading import values
from marketplace.loading.adapters import Payload
from marketplace.loading.values.prices import in_currency

CURRENCY = "UZS"
PRICE_STYLE = in_currency(CURRENCY)
SITE = "https://uzum.uz"

#: Keys of the sizes of a photo, the largest first. Other keys are not sizes: "24034" is a crop.
_PHOTO_SIZES = ("800", "720", "540", "480", "240")


def parse_names(value: Any, field: str) -> tuple[str | None, str | None, str | None]:
    """Return a name in any language, in Russian and in Uzbek; plain text has no known language."""
    if not isinstance(value, dict):
        return values.text(value, field), None, None
    russian = values.text(value.get("ru"), f"{field}.ru")
    uzbek = values.text(value.get("uz"), f"{field}.uz")
    return uzbek or russian, russian, uzbek


def parse_photos(data: Payload) -> list[str] | None:
    """Return the address of the largest size of each photo.

    The sizes are nested in product responses, but not in cards.
    """
    if data.get("photos") is None:
        return None
    images = []
    for photo in values.objects(data["photos"], "photos"):
        sizes = values.mapping(photo.get("photo"), "photos[].photo")
        links = [*map(sizes.get, _PHOTO_SIZES), photo.get("link")]
        addresses = (values.mapping(link, "photos[].photo").get("high") for link in links)
        images.append(values.text(next(filter(None, addresses), None), "photos[].high"))
    return [address for address in images if address]


def parse_tags(data: Payload) -> list[str] | None:
    """Return the texts of the badges, without monthly installments, which are prices."""
    if data.get("badges") is None:
        return None
    badges = values.objects(data["badges"], "badges")

    tags = (badge for badge in badges if badge.get("__typename") != "UzumInstallmentTitleBadge")
    return [text for badge in tags if (text := values.text(badge.get("text"), "badges[].text"))]
