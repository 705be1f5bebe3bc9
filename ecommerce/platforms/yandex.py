"""Yandex Market: price lists of shops (YML). Product pages (YM-PAGE) are parsed in `yandex_pages`.

YML, Yandex Market Language, is the feed that a shop publishes for Yandex Market, with its
categories and offers. Their ids are unique within the shop only, so the id of each category,
product and offer is stored as "<shop>:<id>".
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ecommerce.platforms import yandex_pages
from ecommerce.platforms.shop_feeds import (
    entries,
    find_currency,
    first_text,
    name_in_file,
    price_text,
    texts,
)
from ecommerce.platforms.yandex_pages import one_line
from ecommerce.records import Category, Offer, Product, Seller
from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Item, Parsed, Payload, Shape, Source
from marketplace.loading.formats.decimal_marks import decimal_context, price_style

_SUPPLIER = re.compile(r"^[ \t]*(?:supplier|поставщик)[ \t]*[=|]([^|\n]+)", re.I | re.M)
_QUANTITY = re.compile(r"([>≥]?)\s*(\d{1,9})(?:\.0+)?")


def _recognize(document: Payload) -> bool:
    if not isinstance(document.get("yml_catalog"), dict):
        return False
    offer = document.get("offer")
    if isinstance(offer, dict):
        # The stock feed of Ozon has the same elements, but no names of offers.
        return "outlets" not in offer or "name" in offer or "model" in offer
    return isinstance(document.get("category"), dict)


def _split(document: Payload, source: Source) -> Iterator[Item]:
    head = values.mapping(document.get("yml_catalog"), "yml_catalog")
    url = values.text(head.get("url"), "url")
    shop, name = _shop(
        source.options.get("shop"),
        values.text(head.get("name"), "name"),
        values.text(head.get("comment"), "comment"),
        values.text(head.get("company"), "company"),
        url,
        source.name,
    )
    context = {
        "shop": shop,
        "shop_name": name,
        "url": url,
    }
    if "decimal" in head:
        context |= decimal_context(source, head["decimal"])
    offer = document.get("offer")
    kind = "offer" if isinstance(offer, dict) else "category"
    if isinstance(offer, dict) and not first_text(offer, "currencyId"):
        context["currency"] = find_currency(head) or source.options.get("currency")
    present = {key: value for key, value in context.items() if value not in (None, "")}
    observed_at = source.read_time(head.get("date"), "yml_catalog.date")
    yield Item("YML", {kind: document.get(kind)}, present, kind == "offer", observed_at)


@lru_cache(maxsize=64)  # Each offer of the feed repeats the head.
def _shop(
    option: str | None,
    name: str | None,
    comment: str | None,
    company: str | None,
    url: str | None,
    file_name: str,
) -> tuple[str, str | None]:
    """Return the key of the shop and its published name.

    :raises PayloadError: if neither the user nor the feed nor the file name the shop
    """
    supplier = _SUPPLIER.search(comment or "")
    named = [name, supplier and supplier[1].strip(), company]
    published = next((text for text in named if text), None)
    for candidate in (option, *named, _host(url), name_in_file(file_name)):
        # One spelling for all feeds of a shop: "AlStyle" in 2026 was "alstyle" in 2025.
        key = (values.normalize_title(candidate) or "").replace(" ", "-")
        if key:
            return key, published
    raise PayloadError("the feed does not name its shop; pass --shop NAME", "shop")


def _host(url: str | None) -> str | None:
    try:
        return (urlsplit(url or "").hostname or "").removeprefix("www.")
    except ValueError:
        return None


def _parse(payload: Payload, context: Payload) -> Parsed:
    shop = values.identifier(context.get("shop"), "shop")
    if "offer" in payload:
        offer = values.mapping(payload["offer"], "offer")
        external_id = _scoped(shop, offer.get("@id"), "offer.@id")
        records = _build_records(offer, external_id, shop, context)
        return Parsed(external_id, records, warnings=_warnings(offer))
    category = _build_category(values.mapping(payload.get("category"), "category"), shop)
    return Parsed(category.external_id, [category])


def _scoped(shop: str, published: Any, field: str) -> str:
    """Return an id that is unique among shops."""
    return values.identifier(f"{shop}:{values.identifier(published, field)}", field)


def _build_category(element: Payload, shop: str) -> Category:
    external_id = _scoped(shop, element.get("@id"), "category.@id")
    parent = values.text(element.get("@parentId"), "category.@parentId")
    # Shop systems write 0, or the id of the category itself, for a category without a parent.
    parent_id = None if parent in (None, "0") else _scoped(shop, parent, "category.@parentId")
    return Category(
        external_id,
        name=one_line(values.text(element.get("#text"), "category")),
        parent_external_id=None if parent_id == external_id else parent_id,
    )


def _build_records(offer: Payload, external_id: str, shop: str, context: Payload) -> list[Any]:
    product = _build_product(offer, external_id, shop, context)
    records = [_build_seller(shop, context), product]
    if product.min_price is None and product.is_available is not False:
        return records
    if product.currency is None and product.min_price is not None:
        raise PayloadError("is missing; pass --currency CODE", "currencyId")
    currency_text = _currency_text(offer, context)
    old_price = price_text(offer, "oldprice", "old_price")
    records.append(
        Offer(
            external_id,
            product_external_id=external_id,
            price=product.min_price,
            currency=product.currency,
            old_price=product.min_price
            and values.old_price(
                old_price,
                "oldprice",
                product.min_price,
                style=price_style(product.currency, context),
            ),
            currency_text=currency_text if currency_text != product.currency else None,
            seller_external_id=shop,
            is_available=product.is_available,
            stock_quantity=product.total_available,
            barcode=product.barcode,
        )
    )
    return records


def _build_seller(shop: str, context: Payload) -> Seller:
    name = values.text(context.get("shop_name"), "shop_name")
    return Seller(shop, name=name, slug=shop, link=values.text(context.get("url"), "url"))


def _build_product(offer: Payload, external_id: str, shop: str, context: Payload) -> Product:
    category = first_text(offer, "categoryId")
    currency = values.currency(_currency_text(offer, context), "currencyId")
    price = values.price(price_text(offer, "price"), "price", style=price_style(currency, context))
    is_available, stock = _availability(offer)
    return Product(
        external_id,
        title=one_line(first_text(offer, "name") or _compound_name(offer)),
        description=values.plain_text(first_text(offer, "description"), "description"),
        category_external_id=_scoped(shop, category, "categoryId") if category else None,
        seller_external_id=shop,
        brand=first_text(offer, "vendor"),
        model=first_text(offer, "model"),
        sku=first_text(offer, "vendorCode"),
        barcode=first_text(offer, "barcode"),
        is_available=is_available,
        total_available=stock,
        min_price=price,
        max_price=price,
        currency=currency,
        url=first_text(offer, "url"),
        images=list(dict.fromkeys(texts(offer, "picture"))) or None,
        characteristics=_characteristics(offer),
    )


def _currency_text(offer: Payload, context: Payload) -> str | None:
    """Return the currency of the offer as published, or that of the feed or the command line."""
    return first_text(offer, "currencyId") or values.text(context.get("currency"), "currency")


def _compound_name(offer: Payload) -> str | None:
    """Return the name of an offer of the type "vendor.model", which has no name element."""
    parts = [first_text(offer, tag) for tag in ("typePrefix", "vendor", "model")]
    return " ".join(filter(None, parts)) if parts[2] else None


def _characteristics(offer: Payload) -> list[dict[str, Any]] | None:
    """Return the params grouped by name. A param that is repeated has several values."""
    grouped: dict[str, list[str]] = {}
    for entry in entries(offer, "param"):
        param = values.mapping(entry, "param")
        title = values.text(param.get("@name"), "param.@name")
        value = values.text(param.get("#text"), "param")
        if title and value:
            unit = values.text(param.get("@unit"), "param.@unit")
            grouped.setdefault(title, []).append(f"{value} {unit}" if unit else value)
    return [{"title": title, "values": published} for title, published in grouped.items()] or None


def _availability(offer: Payload) -> tuple[bool | None, int | None]:
    """Return whether the offer can be bought, and the stock quantity.

    An empty stock takes precedence over `available`, which many shops never update. By the format,
    an offer that states neither can be bought.
    """
    word = _availability_word(offer)
    stated, _ = _read_availability(word)
    is_disabled, _ = _read_availability(first_text(offer, "disabled"))
    has_stock, stock = _stock(offer)
    if is_disabled or stated is False or has_stock is False:
        return False, stock
    if stated is None and word is not None and not has_stock:
        return None, stock
    return True, stock


def _availability_word(offer: Payload) -> str | None:
    return values.text(offer.get("@available"), "offer.@available") or first_text(
        offer, "available"
    )


def _read_availability(word: str | None) -> tuple[bool | None, bool]:
    """Return the availability that a word states, and whether the word is known."""
    try:
        return values.availability(word, "available"), True
    except PayloadError:
        return None, False


def _warnings(offer: Payload) -> tuple[str, ...]:
    word = _availability_word(offer)
    if _read_availability(word)[1]:
        return ()
    return (f"The availability {values.quote(word)} is not known; it is stored as unknown.",)


def _stock(offer: Payload) -> tuple[bool | None, int | None]:
    """Return whether the offer is in stock, and the quantity.

    Only the first quantity counts: a shop that publishes ">50" may also publish 50 in another
    element. A text that is not a number is not an error, because shops publish any text here.
    """
    quantity = first_text(offer, "quantity", "stock_quantity", "quantity_in_stock", "count")
    match = _QUANTITY.fullmatch(quantity or "")
    if match:
        is_minimum, amount = bool(match[1]), int(match[2])
        return is_minimum or amount > 0, None if is_minimum else amount
    matches = [match for text in _outlets(offer) if (match := _QUANTITY.fullmatch(text))]
    if not matches:
        return None, None
    total = sum(int(match[2]) for match in matches)
    is_minimum = any(match[1] for match in matches)
    return is_minimum or total > 0, None if is_minimum else total


def _outlets(offer: Payload) -> list[str]:
    """Return the quantities of the outlets as published."""
    groups = [group for group in entries(offer, "outlets") if isinstance(group, dict)]
    outlets = [outlet for group in groups for outlet in entries(group, "outlet")]
    return [
        text
        for outlet in outlets
        if isinstance(outlet, dict)
        and (text := values.text(outlet.get("@instock"), "outlet.@instock"))
    ]


SHAPES: tuple[Shape, ...] = (Shape("YML", _recognize, _split, _parse), yandex_pages.SHAPE)
