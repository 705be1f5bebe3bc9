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
WITH largest AS (
    SELECT DISTINCT ON (r.product_id) r.*
    FROM ecommerce_rollup_price_drops AS r
    LEFT JOIN ecommerce_categories AS c ON r.category_id = c.id
    WHERE
        r.recorded_at >= %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent'
        AND r.recorded_at < (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent'
        AND r.drop_percent >= %(least_percent)s
        AND (%(platform)s::text IS NULL OR r.platform = %(platform)s)
        AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
    ORDER BY r.product_id, r.drop_percent DESC, r.recorded_at DESC, r.offer_id
),

ranked AS (
    SELECT *
    FROM largest
    ORDER BY drop_percent DESC, product_id
)

SELECT
    r.platform,
    p.title AS product,
    r.product_id,
    r.price,
    r.lowest_before,
    r.currency,
    r.drop_percent,
    r.days_before,
    r.recorded_at,
    s.name AS seller,
    o.platform || ':' || o.external_id AS offer,
    p.url
FROM ranked AS r
INNER JOIN ecommerce_offers AS o ON r.offer_id = o.id
INNER JOIN ecommerce_products AS p ON r.product_id = p.id
LEFT JOIN ecommerce_sellers AS s ON r.seller_id = s.id
ORDER BY r.drop_percent DESC, r.product_id
