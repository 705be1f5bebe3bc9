/*
group = "prices"
has_history = true
shown = ["name", "at", "converted_price", "price", "old_price", "is_available", "product"]

[title]
en = "Price history"
ru = "История цен"
uz = "Narxlar tarixi"

[description]
en = "The prices of an offer, or of all offers of a product on all platforms (same title or same barcode), in one currency: one line for each offer, or for the cheapest available offer of each platform. A line begins with the price in effect when the period begins. Outliers are omitted. Without an offer and a product, the product whose price changed last is shown."
ru = "Цены предложения или всех предложений товара на всех площадках (то же название или тот же штрихкод) в одной валюте: линия для каждого предложения либо для каждой площадки — самое дешёвое из доступных. Линия начинается с цены, действующей в начале периода. Выбросы не учитываются. Без предложения и товара показан товар, цена которого изменилась последней."
uz = "Taklifning yoki mahsulotning barcha platformalardagi takliflarining (nomi yoki shtrix-kodi bir xil) narxlari bir valyutada: har bir taklif uchun yoki har bir platformadagi eng arzon mavjud taklif uchun bitta chiziq. Chiziq davr boshida amalda boʻlgan narxdan boshlanadi. Shubhali narxlar hisobga olinmaydi. Taklif va mahsulot berilmasa, narxi oxirgi oʻzgargan mahsulot koʻrsatiladi."

[parameters.product]
type = "product"

[parameters.offer]
type = "offer"

[parameters.line_per]
type = "choice"
choices = ["offer", "platform"]
default = "offer"
required = true
title = { en = "one line per", ru = "линия для каждого", uz = "har bir chiziq" }

[parameters.since]
type = "date"
default = "-90d"

[parameters.until]
type = "date"
default = "today"
required = true

[parameters.platform]
type = "platform"

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.line]
title = { en = "line", ru = "линия", uz = "chiziq" }

[columns.at]
type = "time"
title = { en = "since", ru = "с", uz = "qachondan" }

[columns.converted_price]
type = "money:target_currency"

[columns.rate_day]
type = "date"

[columns.price]
type = "money:currency"

[columns.old_price]
type = "money:currency"

[columns.product]
link = "ecommerce.product:product_id"

[columns.name]
title = { en = "offer", ru = "предложение", uz = "taklif" }

[chart]
kind = "step"
x = "at"
y = "converted_price"
series = "line"
label = "name"

[[panels]]
page = "ecommerce.product"
parameters = { product = "{platform}:{external_id}", since = "-365d", line_per = "platform" }
limit = 0

[[panels]]
page = "ecommerce.offer"
parameters = { offer = "{platform}:{external_id}", since = "-365d" }
limit = 0
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

chosen AS (
    SELECT p.id
    FROM ecommerce_products AS p
    WHERE
        %(offer)s::text IS NULL
        AND p.platform = %(product_platform)s
        AND p.external_id = %(product_external_id)s
    UNION ALL
    SELECT o.product_id
    FROM (
        SELECT h.offer_id
        FROM ecommerce_price_history AS h
        WHERE %(product)s::text IS NULL AND %(offer)s::text IS NULL
        ORDER BY h.recorded_at DESC, h.offer_id DESC
        LIMIT 1
    ) AS newest
    INNER JOIN ecommerce_offers AS o ON newest.offer_id = o.id
),

products AS (
    SELECT same.id
    FROM chosen AS c
    CROSS JOIN LATERAL ecommerce_same_products(c.id) AS same (id)
),

-- Products and offers are looked up one by one: the planner expects far more of them.
offers AS MATERIALIZED (
    SELECT o.*
    FROM products AS p
    CROSS JOIN LATERAL (
        SELECT
            o.id AS offer_id,
            o.platform,
            o.external_id,
            o.product_id,
            o.seller_id,
            o.variant_title
        FROM ecommerce_offers AS o
        WHERE o.product_id = p.id
        OFFSET 0
    ) AS o
    UNION ALL
    SELECT
        o.id AS offer_id,
        o.platform,
        o.external_id,
        o.product_id,
        o.seller_id,
        o.variant_title
    FROM ecommerce_offers AS o
    WHERE
        o.platform = %(offer_platform)s
        AND o.external_id = %(offer_external_id)s
),

-- Each price, and the time at which the next one took its place.
prices AS (
    SELECT
        o.*,
        h.*
    FROM offers AS o
    CROSS JOIN LATERAL (
        SELECT
            h.price,
            h.old_price,
            h.currency,
            h.is_available,
            h.recorded_at,
            lead(h.recorded_at, 1, 'infinity') OVER (ORDER BY h.recorded_at) AS ends
        FROM ecommerce_price_history AS h
        WHERE h.offer_id = o.offer_id AND h.is_outlier IS NOT TRUE
    ) AS h
),

shown AS (
    SELECT
        p.platform,
        p.external_id,
        p.product_id,
        p.seller_id,
        p.variant_title,
        p.offer_id,
        p.price,
        p.old_price,
        p.currency,
        p.is_available,
        p.ends,
        greatest(p.recorded_at, period.since) AS begins,
        (p.recorded_at AT TIME ZONE 'Asia/Tashkent')::date AS observed_on,
        ecommerce_convert(
            p.price, p.currency, %(currency)s, (p.recorded_at AT TIME ZONE 'Asia/Tashkent')::date
        ) AS converted_price
    FROM period
    CROSS JOIN prices AS p
    WHERE
        (period.since IS NULL OR p.ends > period.since)
        AND p.recorded_at < period.until
        AND (%(platform)s::text IS NULL OR p.platform = %(platform)s)
),

lines AS (
    SELECT s.platform || ':' || s.external_id AS line, s.begins AS at, s.*
    FROM shown AS s
    WHERE %(line_per)s = 'offer'
    UNION ALL
    SELECT moments.platform AS line, moments.begins AS at, cheapest.*
    FROM (SELECT DISTINCT s.platform, s.begins FROM shown AS s) AS moments
    LEFT JOIN LATERAL (
        SELECT s.*
        FROM shown AS s
        WHERE
            s.platform = moments.platform
            AND s.begins <= moments.begins
            AND s.ends > moments.begins
            AND s.is_available IS NOT FALSE
        ORDER BY s.converted_price NULLS LAST, s.offer_id
        LIMIT 1
    ) AS cheapest ON true
    WHERE %(line_per)s = 'platform'
)

SELECT
    l.line,
    l.at,
    l.converted_price,
    %(currency)s::text AS target_currency,
    ecommerce_rate_day(l.currency, %(currency)s, l.observed_on) AS rate_day,
    l.price,
    l.old_price,
    l.currency,
    l.is_available,
    l.platform || ':' || l.external_id AS offer,
    CASE
        WHEN %(line_per)s = 'platform' THEN l.line
        ELSE concat_ws(' · ', l.platform, s.name, left(l.variant_title, 40))
    END AS name,
    (SELECT p.title FROM ecommerce_products AS p WHERE p.id = l.product_id) AS product,
    l.product_id
FROM lines AS l
LEFT JOIN ecommerce_sellers AS s ON l.seller_id = s.id
ORDER BY l.line, l.at
