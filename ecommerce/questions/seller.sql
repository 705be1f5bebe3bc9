/*
group = "sellers"
shown = ["product", "price", "place", "lowest", "difference_percent", "cheapest_seller", "seller", "sold_out", "url"]

[title]
en = "A seller's prices among others"
ru = "Цены продавца среди других"
uz = "Sotuvchi narxlari boshqalar orasida"

[description]
en = "The products of a seller, with the rank of their price among all sellers of the same product (same title or same barcode) on all platforms. The price of a product is that of its cheapest offer that is not sold out, in one currency. Without a seller, the one whose price changed last is shown."
ru = "Товары продавца и место их цены среди всех продавцов того же товара (то же название или тот же штрихкод) на всех площадках. Цена товара — самое дешёвое предложение в наличии, в одной валюте. Без продавца показан тот, чья цена изменилась последней."
uz = "Sotuvchining mahsulotlari va ular narxining barcha platformalarda xuddi shu mahsulot (nomi yoki shtrix-kodi bir xil) sotuvchilari orasidagi oʻrni. Mahsulot narxi — sotuvdagi eng arzon taklifi, bir valyutada. Sotuvchi berilmasa, narxi oxirgi oʻzgargan sotuvchi koʻrsatiladi."

[parameters.seller]
type = "seller"

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.seller]
link = "ecommerce.seller:seller_id"

[columns.product]
link = "ecommerce.product:product_id"

[columns.price]
type = "money:currency"

[columns.place]
type = "coverage:sellers"
title = { en = "rank among sellers", ru = "место среди продавцов", uz = "sotuvchilar orasidagi oʻrni" }

[columns.lowest]
link = "compare?product={product_address}"
type = "money:currency"
title = { en = "cheapest elsewhere", ru = "самая низкая у других", uz = "boshqalardagi eng arzon" }

[columns.difference_percent]
type = "percent"
title = { en = "difference from it", ru = "разница с ней", uz = "undan farqi" }

[columns.cheapest_seller]
title = { en = "seller of the cheapest elsewhere", ru = "у кого", uz = "kimda" }

[columns.offers]
type = "count"

[columns.sold_out]
type = "coverage:offers"
title = { en = "sold out", ru = "нет в наличии", uz = "sotuvda yoʻq" }

[columns.url]
type = "link"

[[panels]]
page = "ecommerce.seller"
parameters = { seller = "{platform}:{external_id}" }
columns = ["product", "price", "place", "lowest", "difference_percent", "cheapest_seller"]
limit = 10
*/
WITH chosen AS (
    SELECT s.id
    FROM ecommerce_sellers AS s
    WHERE
        s.platform = %(seller_platform)s
        AND s.external_id = %(seller_external_id)s
    UNION ALL
    SELECT newest.seller_id
    FROM (
        SELECT o.seller_id
        FROM ecommerce_price_history AS h
        INNER JOIN ecommerce_offers AS o ON h.offer_id = o.id
        WHERE %(seller)s::text IS NULL AND o.seller_id IS NOT NULL
        ORDER BY h.recorded_at DESC, h.offer_id DESC
        LIMIT 1
    ) AS newest
),

own AS (
    SELECT
        o.product_id,
        o.seller_id,
        count(*) AS offers,
        count(*) FILTER (WHERE NOT o.is_available) AS sold_out,
        min(
            ecommerce_convert(
                o.price,
                o.currency,
                %(currency)s,
                (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date
            )
        ) FILTER (WHERE o.is_available IS NOT FALSE) AS price
    FROM ecommerce_offers AS o
    WHERE o.seller_id = (SELECT c.id FROM chosen AS c)
    GROUP BY o.product_id, o.seller_id
),

-- The offers of the same products at other sellers. An unnamed seller is another one for each
-- product.
others AS (
    SELECT
        w.product_id,
        o.platform,
        o.seller_id,
        coalesce(o.seller_id, -o.product_id) AS seller,
        ecommerce_convert(
            o.price, o.currency, %(currency)s, (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date
        ) AS price
    FROM own AS w
    CROSS JOIN LATERAL ecommerce_same_products(w.product_id) AS same (id)
    CROSS JOIN LATERAL (
        -- The planner expects many more products, and would read all offers.
        SELECT *
        FROM ecommerce_offers AS o
        WHERE o.product_id = same.id
        OFFSET 0
    ) AS o
    WHERE o.is_available IS NOT FALSE AND o.seller_id IS DISTINCT FROM w.seller_id
),

compared AS (
    SELECT
        w.product_id,
        count(DISTINCT o.seller) AS others,
        count(DISTINCT o.seller) FILTER (WHERE o.price < w.price) AS cheaper,
        min(o.price) AS lowest,
        (array_agg(o.platform ORDER BY o.price, o.seller))[1] AS cheapest_platform,
        (array_agg(o.seller_id ORDER BY o.price, o.seller))[1] AS cheapest_seller_id
    FROM own AS w
    INNER JOIN others AS o ON w.product_id = o.product_id
    WHERE o.price IS NOT NULL
    GROUP BY w.product_id
)

SELECT
    s.platform,
    s.name AS seller,
    s.id AS seller_id,
    p.title AS product,
    p.id AS product_id,
    w.price,
    %(currency)s::text AS currency,
    CASE WHEN w.price IS NOT NULL THEN coalesce(c.cheaper, 0) + 1 END AS place,
    CASE WHEN w.price IS NOT NULL THEN coalesce(c.others, 0) + 1 END AS sellers,
    c.lowest,
    round(100 * (w.price - c.lowest) / nullif(c.lowest, 0), 2) AS difference_percent,
    c.cheapest_platform,
    t.name AS cheapest_seller,
    w.offers,
    w.sold_out,
    p.platform || ':' || p.external_id AS product_address,
    p.url
FROM own AS w
INNER JOIN ecommerce_sellers AS s ON w.seller_id = s.id
INNER JOIN ecommerce_products AS p ON w.product_id = p.id
LEFT JOIN compared AS c ON w.product_id = c.product_id
LEFT JOIN ecommerce_sellers AS t ON c.cheapest_seller_id = t.id
ORDER BY difference_percent DESC NULLS LAST, p.id
