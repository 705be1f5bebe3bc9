/*
group = "prices"
has_history = true

[title]
en = "New lows"
ru = "Новые минимумы"
uz = "Yangi eng past narxlar"

[description]
en = "Offers whose current price took effect within a period and is below every price of the 90 or 365 days before it, or of all days. Lows of 90 and 365 days are empty if the history is shorter. Outliers are omitted."
ru = "Предложения, чья текущая цена начала действовать в периоде и ниже всех цен за 90 или 365 дней до неё либо за всё время. Минимумы за 90 и 365 дней пусты, если история не так длинна. Выбросы не учитываются."
uz = "Joriy narxi davr ichida kuchga kirgan va undan oldingi 90 yoki 365 kundagi yoxud butun tarixdagi barcha narxlardan past boʻlgan takliflar. Tarix yetarlicha uzun boʻlmasa, 90 va 365 kunlik eng past narxlar boʻsh. Shubhali narxlar hisobga olinmaydi."

[parameters.lowest_of]
type = "choice"
choices = ["90", "365", "all"]
default = "90"
required = true
title = { en = "lowest price in (days)", ru = "минимум за (дней)", uz = "eng past (necha kun ichida)" }

[parameters.since]
type = "date"
default = "-7d"
required = true

[parameters.platform]
type = "platform"

[parameters.category]
type = "category"

[columns.product]
link = "ecommerce.product:product_id"

[columns.seller]
link = "ecommerce.seller:seller_id"

[columns.price]
link = "price_history?offer={offer}&since=-365d"
type = "money:currency"

[columns.lowest_before]
type = "money:currency"
title = { en = "previous lowest price", ru = "минимум до этого", uz = "oldingi eng past" }

[columns.below_percent]
type = "percent"
title = { en = "below previous low", ru = "ниже него на", uz = "undan qancha past" }

[columns.since]
type = "time"
title = { en = "in effect since", ru = "действует с", uz = "qachondan amalda" }

[columns.low_90]
type = "money:currency"
title = { en = "lowest price in 90 days before", ru = "минимум за 90 дней до", uz = "oldingi 90 kundagi eng past" }

[columns.low_365]
type = "money:currency"
title = { en = "lowest price in 365 days before", ru = "минимум за 365 дней до", uz = "oldingi 365 kundagi eng past" }

[columns.low_all]
type = "money:currency"
title = { en = "lowest price ever before", ru = "минимум за всё время до", uz = "butun tarixdagi eng past" }

[columns.history_since]
type = "date"

[columns.url]
type = "link"

[[panels]]
page = "overview"
columns = ["platform", "product", "price", "below_percent"]
*/
WITH cuts AS (
    SELECT
        h.offer_id,
        h.recorded_at,
        h.price,
        h.currency
    FROM ecommerce_price_history AS h
    WHERE
        h.recorded_at >= %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent'
        AND h.price_change < 0
        AND h.is_outlier IS NOT TRUE
    UNION
    -- The change of a point after an outlier is that from the outlier.
    SELECT
        x.offer_id,
        h.recorded_at,
        h.price,
        h.currency
    FROM ecommerce_price_history AS x
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
        AND h.recorded_at >= %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent'
),

in_effect AS (
    SELECT
        c.*,
        o.platform,
        o.external_id,
        o.variant_title,
        o.product_id,
        o.seller_id
    FROM cuts AS c
    INNER JOIN ecommerce_offers AS o ON c.offer_id = o.id
    WHERE
        o.price = c.price
        AND o.currency IS NOT DISTINCT FROM c.currency
        AND o.is_available IS NOT FALSE
        AND (%(platform)s::text IS NULL OR o.platform = %(platform)s)
        AND NOT EXISTS (
            SELECT
            FROM ecommerce_price_history AS h
            WHERE
                h.offer_id = c.offer_id
                AND h.recorded_at > c.recorded_at
                AND h.is_outlier IS NOT TRUE
                AND (h.price <> c.price OR h.currency IS DISTINCT FROM c.currency)
        )
),

lows AS (
    SELECT
        c.*,
        b.first_at,
        b.low_all,
        CASE WHEN b.first_at <= c.recorded_at - interval '90 days' THEN b.low_90 END AS low_90,
        CASE WHEN b.first_at <= c.recorded_at - interval '365 days' THEN b.low_365 END AS low_365
    FROM in_effect AS c
    CROSS JOIN LATERAL (
        SELECT
            min(w.begins) AS first_at,
            min(w.price) AS low_all,
            min(w.price) FILTER (WHERE w.ends > c.recorded_at - interval '90 days') AS low_90,
            min(w.price) FILTER (WHERE w.ends > c.recorded_at - interval '365 days') AS low_365
        FROM (
            -- Each earlier price, and the time at which the next one took its place.
            SELECT
                h.price,
                h.currency,
                h.recorded_at AS begins,
                lead(h.recorded_at, 1, c.recorded_at) OVER (ORDER BY h.recorded_at) AS ends
            FROM ecommerce_price_history AS h
            WHERE
                h.offer_id = c.offer_id
                AND h.recorded_at < c.recorded_at
                AND h.is_outlier IS NOT TRUE
        ) AS w
        WHERE w.currency IS NOT DISTINCT FROM c.currency
    ) AS b
),

compared AS (
    SELECT
        l.*,
        CASE %(lowest_of)s
            WHEN '90' THEN l.low_90
            WHEN '365' THEN l.low_365
            ELSE l.low_all
        END AS lowest_before
    FROM lows AS l
)

SELECT
    l.platform,
    p.title AS product,
    p.id AS product_id,
    l.variant_title AS variant,
    l.platform || ':' || l.external_id AS offer,
    s.name AS seller,
    s.id AS seller_id,
    l.price,
    l.currency,
    l.lowest_before,
    round(100 * (l.lowest_before - l.price) / l.lowest_before, 2) AS below_percent,
    l.recorded_at AS since,
    l.low_90,
    l.low_365,
    l.low_all,
    (l.first_at AT TIME ZONE 'Asia/Tashkent')::date AS history_since,
    p.url
FROM compared AS l
INNER JOIN ecommerce_products AS p ON l.product_id = p.id
LEFT JOIN ecommerce_sellers AS s ON l.seller_id = s.id
LEFT JOIN ecommerce_categories AS c ON p.category_id = c.id
WHERE
    l.price < l.lowest_before
    AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
ORDER BY below_percent DESC, l.offer_id
