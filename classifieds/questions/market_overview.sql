/*
group = "market"

[title]
en = "Classifieds market"
ru = "Обзор рынка"
uz = "Bozor sharhi"

[description]
en = "How many ads were online, were posted and ended within a period, and their prices, by category, city, district or month. The last price of each ad that was online is used; a price of 0 is omitted."
ru = "Сколько объявлений было на сайте, размещено и завершено за период и сколько они стоят: по категориям, городам, районам или месяцам. Цены — последние у объявлений, бывших на сайте, без нулевых."
uz = "Davrda nechta eʼlon saytda turgan, joylangan va yakunlangan hamda ularning narxi: turkum, shahar, tuman yoki oy boʻyicha. Narxlar — saytda turgan eʼlonlarning oxirgi narxlari, nollarsiz."

[parameters.by]
type = "choice"
choices = ["category", "city", "district", "month"]
default = "category"
required = true

[parameters.depth]
type = "number"
default = "2"
required = true
minimum = 1
maximum = 20

[parameters.since]
type = "date"
default = "-90d"
required = true

[parameters.until]
type = "date"
default = "today"
required = true

[parameters.platform]
type = "platform"

[parameters.category]
type = "category"

[parameters.city]
type = "city"

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.name]
title = { en = "group", ru = "группа", uz = "guruh" }

[columns.posted]
type = "count"
title = { en = "posted", ru = "размещено", uz = "joylangan" }

[columns.gone]
type = "count"
title = { en = "ended", ru = "завершено", uz = "yakunlangan" }

[columns.sold]
type = "count"
title = { en = "sold", ru = "из них продано", uz = "shundan sotilgan" }

[columns.lower_quartile]
type = "money:currency"

[columns.median]
type = "money:currency"
title = { en = "median price", ru = "медианная цена", uz = "mediana narx" }

[columns.upper_quartile]
type = "money:currency"

[columns.online]
type = "count"
title = { en = "online", ru = "на сайте", uz = "saytda" }

[columns.n_used]
type = "coverage:online"
title = { en = "online with a price", ru = "на сайте с ценой", uz = "saytda, narxi bor" }

[chart]
kind = "bar"
x = "name"
y = "posted"

[[panels]]
page = "overview"
parameters = { by = "category", depth = "1" }
columns = ["name", "online", "posted", "gone", "median"]
*/
-- One window, or each month, cut off at the ends of the period.
WITH windows AS MATERIALIZED (
    SELECT
        CASE WHEN %(by)s = 'month' THEN to_char(first_day, 'YYYY-MM') END AS month,
        greatest(first_day, %(since)s::date)::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        least(next_day, %(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
    FROM (
        SELECT
            month::date AS first_day,
            (month + interval '1 month')::date AS next_day
        FROM
            generate_series(
                date_trunc('month', %(since)s::date::timestamp),
                %(until)s::date::timestamp,
                interval '1 month'
            ) AS months (month)
        WHERE %(by)s = 'month'
        UNION ALL
        SELECT
            %(since)s::date AS first_day,
            %(until)s::date + 1 AS next_day
        WHERE %(by)s <> 'month'
    ) AS days
),

-- Whether the rollup has what is asked for.
asked AS (
    SELECT
        coalesce(
            (SELECT r.since FROM classifieds_rollup_markets AS r LIMIT 1) = %(since)s::date
            AND (SELECT r.until FROM classifieds_rollup_markets AS r LIMIT 1) = %(until)s::date
            AND %(currency)s::text = 'UZS'
            AND %(platform)s::text IS NULL
            AND %(category)s::text IS NULL
            AND %(city)s::text IS NULL
            AND (%(by)s <> 'category' OR %(depth)s::int IN (1, 2)),
            false
        ) AS is_in_rollup
),

seen AS MATERIALIZED (
    SELECT
        l.status,
        CASE %(by)s
            WHEN 'category'
                THEN array_to_string(
                    (string_to_array(l.category_path, '/'))[: %(depth)s::int], '/'
                )
            WHEN 'city' THEN l.city
            WHEN 'district' THEN l.city || ', ' || l.district_canonical
        END AS key,
        coalesce(l.posted_at, l.first_seen_at) AS posted_at,
        least(l.posted_at, l.first_seen_at) AS online_since,
        CASE
            WHEN l.status IN ('sold', 'expired', 'removed')
                THEN coalesce(
                    CASE WHEN l.status = 'sold' THEN l.sold_at END,
                    (
                        SELECT max(e.recorded_at)
                        FROM classifieds_listing_events AS e
                        WHERE
                            e.listing_id = l.id
                            AND e.kind = 'status'
                            AND e.new_status = l.status
                    ),
                    l.last_seen_at
                )
        END AS ended_at,
        l.last_seen_at,
        nullif(l.price, 0) AS price,
        l.currency,
        (l.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date AS day
    FROM classifieds_listings AS l
    WHERE
        NOT (SELECT is_in_rollup FROM asked)
        AND (%(platform)s::text IS NULL OR l.platform = %(platform)s)
        AND (%(city)s::text IS NULL OR l.city = %(city)s)
        AND (
            %(category)s::text IS NULL
            OR l.category_path = %(category)s
            OR starts_with(l.category_path, %(category)s || '/')
        )
),

-- Of each currency and day, rates are looked up once.
rates AS MATERIALIZED (
    SELECT
        currency,
        day,
        classifieds_rate(currency, day) AS rate,
        classifieds_rate(%(currency)s, day) AS target_rate
    FROM (SELECT DISTINCT currency, day FROM seen) AS days
),

priced AS MATERIALIZED (
    SELECT
        s.*,
        CASE
            WHEN s.currency = %(currency)s THEN s.price
            ELSE round(s.price * r.rate / r.target_rate, 2)
        END AS amount
    FROM seen AS s
    LEFT JOIN rates AS r ON s.currency = r.currency AND s.day = r.day
),

placed AS (
    SELECT
        coalesce(w.month, s.key) AS key,
        s.status,
        s.online_since < w.until
        AND coalesce(s.ended_at, s.last_seen_at) >= w.since AS is_online,
        w.since <= s.posted_at AND s.posted_at < w.until AS is_posted,
        coalesce(w.since <= s.ended_at AND s.ended_at < w.until, false) AS is_gone,
        s.amount
    FROM priced AS s
    CROSS JOIN windows AS w
),

markets AS (
    SELECT
        key,
        count(*) FILTER (WHERE is_online) AS online,
        count(*) FILTER (WHERE is_posted) AS posted,
        count(*) FILTER (WHERE is_gone) AS gone,
        count(*) FILTER (WHERE is_gone AND status = 'sold') AS sold,
        count(amount) FILTER (WHERE is_online) AS n_used,
        (
            percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY amount)
                FILTER (WHERE is_online)
        )::numeric [] AS quartiles
    FROM placed
    WHERE is_online OR is_posted OR is_gone
    GROUP BY key
    UNION ALL
    SELECT
        key,
        online,
        posted,
        gone,
        sold,
        n_used,
        quartiles
    FROM classifieds_rollup_markets
    WHERE
        (SELECT is_in_rollup FROM asked)
        AND by = %(by)s
        AND (depth IS NULL OR depth = %(depth)s::int)
)

SELECT
    key AS name,
    posted,
    gone,
    sold,
    round(quartiles[1], 2) AS lower_quartile,
    round(quartiles[2], 2) AS median,
    round(quartiles[3], 2) AS upper_quartile,
    %(currency)s::text AS currency,
    online,
    n_used
FROM markets
ORDER BY
    CASE WHEN %(by)s = 'month' THEN key END,
    online DESC,
    key COLLATE "C"
