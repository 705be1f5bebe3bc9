/*
group = "prices"
has_history = true
shown = ["product", "converted_price", "platform", "seller", "is_available", "price", "low_90", "median_90", "variant", "url"]

[title]
en = "Compare offers"
ru = "Сравнение предложений"
uz = "Takliflarni taqqoslash"

[description]
en = "All offers of a product on all platforms (same title or same barcode), or of the products that a search finds, cheapest first in one currency. For each offer, the lowest, the median (weighted by time) and the highest price of the 30, 90 and 365 days before it was last seen are shown, without outliers; they are empty if the history is shorter. Without a product and a search, the product whose price changed last is compared."
ru = "Все предложения товара на всех площадках (то же название или тот же штрихкод) или товаров, найденных поиском, сначала самые дешёвые в одной валюте. Рядом с ценой — минимум, медиана (взвешенная по времени) и максимум за 30, 90 и 365 дней до последнего наблюдения, без выбросов; они пусты, если история не так длинна. Без товара и поиска сравнивается товар, цена которого изменилась последней."
uz = "Mahsulotning barcha platformalardagi takliflari (nomi yoki shtrix-kodi bir xil) yoki qidiruv topgan mahsulotlar takliflari, bir valyutada avval eng arzonlari. Har bir narx yonida taklif oxirgi marta koʻrilguncha boʻlgan 30, 90 va 365 kundagi eng past narx, mediana (vaqt boʻyicha vaznli) va eng baland narx turadi, shubhali narxlarsiz; tarix yetarlicha uzun boʻlmasa, ular boʻsh. Mahsulot va qidiruv berilmasa, narxi oxirgi oʻzgargan mahsulot taqqoslanadi."

[parameters.product]
type = "product"

[parameters.search]
type = "text"
title = { en = "search", ru = "поиск", uz = "qidiruv" }

[parameters.platform]
type = "platform"

[parameters.in_stock]
type = "flag"
title = { en = "in stock only", ru = "скрыть отсутствующие в наличии", uz = "sotuvda yoʻqlarini yashirish" }

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.product]
link = "ecommerce.product:product_id"

[columns.seller]
link = "ecommerce.seller:seller_id"

[columns.converted_price]
link = "price_history?offer={offer}&since=-365d&currency={target_currency}"
type = "money:target_currency"

[columns.rate_day]
type = "date"

[columns.price]
type = "money:currency"

[columns.rating]
title = { en = "seller's rating", ru = "рейтинг продавца", uz = "sotuvchi reytingi" }

[columns.stock]
type = "count"
title = { en = "stock", ru = "остаток", uz = "qoldiq" }

[columns.delivery_days]
type = "days"
title = { en = "delivery days", ru = "дней доставки", uz = "yetkazish kunlari" }

[columns.seen_at]
type = "time"

[columns.history_since]
type = "date"

[columns.low_30]
type = "money:currency"
title = { en = "low, 30 days", ru = "минимум, 30 дней", uz = "eng past, 30 kun" }

[columns.median_30]
type = "money:currency"
title = { en = "median, 30 days", ru = "медиана, 30 дней", uz = "mediana, 30 kun" }

[columns.high_30]
type = "money:currency"
title = { en = "high, 30 days", ru = "максимум, 30 дней", uz = "eng baland, 30 kun" }

[columns.low_90]
type = "money:currency"
title = { en = "low, 90 days", ru = "минимум, 90 дней", uz = "eng past, 90 kun" }

[columns.median_90]
type = "money:currency"
title = { en = "median, 90 days", ru = "медиана, 90 дней", uz = "mediana, 90 kun" }

[columns.high_90]
type = "money:currency"
title = { en = "high, 90 days", ru = "максимум, 90 дней", uz = "eng baland, 90 kun" }

[columns.low_365]
type = "money:currency"
title = { en = "low, 365 days", ru = "минимум, 365 дней", uz = "eng past, 365 kun" }

[columns.median_365]
type = "money:currency"
title = { en = "median, 365 days", ru = "медиана, 365 дней", uz = "mediana, 365 kun" }

[columns.high_365]
type = "money:currency"
title = { en = "high, 365 days", ru = "максимум, 365 дней", uz = "eng baland, 365 kun" }

[columns.url]
type = "link"

[[panels]]
page = "ecommerce.product"
parameters = { product = "{platform}:{external_id}" }
columns = ["product", "converted_price", "platform", "seller", "is_available", "price", "low_90", "median_90"]
limit = 10
*/
WITH chosen AS (
    SELECT p.id
    FROM ecommerce_products AS p
    WHERE
        p.platform = %(product_platform)s
        AND p.external_id = %(product_external_id)s
    UNION ALL
    SELECT o.product_id
    FROM (
        SELECT h.offer_id
        FROM ecommerce_price_history AS h
        WHERE %(product)s::text IS NULL AND %(search)s::text IS NULL
        ORDER BY h.recorded_at DESC, h.offer_id DESC
        LIMIT 1
    ) AS newest
    INNER JOIN ecommerce_offers AS o ON newest.offer_id = o.id
),

