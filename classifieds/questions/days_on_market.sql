/*
group = "market"

[title]
en = "Days on the market"
ru = "Срок продажи"
uz = "Bozorda turish muddati"

[description]
en = "How long ads stay online after they are posted, by category, city, district or price band, for ads posted within a period. The Kaplan-Meier method estimates it: ads that are still online, hidden or of unknown status count up to the day on which they were last seen. If only sold ads count as ended, expired and removed ads count up to their end. The days after which a quarter, half or three quarters are gone are empty until that share is reached."
ru = "Сколько объявления остаются на сайте после размещения: по категориям, городам, районам или диапазонам цен, для объявлений, размещённых за период. Оценка методом Каплана — Мейера: объявления, которые ещё активны, скрыты или с неизвестным статусом, учитываются до дня, когда их видели в последний раз. Если нужны только проданные, истёкшие и удалённые учитываются до своего конца. Дни, после которых исчезает четверть, половина или три четверти, пусты, если эта доля ещё не достигнута."
uz = "Eʼlonlar joylangandan keyin qancha vaqt turadi: turkum, shahar, tuman yoki narx oraligʻi boʻyicha, davrda joylangan eʼlonlar uchun. Kaplan–Meyer usuli bilan baholanadi: hali faol, yashirilgan yoki holati nomaʼlum eʼlonlar oxirgi marta koʻrilgan kungacha hisobga olinadi. Faqat sotilganlar soʻralsa, muddati tugagan va oʻchirilganlar oʻz oxirigacha hisobga olinadi. Chorak, yarmi yoki toʻrtdan uch qismi ketgan kunlar soni bu ulushga hali yetilmagan boʻlsa, boʻsh."

[parameters.by]
type = "choice"
choices = ["category", "city", "district", "price_band"]
default = "category"
required = true

[parameters.depth]
type = "number"
default = "2"
required = true
minimum = 1
maximum = 20

[parameters.outcome]
type = "choice"
choices = ["gone", "sold"]
default = "gone"
required = true
title = { en = "counted as ended", ru = "конец", uz = "yakun" }

[parameters.days]
type = "number"
default = "30"
required = true
minimum = 0
maximum = 3650
title = { en = "days for the share online", ru = "доля на сайте через дней", uz = "necha kundan keyingi ulush" }

[parameters.since]
type = "date"
default = "-180d"
title = { en = "posted since", ru = "размещены с", uz = "joylangan, dan" }

[parameters.until]
type = "date"
title = { en = "posted until", ru = "размещены по", uz = "joylangan, gacha" }

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
title = { en = "currency of price bands", ru = "валюта диапазонов цен", uz = "narx oraliqlari valyutasi" }

[columns.name]
title = { en = "group", ru = "группа", uz = "guruh" }

[columns.quarter_days]
type = "days"
title = { en = "a quarter is gone after", ru = "четверть ушла через", uz = "chorak qismi ketgan muddat" }

[columns.median_days]
type = "days"
title = { en = "half is gone after", ru = "половина ушла через", uz = "yarmi ketgan muddat" }

[columns.three_quarters_days]
type = "days"
title = { en = "three quarters are gone after", ru = "три четверти ушли через", uz = "toʻrtdan uchi ketgan muddat" }

[columns.online_percent]
type = "percent"
title = { en = "online after the given days", ru = "на сайте через указанные дни", uz = "koʻrsatilgan kundan keyin turgan" }

[columns.gone]
type = "coverage:ads"
title = { en = "ads that ended", ru = "завершённые объявления", uz = "yakunlangan eʼlonlar" }

[chart]
kind = "bar"
x = "name"
y = "median_days"
*/
WITH period AS (
    SELECT
        coalesce(
            %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent', '-infinity'
        ) AS since,
        coalesce(
            (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent', 'infinity'
        ) AS until
),

-- Whether the rollup has what is asked for.
asked AS (
    SELECT
        coalesce(
            (SELECT r.since FROM classifieds_rollup_endings AS r LIMIT 1) = %(since)s::date
            AND %(until)s::date IS NULL
            AND (%(by)s <> 'price_band' OR %(currency)s::text = 'UZS')
            AND %(platform)s::text IS NULL
            AND %(category)s::text IS NULL
            AND %(city)s::text IS NULL
            AND (%(by)s <> 'category' OR %(depth)s::int IN (1, 2)),
            false
        ) AS is_in_rollup
),

posted AS (
    SELECT
        l.*,
        coalesce(l.posted_at, l.first_seen_at) AS start_at,
        coalesce(l.status IN ('sold', 'expired', 'removed'), false) AS is_over
    FROM classifieds_listings AS l
    CROSS JOIN period
    WHERE
        NOT (SELECT is_in_rollup FROM asked)
        AND period.since <= coalesce(l.posted_at, l.first_seen_at)
        AND coalesce(l.posted_at, l.first_seen_at) < period.until
        AND (%(platform)s::text IS NULL OR l.platform = %(platform)s)
        AND (%(city)s::text IS NULL OR l.city = %(city)s)
        AND (
            %(category)s::text IS NULL
            OR l.category_path = %(category)s
            OR starts_with(l.category_path, %(category)s || '/')
        )
),

seen AS (
    SELECT
        p.category_path,
        p.city,
        p.district_canonical,
        classifieds_convert(
            nullif(p.price, 0),
            p.currency,
            %(currency)s,
            (p.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date
        ) AS amount,
        -- Whole days from posting to the end, or to the last observation.
        greatest(
            0,
            floor(
                extract(
                    EPOCH FROM
                    CASE
                        WHEN p.is_over
                            THEN coalesce(
                                CASE WHEN p.status = 'sold' THEN p.sold_at END,
                                (
                                    SELECT max(e.recorded_at)
                                    FROM classifieds_listing_events AS e
                                    WHERE
                                        e.listing_id = p.id
                                        AND e.kind = 'status'
                                        AND e.new_status = p.status
                                ),
                                p.last_seen_at
                            )
                        ELSE p.last_seen_at
                    END - p.start_at
                ) / 86400
            )
        )::int AS days,
        CASE %(outcome)s
            WHEN 'sold' THEN p.is_over AND p.status = 'sold'
            ELSE p.is_over
        END AS is_gone
    FROM posted AS p
),

keyed AS (
    SELECT
        days,
        is_gone,
        CASE %(by)s
            WHEN 'category'
                THEN array_to_string(
                    (string_to_array(category_path, '/'))[: %(depth)s::int], '/'
                )
            WHEN 'city' THEN city
            WHEN 'district' THEN city || ', ' || district_canonical
            WHEN 'price_band' THEN classifieds_price_band(amount)
        END AS key
    FROM seen
),

counted AS (
    SELECT
        key,
        days,
        count(*) AS ads,
        count(*) FILTER (WHERE is_gone) AS gone
    FROM keyed
    GROUP BY key, days
    UNION ALL
    SELECT
        key,
        days,
        ads,
        CASE %(outcome)s WHEN 'sold' THEN sold ELSE gone END AS gone
    FROM classifieds_rollup_endings
    WHERE
        (SELECT is_in_rollup FROM asked)
        AND by = %(by)s
        AND (depth IS NULL OR depth = %(depth)s::int)
),

-- On each day: the ads that ended, and those that were online until then or longer.
ends AS (
    SELECT
        key,
        days,
        gone,
        sum(ads) OVER (PARTITION BY key ORDER BY days DESC) AS at_risk
    FROM counted
),

-- The product of 1 - gone / at_risk over all days so far.
survival AS (
    SELECT
        key,
        days,
        CASE
            WHEN bool_or(gone = at_risk) OVER so_far THEN 0
            ELSE exp(sum(ln(1 - gone::float8 / nullif(at_risk, gone)::float8)) OVER so_far)
        END AS online
    FROM ends
    WINDOW so_far AS (PARTITION BY key ORDER BY days)
),

estimates AS (
    SELECT
        key,
        -- Rounding of the product must not hide a share that is exactly reached.
        min(days) FILTER (WHERE online <= 0.75 + 1e-9) AS quarter_days,
        min(days) FILTER (WHERE online <= 0.5 + 1e-9) AS median_days,
        min(days) FILTER (WHERE online <= 0.25 + 1e-9) AS three_quarters_days,
        min(online) FILTER (WHERE days <= %(days)s) AS online,
        max(days) >= %(days)s OR min(online) = 0 AS is_observed
    FROM survival
    GROUP BY key
),

ads AS (
    SELECT
        key,
        sum(ads)::bigint AS ads,
        sum(gone)::bigint AS gone
    FROM counted
    GROUP BY key
)

SELECT
    a.key AS name,
    e.quarter_days,
    e.median_days,
    e.three_quarters_days,
    CASE
        WHEN e.is_observed THEN round(100 * coalesce(e.online, 1)::numeric, 2)
    END AS online_percent,
    a.gone,
    a.ads
FROM ads AS a
INNER JOIN estimates AS e ON a.key IS NOT DISTINCT FROM e.key
ORDER BY e.median_days ASC NULLS LAST, a.ads DESC, a.key COLLATE "C"
