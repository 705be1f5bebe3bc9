/*
group = "prices"

[title]
en = "Unit prices of a lot"
ru = "Цены за единицу в лоте"
uz = "Lotdagi birlik narxlari"

[description]
en = "The items of a lot with their price for one unit, and the median and quartiles of the prices of the same product and unit of measure in other completed lots. The product is compared by its name. The median and the quartiles are empty if there are fewer prices than the given minimum. Without a lot, the completed lot with the newest deal is shown."
ru = "Позиции лота с ценой за единицу, медиана и квартили цен того же товара в той же единице измерения в других завершённых лотах. Товар сравнивается по названию. Медиана и квартили пусты, если цен меньше указанного числа. Если лот не указан, показан завершённый лот с самой новой сделкой."
uz = "Lot bandlari birlik narxi bilan hamda boshqa yakunlangan lotlardagi shu mahsulot va oʻlchov birligi narxlarining medianasi va kvartillari. Mahsulot nomi boʻyicha solishtiriladi. Narxlar soni koʻrsatilgandan kam boʻlsa, mediana va kvartillar boʻsh. Lot koʻrsatilmasa, eng yangi bitimli yakunlangan lot koʻrsatiladi."

[parameters.lot]
type = "lot"
title = { en = "lot", ru = "лот", uz = "lot" }

[parameters.since]
type = "date"
default = "-1y"

[parameters.least_count]
type = "number"
default = "5"
required = true
minimum = 1
title = { en = "minimum number of prices", ru = "наименьшее число цен", uz = "narxlarning eng kam soni" }

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.lot]
link = "procurement.lot:lot_id"
title = { en = "lot", ru = "лот", uz = "lot" }

[columns.measure]
title = { en = "unit of measure", ru = "единица измерения", uz = "oʻlchov birligi" }

[columns.price]
type = "money:currency"
title = { en = "price for one unit", ru = "цена за единицу", uz = "birlik narxi" }

[columns.lower_quartile]
type = "money:currency"

[columns.median]
type = "money:currency"

[columns.upper_quartile]
type = "money:currency"

[columns.above_median_percent]
type = "percent"
title = { en = "above the median", ru = "выше медианы", uz = "medianadan yuqori" }

[columns.n_used]
type = "coverage:n_total"
title = { en = "other items with a price", ru = "другие позиции с ценой", uz = "narxi bor boshqa bandlar" }

[[panels]]
page = "procurement.lot"
parameters = { lot = "{platform}:{external_id}" }
columns = ["product", "measure", "price", "lower_quartile", "median", "upper_quartile", "above_median_percent", "n_used"]
limit = 10
*/
WITH chosen AS (
    SELECT l.id
    FROM procurement_lots AS l
    WHERE l.platform = %(lot_platform)s AND l.external_id = %(lot_external_id)s
    UNION ALL
    SELECT newest.id
    FROM (
        SELECT l.id
        FROM procurement_lots AS l
        WHERE %(lot)s::text IS NULL AND l.status = 'completed' AND l.deal_date IS NOT NULL
        ORDER BY l.deal_date DESC, l.id DESC
        LIMIT 1
    ) AS newest
),

own AS (
    SELECT
        i.*,
        l.title,
        l.display_no,
        l.external_id AS lot_external_id,
        procurement_convert(
            nullif(i.price, 0),
            i.currency,
            %(currency)s,
            (coalesce(l.deal_date, l.last_seen_at) AT TIME ZONE 'Asia/Tashkent')::date
        ) AS amount
    FROM chosen AS c
    INNER JOIN procurement_lots AS l ON c.id = l.id
    INNER JOIN procurement_lot_items AS i ON l.id = i.lot_id
)

SELECT
    o.product_name AS product,
    o.measure_name AS measure,
    o.amount AS price,
    round(s.quartiles[1], 2) AS lower_quartile,
    round(s.quartiles[2], 2) AS median,
    round(s.quartiles[3], 2) AS upper_quartile,
    %(currency)s::text AS currency,
    round(100 * (o.amount - s.quartiles[2]) / nullif(s.quartiles[2], 0), 2) AS above_median_percent,
    s.n_used,
    s.n_total,
    o.quantity,
    coalesce(o.title, o.display_no, o.lot_external_id) AS lot,
    o.lot_id
FROM own AS o
CROSS JOIN LATERAL (
    -- NULL if there are too few prices.
    SELECT
        count(*) AS n_total,
        count(p.amount) AS n_used,
        CASE
            WHEN count(p.amount) >= %(least_count)s
                THEN percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY p.amount)
        END::numeric [] AS quartiles
    FROM (
        SELECT
            procurement_convert(
                nullif(i.price, 0),
                i.currency,
                %(currency)s,
                (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date
            ) AS amount
        FROM procurement_lot_items AS i
        INNER JOIN procurement_lots AS l ON i.lot_id = l.id
        WHERE
            -- The index finds the words; the names are compared afterwards.
            i.search_vector @@ plainto_tsquery('russian', o.product_name)
            AND lower(i.product_name) = lower(o.product_name)
            AND lower(i.measure_name) = lower(o.measure_name)
            AND i.lot_id <> o.lot_id
            AND l.status = 'completed'
            AND (
                %(since)s::date IS NULL
                OR l.deal_date >= %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent'
            )
    ) AS p
) AS s
ORDER BY o.order_num, o.id