compared AS (
    SELECT same.id
    FROM chosen AS c
    CROSS JOIN LATERAL ecommerce_same_products(c.id) AS same (id)
    UNION
    SELECT found.id
    FROM ecommerce_search(%(search)s) AS found (id)
    WHERE %(product)s::text IS NULL
),

found AS MATERIALIZED (
    SELECT o.*
    FROM compared AS c
    CROSS JOIN LATERAL (
        SELECT
            o.id,
            o.price,
            o.currency,
            (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date AS day
        FROM ecommerce_offers AS o
        WHERE
            o.product_id = c.id
            AND (%(platform)s::text IS NULL OR o.platform = %(platform)s)
            AND (%(in_stock)s::boolean IS NOT TRUE OR o.is_available IS NOT FALSE)
        -- Products are looked up, even many: all offers are never read.
        OFFSET 0
    ) AS o
),

rates AS MATERIALIZED (
    SELECT
        d.currency,
        d.day,
        ecommerce_rate(d.currency, d.day) AS rate,
        ecommerce_rate(%(currency)s, d.day) AS target_rate
    FROM (SELECT DISTINCT f.currency, f.day FROM found AS f) AS d
),

priced AS (
    SELECT
        f.id,
        f.day,
        CASE
            WHEN f.currency = %(currency)s THEN f.price
            ELSE round(f.price * r.rate / r.target_rate, 2)
        END AS converted_price
    FROM found AS f
    LEFT JOIN rates AS r ON f.currency = r.currency AND f.day = r.day
)

SELECT
    o.platform,
    p.title AS product,
    p.id AS product_id,
    c.converted_price,
    %(currency)s::text AS target_currency,
    o.variant_title AS variant,
    o.platform || ':' || o.external_id AS offer,
    s.name AS seller,
    s.id AS seller_id,
    ecommerce_rate_day(o.currency, %(currency)s, c.day) AS rate_day,
    o.price,
    o.currency,
    s.rating,
    o.is_available,
    o.stock_quantity AS stock,
    o.delivery_days,
    o.scraped_at AS seen_at,
    h.*,
    p.url
FROM (
    SELECT *
    FROM priced
    ORDER BY converted_price NULLS LAST, id
) AS c
INNER JOIN ecommerce_offers AS o ON c.id = o.id
INNER JOIN ecommerce_products AS p ON o.product_id = p.id
LEFT JOIN ecommerce_sellers AS s ON o.seller_id = s.id
CROSS JOIN LATERAL (
    -- Each price, and the time at which the next one takes its place. The last one is in effect
    -- when the offer is last seen.
    WITH prices AS (
        SELECT
            h.price,
            h.currency,
            h.recorded_at AS begins,
            coalesce(
                lead(h.recorded_at) OVER (ORDER BY h.recorded_at), 'infinity'
            ) AS ends
        FROM ecommerce_price_history AS h
        WHERE h.offer_id = o.id AND h.is_outlier IS NOT TRUE
    ),

    -- Each price of the days before that time, with the seconds during which it was in effect.
    shares AS (
        SELECT
            d.days,
            h.price,
            extract(
                epoch FROM least(h.ends, o.scraped_at)
                - greatest(h.begins, o.scraped_at - make_interval(days => d.days))
            ) AS seconds
        FROM (VALUES (30), (90), (365)) AS d (days)
        INNER JOIN prices AS h ON h.ends > o.scraped_at - make_interval(days => d.days)
        WHERE
            h.currency IS NOT DISTINCT FROM o.currency
            -- The history reaches back that far.
            AND o.scraped_at - make_interval(days => d.days) >= (
                SELECT min(f.begins)
                FROM prices AS f
                WHERE f.currency IS NOT DISTINCT FROM o.currency
            )
    ),

    cumulated AS (
        SELECT
            *,
            sum(seconds) OVER (PARTITION BY days ORDER BY price) AS seconds_up_to_price,
            sum(seconds) OVER (PARTITION BY days) AS all_seconds
        FROM shares
    ),

    periods AS (
        SELECT
            days,
            min(price) AS low,
            min(price) FILTER (WHERE 2 * seconds_up_to_price >= all_seconds) AS median,
            max(price) AS high
        FROM cumulated
        GROUP BY days
    )

    SELECT
        (
            SELECT (min(f.begins) AT TIME ZONE 'Asia/Tashkent')::date
            FROM prices AS f
            WHERE f.currency IS NOT DISTINCT FROM o.currency
        ) AS history_since,
        min(low) FILTER (WHERE days = 30) AS low_30,
        min(median) FILTER (WHERE days = 30) AS median_30,
        min(high) FILTER (WHERE days = 30) AS high_30,
        min(low) FILTER (WHERE days = 90) AS low_90,
        min(median) FILTER (WHERE days = 90) AS median_90,
        min(high) FILTER (WHERE days = 90) AS high_90,
        min(low) FILTER (WHERE days = 365) AS low_365,
        min(median) FILTER (WHERE days = 365) AS median_365,
        min(high) FILTER (WHERE days = 365) AS high_365
    FROM periods
) AS h
ORDER BY c.converted_price NULLS LAST, c.id
