/*
group = "prices"
has_history = true

[title]
en = "Price drops"
ru = "Снижения цен"
uz = "Narx tushishlari"

[description]
en = "The biggest real drops of a period, one for each product: a price below the lowest price of the 30 days before. Outliers are omitted. If the history is shorter than 30 days, its length is shown."
ru = "Крупнейшие настоящие снижения за период, по одному на товар: цена ниже самой низкой за 30 дней до неё. Выбросы не учитываются. Если история короче 30 дней, указано число её дней."
uz = "Davrdagi eng katta haqiqiy tushishlar, har bir mahsulot uchun bittadan: narx oldingi 30 kundagi eng past narxdan ham past. Shubhali narxlar hisobga olinmaydi. Tarix 30 kundan qisqa boʻlsa, uning kunlari koʻrsatiladi."

[parameters.since]
type = "date"
default = "-7d"
required = true

[parameters.until]
type = "date"
default = "today"
required = true

[parameters.platform]
type = "platform"

[parameters.category]
type = "category"

[parameters.least_percent]
type = "number"
default = "5"
minimum = 0
maximum = 100
title = { en = "minimum drop, %", ru = "снижение не менее, %", uz = "eng kam tushish, %" }
required = true

[columns.product]
link = "ecommerce.product:product_id"

[columns.url]
type = "link"

[columns.price]
link = "price_history?offer={offer}&since=-365d"
type = "money:currency"

[columns.lowest_before]
type = "money:currency"
title = { en = "lowest price in 30 days before", ru = "минимум за 30 дней до", uz = "oldingi 30 kundagi eng past" }

[columns.drop_percent]
type = "percent"
title = { en = "drop", ru = "снижение", uz = "tushish" }

[columns.days_before]
type = "days"
title = { en = "days of history before", ru = "дней истории до", uz = "oldingi tarix kunlari" }

[columns.recorded_at]
type = "time"
title = { en = "observed at", ru = "когда записано", uz = "yozilgan vaqti" }

[[panels]]
page = "overview"
columns = ["platform", "product", "price", "drop_percent"]
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

cuts AS (
    SELECT
        h.offer_id,
        h.recorded_at,
        h.price,
        h.currency
    FROM period
    INNER JOIN ecommerce_price_history AS h
        ON period.since <= h.recorded_at AND h.recorded_at < period.until
    WHERE
        h.price_change_percent <= -%(least_percent)s
        AND h.is_outlier IS NOT TRUE
        AND h.is_available IS NOT FALSE
    UNION
    -- The change of a point after an outlier is that from the outlier.
    SELECT
        x.offer_id,
        h.recorded_at,
        h.price,
        h.currency
    FROM period
    CROSS JOIN ecommerce_price_history AS x
    CROSS JOIN LATERAL (
        SELECT n.*
        FROM ecommerce_price_history AS n
        WHERE n.offer_id = x.offer_id AND n.recorded_at > x.recorded_at
        ORDER BY n.recorded_at
        LIMIT 1
    ) AS h
    WHERE
        x.is_outlier
        AND h.is_outlier IS NOT TRUE
        AND h.is_available IS NOT FALSE
        AND period.since <= h.recorded_at
        AND h.recorded_at < period.until
),

drops AS (
    SELECT
        c.*,
        b.lowest_before,
        least(30, extract(day FROM c.recorded_at - b.first_at)::integer) AS days_before,
        round(100 * (b.lowest_before - c.price) / nullif(b.lowest_before, 0), 2) AS drop_percent
    FROM cuts AS c
    CROSS JOIN LATERAL (
        SELECT
            min(w.price) AS lowest_before,
            min(w.recorded_at) AS first_at
        FROM (
            -- The price in effect when the 30 days begin, and the changes within them.
            (
                SELECT h.price, h.currency, h.recorded_at
                FROM ecommerce_price_history AS h
                WHERE
                    h.offer_id = c.offer_id
                    AND h.recorded_at <= c.recorded_at - interval '30 days'
                    AND h.is_outlier IS NOT TRUE
                ORDER BY h.recorded_at DESC
                LIMIT 1
            )
            UNION ALL
            SELECT h.price, h.currency, h.recorded_at
            FROM ecommerce_price_history AS h
            WHERE
                h.offer_id = c.offer_id
                AND h.recorded_at > c.recorded_at - interval '30 days'
                AND h.recorded_at < c.recorded_at
                AND h.is_outlier IS NOT TRUE
        ) AS w
        WHERE w.currency IS NOT DISTINCT FROM c.currency
    ) AS b
),

largest AS (
    SELECT DISTINCT ON (o.product_id)
        o.product_id,
        d.*
    FROM drops AS d
    INNER JOIN ecommerce_offers AS o ON d.offer_id = o.id
    WHERE d.price < d.lowest_before AND d.drop_percent >= %(least_percent)s
    ORDER BY o.product_id, d.drop_percent DESC, d.recorded_at DESC, d.offer_id
)

SELECT
    p.platform,
    p.title AS product,
    p.id AS product_id,
    l.price,
    l.lowest_before,
    l.currency,
    l.drop_percent,
    l.days_before,
    l.recorded_at,
    s.name AS seller,
    o.platform || ':' || o.external_id AS offer,
    p.url
FROM largest AS l
INNER JOIN ecommerce_products AS p ON l.product_id = p.id
INNER JOIN ecommerce_offers AS o ON l.offer_id = o.id
LEFT JOIN ecommerce_sellers AS s ON o.seller_id = s.id
LEFT JOIN ecommerce_categories AS c ON p.category_id = c.id
WHERE
    (%(platform)s::text IS NULL OR p.platform = %(platform)s)
    AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
ORDER BY l.drop_percent DESC, p.id
