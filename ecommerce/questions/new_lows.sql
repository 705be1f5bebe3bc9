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
WITH lows AS (
    SELECT
        r.*,
        CASE %(lowest_of)s
            WHEN '90' THEN r.low_90
            WHEN '365' THEN r.low_365
            ELSE r.low_all
        END AS lowest_before,
        CASE %(lowest_of)s
            WHEN '90' THEN r.below_90
            WHEN '365' THEN r.below_365
            ELSE r.below_all
        END AS below_percent
    FROM ecommerce_rollup_price_lows AS r
    WHERE
        r.since >= %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent'
        AND (%(platform)s::text IS NULL OR r.platform = %(platform)s)
),

below AS (
    SELECT l.*
    FROM lows AS l
    LEFT JOIN ecommerce_categories AS c ON l.category_id = c.id
    WHERE
        l.price < l.lowest_before
        AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
    ORDER BY l.below_percent DESC, l.offer_id
)

SELECT
    b.platform,
    p.title AS product,
    b.product_id,
    o.variant_title AS variant,
    b.platform || ':' || o.external_id AS offer,
    s.name AS seller,
    b.seller_id,
    b.price,
    b.currency,
    b.lowest_before,
    b.below_percent,
    b.since,
    b.low_90,
    b.low_365,
    b.low_all,
    (b.first_at AT TIME ZONE 'Asia/Tashkent')::date AS history_since,
    p.url
FROM below AS b
INNER JOIN ecommerce_offers AS o ON b.offer_id = o.id
INNER JOIN ecommerce_products AS p ON b.product_id = p.id
LEFT JOIN ecommerce_sellers AS s ON b.seller_id = s.id
ORDER BY b.below_percent DESC, b.offer_id
