/*
group = "sellers"
has_history = true

[title]
en = "Seller ranking"
ru = "Рейтинг продавцов"
uz = "Sotuvchilar reytingi"

[description]
en = "Sellers by the number of products for which they are the cheapest, alone or together with others, among the sellers of the same product (same title or same barcode) on all platforms. The price of a product is that of its cheapest offer that is not sold out, in one currency. The number of offers, the median distance from the cheapest price, and the mean days for which an offer was out of stock in a period are also shown."
ru = "Продавцы по числу товаров, на которые у них самая низкая цена (или равная ей) среди продавцов того же товара (то же название или тот же штрихкод) на всех площадках. Цена товара — самое дешёвое предложение в наличии, в одной валюте. Рядом — ассортимент, медианное отклонение от самой низкой цены и сколько дней периода предложения в среднем не было в наличии до последнего наблюдения."
uz = "Sotuvchilar barcha platformalarda xuddi shu mahsulot (nomi yoki shtrix-kodi bir xil) sotuvchilari orasida eng arzoni (yoki unga teng) boʻlgan mahsulotlar soni boʻyicha. Mahsulot narxi — sotuvdagi eng arzon taklifi, bir valyutada. Yonida assortiment, eng arzon narxdan mediana farqi va davrda taklif oxirgi koʻrilguncha oʻrtacha necha kun sotuvda boʻlmagani turadi."

[parameters.platform]
type = "platform"

[parameters.category]
type = "category"

[parameters.since]
type = "date"
default = "-30d"
required = true
title = { en = "out of stock since", ru = "отсутствие с", uz = "sotuvda yoʻqligi qachondan" }

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.seller]
link = "ecommerce.seller:seller_id"

[columns.cheapest]
link = "seller?seller={seller_address}"
type = "count"
title = { en = "products where cheapest", ru = "дешевле всех, товаров", uz = "eng arzon mahsulotlari" }

[columns.cheapest_percent]
type = "percent"
title = { en = "share where cheapest", ru = "дешевле всех, из сравнённых", uz = "eng arzon, taqqoslanganlardan" }

[columns.compared]
type = "coverage:products"
title = { en = "products compared", ru = "сравнено товаров", uz = "taqqoslangan mahsulotlar" }

[columns.above_percent]
type = "percent"
title = { en = "median distance from the cheapest", ru = "медиана выше самой низкой", uz = "eng arzonidan mediana yuqori" }

[columns.offers]
type = "count"

[columns.sold_out]
type = "coverage:offers"
title = { en = "sold out now", ru = "сейчас нет в наличии", uz = "hozir sotuvda yoʻq" }

[columns.days_out]
type = "days"
title = { en = "mean days out of stock", ru = "в среднем дней не было", uz = "oʻrtacha boʻlmagan kunlar" }

[chart]
kind = "bar"
x = "seller"
y = "cheapest"
*/
WITH period AS (
    SELECT %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since
),

