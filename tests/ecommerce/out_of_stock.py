"""Documents of platforms with a price and a stock, and the loading of them."""

from datetime import UTC, datetime, timedelta

from ecommerce.models import PricePoint
from marketplace.loading.ingest import load_documents

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def wildberries(price, stock):
    size = {"optionId": 70, "stocks": [{"qty": stock}] if stock else []}
    if price:
        size["price"] = {"product": price * 100}
    product = {"id": 7, "name": "Choynak", "supplierId": 1, "totalQuantity": stock}
    product["sizes"] = [size]
    return {"data": {"products": [product]}}


def wildberries_without_sizes(price, stock):
    document = wildberries(price, stock)
    if not stock:
        document["data"]["products"][0]["sizes"] = []
    return document


def wildberries_without_stocks(price, stock):
    document = wildberries(price, stock)
    document["data"]["products"][0]["sizes"][0].pop("stocks")
    return document


def uzum(price, stock):
    sku = {"id": 70, "purchasePrice": price, "availableAmount": stock}
    return {"payload": {"data": {"id": 7, "title": "Choynak", "skuList": [sku]}}}


def uzum_without_skus(price, stock):
    document = uzum(price, stock)
    if not stock:
        document["payload"]["data"]["skuList"] = []
    return document


def feed(price, stock):
    offer = {"@id": "7", "name": ["Choynak"], "currencyId": ["UZS"], "quantity": [str(stock)]}
    offer |= {"price": [str(price)]}
    return {"yml_catalog": {"name": "Shop"}, "offer": offer}


def feed_with_availability(price, stock):
    offer = {"@id": "7", "name": ["Choynak"], "@available": str(stock > 0).lower()}
    offer |= {"price": [str(price)], "currencyId": ["UZS"], "quantity": [str(stock)]}
    return {"yml_catalog": {"name": "Shop"}, "offer": offer}


def page(price, stock):
    record = {"productId": 7, "offerId": "70", "price": {"value": price, "currency": "UZS"}}
    state = "InStock" if stock else "OutOfStock"
    block = {
        "@type": "Product",
        "url": "https://market.yandex.uz/product--x/7",
        "offers": {"availability": f"https://schema.org/{state}"},
    }
    return {"json_ld": [block], "offers": [record] if stock else []}


def tile(price, stock):
    return {
        "product_url": "/product/choynak-7/",
        "product_name": "Choynak",
        "final_price": str(price or ""),
        "delivery_time": "Завтра" if stock else "Похожие",
    }


def stock_feed(price, stock):
    outlets = [{"outlet": [{"@instock": str(stock)}]}]
    offer = {"@id": "7", "price": [str(price or "")], "outlets": outlets}
    return {"yml_catalog": {"name": "Shop"}, "offer": offer}


def load(platform, document, day):
    summary = load_documents(platform, [document], observed_at=START + day * DAY)
    assert (summary.rejected, summary.held) == (0, 0)
    return summary


def points():
    return [
        ((point.recorded_at - START).days, int(point.price), point.is_available)
        for point in PricePoint.objects.order_by("recorded_at")
    ]
