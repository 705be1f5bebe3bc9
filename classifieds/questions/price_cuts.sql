/*
group = "prices"

[title]
en = "Price cuts"
ru = "Снижения цен"
uz = "Narx tushirishlar"

[description]
en = "How many ads cut their price within a period, by how much and how soon, by category, city, district or price band. Ads that were seen within the period are counted; shares refer to the ads with a price. A change of currency does not count as a cut. The first cut of an ad is its first one within the period. The price band of an ad is that of its last price."
ru = "Сколько объявлений снизили цену за период, на сколько и как скоро: по категориям, городам, районам или диапазонам цен. Считаются объявления, замеченные в этом периоде; доли берутся от объявлений с ценой. Смена валюты снижением не считается. Первое снижение объявления — первое за период. Диапазон определяется по последней цене."
uz = "Davrda nechta eʼlon narxini tushirgan, qanchaga va qancha vaqtda: turkum, shahar, tuman yoki narx oraligʻi boʻyicha. Shu davrda koʻrilgan eʼlonlar sanaladi; ulushlar narxi bor eʼlonlardan hisoblanadi. Valyuta almashishi narx tushishi emas. Eʼlonning birinchi tushishi — davrdagi birinchisi. Oraliq oxirgi narx boʻyicha aniqlanadi."

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

[parameters.since]
type = "date"
default = "-90d"

[parameters.until]
type = "date"

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

[columns.cut_ads]
type = "count"
title = { en = "ads with a cut", ru = "объявления со снижением", uz = "narxi tushgan eʼlonlar" }

[columns.cut_ads_percent]
type = "percent"
title = { en = "share with a cut", ru = "доля со снижением", uz = "narxi tushganlar ulushi" }

[columns.cuts]
type = "count"
title = { en = "cuts", ru = "снижения", uz = "tushirishlar" }

[columns.median_cut_percent]
type = "percent"
title = { en = "median cut", ru = "медианное снижение", uz = "mediana tushish" }

[columns.greatest_cut_percent]
type = "percent"
title = { en = "largest cut", ru = "наибольшее снижение", uz = "eng katta tushish" }

[columns.median_days]
type = "days"
title = { en = "median time to the first cut", ru = "медианный срок до первого снижения", uz = "birinchi tushishgacha mediana muddat" }

[columns.n_used]
type = "coverage:ads"
title = { en = "ads with a price", ru = "объявления с ценой", uz = "narxi bor eʼlonlar" }

[chart]
kind = "bar"
x = "name"
y = "cut_ads_percent"
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
            (SELECT r.since FROM classifieds_rollup_cuts AS r LIMIT 1) = %(since)s::date
            AND %(until)s::date IS NULL
            AND (%(by)s <> 'price_band' OR %(currency)s::text = 'UZS')
            AND %(platform)s::text IS NULL
            AND %(category)s::text IS NULL
            AND %(city)s::text IS NULL
            AND (%(by)s <> 'category' OR %(depth)s::int IN (1, 2)),
            false
        ) AS is_in_rollup
),

seen AS (
    SELECT
        l.id,
        l.category_path,
        l.city,
        l.district_canonical,
        coalesce(l.posted_at, l.first_seen_at) AS posted_at,
        classifieds_convert(
            nullif(l.price, 0),
            l.currency,
            %(currency)s,
            (l.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date
        ) AS amount,
        l.price > 0 AS has_price
    FROM classifieds_listings AS l
    CROSS JOIN period
    WHERE
        NOT (SELECT is_in_rollup FROM asked)
        AND l.first_seen_at < period.until
        AND l.last_seen_at >= period.since
        AND (%(platform)s::text IS NULL OR l.platform = %(platform)s)
        AND (%(city)s::text IS NULL OR l.city = %(city)s)
        AND (
            %(category)s::text IS NULL
            OR l.category_path = %(category)s
            OR starts_with(l.category_path, %(category)s || '/')
        )
),

keyed AS (
    SELECT
        id,
        posted_at,
        has_price,
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

cuts AS (
    SELECT
        k.key,
        k.id,
        100 * (e.old_price - e.new_price) / e.old_price AS cut_percent,
        e.recorded_at,
        k.posted_at
    FROM period
    INNER JOIN classifieds_listing_events AS e
        ON period.since <= e.recorded_at AND e.recorded_at < period.until
    INNER JOIN keyed AS k ON e.listing_id = k.id
    WHERE
        NOT (SELECT is_in_rollup FROM asked)
        AND e.kind = 'price'
        AND e.new_price > 0
        AND e.new_price < e.old_price
        AND e.new_currency = e.old_currency
        AND k.has_price
),

cuts_by_key AS (
    SELECT
        key,
        count(*) AS cuts,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY cut_percent) AS median_cut_percent,
        max(cut_percent) AS greatest_cut_percent
    FROM cuts
    GROUP BY key
),

first_cuts AS (
    SELECT
        key,
        id,
        -- NULL if the ad was posted anew after the cut.
        CASE
            WHEN min(recorded_at) >= posted_at
                THEN extract(EPOCH FROM min(recorded_at) - posted_at) / 86400
        END AS days
    FROM cuts
    GROUP BY key, id, posted_at
),

first_cuts_by_key AS (
    SELECT
        key,
        count(*) AS cut_ads,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median_days
    FROM first_cuts
    GROUP BY key
),

ads AS (
    SELECT
        key,
        count(*) AS ads,
        count(*) FILTER (WHERE has_price) AS n_used
    FROM keyed
    GROUP BY key
),

groups AS (
    SELECT
        a.key,
        a.ads,
        a.n_used,
        coalesce(f.cut_ads, 0) AS cut_ads,
        coalesce(c.cuts, 0) AS cuts,
        c.median_cut_percent,
        c.greatest_cut_percent,
        f.median_days
    FROM ads AS a
    LEFT JOIN cuts_by_key AS c ON a.key IS NOT DISTINCT FROM c.key
    LEFT JOIN first_cuts_by_key AS f ON a.key IS NOT DISTINCT FROM f.key
    UNION ALL
    SELECT
        key,
        ads,
        n_used,
        cut_ads,
        cuts,
        median_cut_percent,
        greatest_cut_percent,
        median_days
    FROM classifieds_rollup_cuts
    WHERE
        (SELECT is_in_rollup FROM asked)
        AND by = %(by)s
        AND (depth IS NULL OR depth = %(depth)s::int)
)

SELECT
    key AS name,
    CASE WHEN n_used > 0 THEN cut_ads END AS cut_ads,
    round(100.0 * cut_ads / nullif(n_used, 0), 2) AS cut_ads_percent,
    CASE WHEN n_used > 0 THEN cuts END AS cuts,
    round(median_cut_percent::numeric, 2) AS median_cut_percent,
    round(greatest_cut_percent, 2) AS greatest_cut_percent,
    round(median_days::numeric, 1) AS median_days,
    n_used,
    ads
FROM groups
ORDER BY cut_ads_percent DESC NULLS LAST, n_used DESC, ads DESC, key COLLATE "C"