-- The price of a product at each seller.
prices AS (
    SELECT
        o.product_id,
        o.seller_id,
        min(
            ecommerce_convert(
                o.price,
                o.currency,
                %(currency)s,
                (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date
            )
        ) AS price
    FROM ecommerce_offers AS o
    WHERE o.is_available IS NOT FALSE
    GROUP BY o.product_id, o.seller_id
),

-- The same products that several sellers sell. An unnamed seller is another one for each product.
markets AS (
    SELECT
        s.kind,
        s.value,
        min(p.price) AS lowest
    FROM ecommerce_same_product AS s
    INNER JOIN prices AS p ON s.product_id = p.product_id
    WHERE p.price IS NOT NULL
    GROUP BY s.kind, s.value
    HAVING count(DISTINCT coalesce(p.seller_id, -p.product_id)) > 1
),

compared AS (
    SELECT
        p.product_id,
        p.seller_id,
        p.price,
        min(m.lowest) AS lowest
    FROM prices AS p
    INNER JOIN ecommerce_same_product AS s ON p.product_id = s.product_id
    INNER JOIN markets AS m ON s.kind = m.kind AND s.value = m.value
    WHERE p.price IS NOT NULL AND p.seller_id IS NOT NULL
    GROUP BY p.product_id, p.seller_id, p.price
),

-- The offers that are ranked, and the time of the period in which they were observed.
offers AS (
    SELECT
        o.id,
        o.product_id,
        o.seller_id,
        o.is_available,
        o.scraped_at AS ends,
        greatest(o.first_seen_at, period.since) AS begins,
        o.scraped_at > greatest(o.first_seen_at, period.since) AS is_observed
    FROM period
    CROSS JOIN ecommerce_offers AS o
    INNER JOIN ecommerce_products AS p ON o.product_id = p.id
    LEFT JOIN ecommerce_categories AS c ON p.category_id = c.id
    WHERE
        o.seller_id IS NOT NULL
        AND (%(platform)s::text IS NULL OR o.platform = %(platform)s)
        AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
),

-- The changes within the period. The state lasts until the next one.
changes AS (
    SELECT
        h.offer_id,
        h.recorded_at,
        h.is_available,
        lead(h.recorded_at) OVER in_time AS ends,
        row_number() OVER in_time AS number
    FROM period
    INNER JOIN ecommerce_price_history AS h ON period.since < h.recorded_at
    WINDOW in_time AS (PARTITION BY h.offer_id ORDER BY h.recorded_at)
),

-- Seconds of the observed time during which an offer was out of stock.
absences AS (
    -- Without a change in the period, the availability is the current one.
    SELECT
        o.id,
        extract(epoch FROM o.ends - o.begins) AS seconds
    FROM offers AS o
    LEFT JOIN changes AS c ON o.id = c.offer_id
    WHERE o.is_observed AND c.offer_id IS NULL AND NOT o.is_available
    UNION ALL
    -- Until the first change, it is that of the point before.
    SELECT
        o.id,
        extract(epoch FROM c.recorded_at - o.begins) AS seconds
    FROM offers AS o
    INNER JOIN changes AS c ON o.id = c.offer_id
    CROSS JOIN LATERAL (
        SELECT h.is_available
        FROM ecommerce_price_history AS h
        WHERE h.offer_id = c.offer_id AND h.recorded_at < c.recorded_at
        ORDER BY h.recorded_at DESC
        LIMIT 1
    ) AS before
    WHERE o.is_observed AND c.number = 1 AND NOT before.is_available
    UNION ALL
    SELECT
        o.id,
        extract(epoch FROM coalesce(c.ends, o.ends) - c.recorded_at) AS seconds
    FROM offers AS o
    INNER JOIN changes AS c ON o.id = c.offer_id
    WHERE o.is_observed AND NOT c.is_available
),

absent AS (
    SELECT
        a.id,
        sum(a.seconds) AS seconds
    FROM absences AS a
    GROUP BY a.id
),

assortments AS (
    SELECT
        o.seller_id,
        count(*) AS offers,
        count(DISTINCT o.product_id) AS products,
        count(*) FILTER (WHERE NOT o.is_available) AS sold_out,
        round(
            coalesce(sum(a.seconds), 0)
            / nullif(count(*) FILTER (WHERE o.is_observed), 0)
            / 86400,
            2
        ) AS days_out
    FROM offers AS o
    LEFT JOIN absent AS a ON o.id = a.id
    GROUP BY o.seller_id
),

positions AS (
    SELECT
        c.seller_id,
        count(*) AS compared,
        count(*) FILTER (WHERE c.price = c.lowest) AS cheapest,
        percentile_cont(0.5) WITHIN GROUP (
            ORDER BY 100 * (c.price - c.lowest) / nullif(c.lowest, 0)
        ) AS above_percent
    FROM compared AS c
    WHERE (c.product_id, c.seller_id) IN (SELECT o.product_id, o.seller_id FROM offers AS o)
    GROUP BY c.seller_id
)

SELECT
    s.platform,
    s.name AS seller,
    s.id AS seller_id,
    s.rating,
    coalesce(p.cheapest, 0) AS cheapest,
    round(100.0 * p.cheapest / p.compared, 2) AS cheapest_percent,
    coalesce(p.compared, 0) AS compared,
    round(p.above_percent::numeric, 2) AS above_percent,
    a.products,
    a.offers,
    a.sold_out,
    a.days_out,
    s.platform || ':' || s.external_id AS seller_address
FROM assortments AS a
INNER JOIN ecommerce_sellers AS s ON a.seller_id = s.id
LEFT JOIN positions AS p ON a.seller_id = p.seller_id
ORDER BY cheapest DESC, cheapest_percent DESC NULLS LAST, a.products DESC, s.id
