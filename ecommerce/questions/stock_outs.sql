/*
group = "stock"
has_history = true

[title]
en = "Out of stock"
ru = "Нет в наличии"
uz = "Sotuvda qolmagan"

[description]
en = "Offers that went out of stock or came back within a period, and for how long they were out of stock; an offer that is still out of stock counts until it was last seen. The start is unknown if the offer was never seen in stock."
ru = "Предложения, которые закончились или снова появились в периоде, и как долго их не было; отсутствующие до сих пор считаются до последнего наблюдения. Если предложение раньше не видели в наличии, неизвестно, когда оно закончилось."
uz = "Davr ichida tugagan yoki qayta sotuvga chiqqan takliflar va ular qancha vaqt boʻlmagani; hali ham yoʻqlari oxirgi koʻrilgan vaqtgacha hisoblanadi. Taklif ilgari sotuvda koʻrilmagan boʻlsa, qachon tugagani nomaʼlum."

[parameters.since]
type = "date"
default = "-7d"
required = true

[parameters.until]
type = "date"
default = "today"
required = true

[parameters.event]
type = "choice"
choices = ["any", "out", "back"]
default = "any"
required = true
title = { en = "event", ru = "событие", uz = "hodisa" }

[parameters.platform]
type = "platform"

[parameters.category]
type = "category"

[parameters.seller]
type = "seller"

[columns.product]
link = "ecommerce.product:product_id"

[columns.seller]
link = "ecommerce.seller:seller_id"

[columns.out_at]
type = "time"
title = { en = "out of stock since", ru = "нет в наличии с", uz = "qachondan yoʻq" }

[columns.back_at]
type = "time"
title = { en = "back in stock at", ru = "снова в наличии", uz = "qaytgan vaqti" }

[columns.days_out]
type = "days"
title = { en = "days out of stock", ru = "дней не было", uz = "boʻlmagan kunlar" }

[columns.price]
link = "price_history?offer={offer}&since=-365d"
type = "money:currency"

[columns.seen_at]
type = "time"

[columns.url]
type = "link"

*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

-- The points of the period at which the availability changed from in stock to out, or back.
changes AS (
    SELECT
        h.offer_id,
        h.recorded_at,
        h.is_available
    FROM period
    INNER JOIN ecommerce_price_history AS h
        ON period.since <= h.recorded_at AND h.recorded_at < period.until
    CROSS JOIN LATERAL (
        SELECT b.is_available
        FROM ecommerce_price_history AS b
        WHERE b.offer_id = h.offer_id AND b.recorded_at < h.recorded_at
        ORDER BY b.recorded_at DESC
        LIMIT 1
    ) AS before
    WHERE h.is_available <> before.is_available
),

went_out AS (
    SELECT
        c.offer_id,
        c.recorded_at AS out_at,
        next.recorded_at AS back_at
    FROM changes AS c
    LEFT JOIN LATERAL (
        SELECT h.recorded_at
        FROM ecommerce_price_history AS h
        WHERE h.offer_id = c.offer_id AND h.recorded_at > c.recorded_at AND h.is_available
        ORDER BY h.recorded_at
        LIMIT 1
    ) AS next ON true
    WHERE NOT c.is_available
),

came_back AS (
    SELECT
        c.offer_id,
        out.out_at,
        c.recorded_at AS back_at
    FROM changes AS c
    LEFT JOIN LATERAL (
        -- The last time before at which it was in stock.
        SELECT h.recorded_at
        FROM ecommerce_price_history AS h
        WHERE h.offer_id = c.offer_id AND h.recorded_at < c.recorded_at AND h.is_available
        ORDER BY h.recorded_at DESC
        LIMIT 1
    ) AS in_stock ON true
    CROSS JOIN LATERAL (
        SELECT min(h.recorded_at) AS out_at
        FROM ecommerce_price_history AS h
        WHERE
            h.offer_id = c.offer_id
            AND h.recorded_at > in_stock.recorded_at
            AND h.recorded_at < c.recorded_at
            AND NOT h.is_available
    ) AS out
    WHERE c.is_available
),

episodes AS (
    SELECT w.*
    FROM went_out AS w
    CROSS JOIN period
    WHERE
        %(event)s IN ('any', 'out')
        OR (w.back_at >= period.since AND w.back_at < period.until)
    UNION
    SELECT c.*
    FROM came_back AS c
    CROSS JOIN period
    WHERE
        %(event)s IN ('any', 'back')
        OR (c.out_at >= period.since AND c.out_at < period.until)
)

SELECT
    o.platform,
    p.title AS product,
    p.id AS product_id,
    o.variant_title AS variant,
    o.platform || ':' || o.external_id AS offer,
    s.name AS seller,
    s.id AS seller_id,
    e.out_at,
    e.back_at,
    round(extract(epoch FROM coalesce(e.back_at, o.scraped_at) - e.out_at) / 86400, 1) AS days_out,
    o.price,
    o.currency,
    o.scraped_at AS seen_at,
    p.url
FROM episodes AS e
INNER JOIN ecommerce_offers AS o ON e.offer_id = o.id
INNER JOIN ecommerce_products AS p ON o.product_id = p.id
LEFT JOIN ecommerce_sellers AS s ON o.seller_id = s.id
LEFT JOIN ecommerce_categories AS c ON p.category_id = c.id
WHERE
    (%(platform)s::text IS NULL OR o.platform = %(platform)s)
    AND (
        %(seller)s::text IS NULL
        OR (
            s.platform = %(seller_platform)s
            AND s.external_id = %(seller_external_id)s
        )
    )
    AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
ORDER BY days_out DESC NULLS LAST, o.id, e.back_at
