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

episodes AS (
    SELECT
        r.*,
        round(extract(epoch FROM coalesce(r.back_at, r.seen_at) - r.out_at) / 86400, 1)
            AS days_out
    FROM period
    INNER JOIN ecommerce_rollup_stock_outs AS r
        ON
            (r.out_at >= period.since AND r.out_at < period.until AND %(event)s <> 'back')
            OR (r.back_at >= period.since AND r.back_at < period.until AND %(event)s <> 'out')
    LEFT JOIN ecommerce_categories AS c ON r.category_id = c.id
    WHERE
        (%(platform)s::text IS NULL OR r.platform = %(platform)s)
        AND (
            %(seller)s::text IS NULL
            OR r.seller_id = (
                SELECT s.id FROM ecommerce_sellers AS s
                WHERE
                    s.platform = %(seller_platform)s
                    AND s.external_id = %(seller_external_id)s
            )
        )
        AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
    ORDER BY days_out DESC NULLS LAST, r.offer_id, r.back_at
)

SELECT
    e.platform,
    p.title AS product,
    e.product_id,
    o.variant_title AS variant,
    e.platform || ':' || o.external_id AS offer,
    s.name AS seller,
    e.seller_id,
    e.out_at,
    e.back_at,
    e.days_out,
    o.price,
    o.currency,
    e.seen_at,
    p.url
FROM episodes AS e
INNER JOIN ecommerce_offers AS o ON e.offer_id = o.id
INNER JOIN ecommerce_products AS p ON e.product_id = p.id
LEFT JOIN ecommerce_sellers AS s ON e.seller_id = s.id
ORDER BY e.days_out DESC NULLS LAST, e.offer_id, e.back_at
