/*
group = "relations"

[title]
en = "Competition"
ru = "Конкуренция"
uz = "Raqobat"

[description]
en = "How many participants lots have, and how many lots have only one, by customer, category, region, month or lot type. Only completed lots with a known number of participants above 0 are used. Groups with fewer lots than the given minimum are omitted."
ru = "Сколько участников у лотов и у скольких лотов участник один: по заказчикам, категориям, регионам, месяцам или видам лотов. Завершённые лоты, число участников которых неизвестно или равно 0, не учитываются. Группы, где лотов меньше указанного числа, не показаны."
uz = "Lotlarda nechta ishtirokchi bor va nechta lotda faqat bitta ishtirokchi: buyurtmachi, turkum, hudud, oy yoki lot turi boʻyicha. Ishtirokchilar soni nomaʼlum yoki 0 boʻlgan yakunlangan lotlar hisobga olinmaydi. Lotlari koʻrsatilgan sondan kam guruhlar koʻrsatilmaydi."

[parameters.by]
type = "choice"
choices = ["customer", "category", "region", "month", "lot_type"]
default = "customer"
required = true

[parameters.since]
type = "date"
default = "-1y"

[parameters.until]
type = "date"

[parameters.platform]
type = "platform"

[parameters.customer]
type = "organization"

[parameters.least_lots]
type = "number"
default = "5"
required = true
minimum = 1

[columns.name]
link = "procurement.organization:customer_id"
title = { en = "group", ru = "группа", uz = "guruh" }

[columns.single_bid_lots]
type = "count"
title = { en = "lots with one participant", ru = "лоты с одним участником", uz = "bitta ishtirokchili lotlar" }

[columns.single_bid_percent]
type = "percent"
title = { en = "share with one participant", ru = "доля с одним участником", uz = "bitta ishtirokchilar ulushi" }

[columns.mean_participants]
type = "count"
title = { en = "participants, mean", ru = "участники, среднее", uz = "ishtirokchilar, oʻrtacha" }

[columns.median_participants]
type = "count"
title = { en = "participants, median", ru = "участники, медиана", uz = "ishtirokchilar, mediana" }

[columns.n_used]
type = "coverage:lots"
title = { en = "lots used", ru = "учтённые лоты", uz = "hisobga olingan lotlar" }

[chart]
kind = "bar"
x = "name"
y = "single_bid_percent"
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

-- Whether the rollup has what is asked for.
asked AS (
    SELECT
        coalesce(
            (SELECT r.since FROM procurement_rollup_markets AS r LIMIT 1) = %(since)s::date
            AND %(until)s::date IS NULL
            AND %(platform)s::text IS NULL
            AND %(customer)s::text IS NULL,
            false
        ) AS is_in_rollup
),

deals AS (
    SELECT
        CASE %(by)s
            WHEN 'customer' THEN coalesce(c.inn, c.platform || ':' || c.external_id)
            WHEN 'category' THEN l.category_name
            WHEN 'region' THEN coalesce(l.region, c.region)
            WHEN 'month' THEN to_char(l.deal_date AT TIME ZONE 'Asia/Tashkent', 'YYYY-MM')
            WHEN 'lot_type' THEN l.lot_type
        END AS key,
        CASE WHEN %(by)s = 'customer' THEN c.id END AS customer_id,
        CASE WHEN %(by)s = 'customer' THEN c.name END AS customer,
        -- A completed lot has at least one participant: 0 is unknown.
        CASE WHEN l.participants_count > 0 THEN l.participants_count END AS participants
    FROM procurement_lots AS l
    CROSS JOIN period
    LEFT JOIN procurement_organizations AS c ON l.customer_id = c.id
    WHERE
        NOT (SELECT is_in_rollup FROM asked)
        AND l.status = 'completed'
        AND (period.since IS NULL OR l.deal_date >= period.since)
        AND (period.until IS NULL OR l.deal_date < period.until)
        AND (%(platform)s::text IS NULL OR l.platform = %(platform)s)
        AND (
            %(customer)s::text IS NULL
            OR l.customer_id = (
                SELECT o.id FROM procurement_organizations AS o
                WHERE
                    o.platform = %(customer_platform)s
                    AND o.external_id = %(customer_external_id)s
            )
        )
),

competition AS (
    SELECT
        key,
        min(customer_id) AS customer_id,
        max(customer) AS customer,
        count(*) AS lots,
        count(participants) AS n_used,
        count(*) FILTER (WHERE participants = 1) AS single_bid_lots,
        avg(participants) AS mean_participants,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY participants) AS median_participants
    FROM deals
    GROUP BY key
    UNION ALL
    SELECT
        key,
        customer_id,
        customer,
        lots,
        n_participants AS n_used,
        single_bid_lots,
        mean_participants,
        median_participants
    FROM procurement_rollup_markets
    WHERE (SELECT is_in_rollup FROM asked) AND by = %(by)s
)

SELECT
    coalesce(customer, key) AS name,
    customer_id,
    CASE WHEN n_used > 0 THEN single_bid_lots END AS single_bid_lots,
    round(100.0 * single_bid_lots / nullif(n_used, 0), 2) AS single_bid_percent,
    round(mean_participants, 2) AS mean_participants,
    round(median_participants::numeric, 2) AS median_participants,
    n_used,
    lots
FROM competition
WHERE lots >= %(least_lots)s
ORDER BY
    CASE WHEN %(by)s = 'month' THEN key END,
    single_bid_percent DESC NULLS LAST,
    n_used DESC,
    key COLLATE "C"
