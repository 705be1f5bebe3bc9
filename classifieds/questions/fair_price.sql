/*
group = "prices"
shown = ["ad", "price", "above_median_percent", "year", "mileage", "area_sqm", "rooms", "condition", "district", "url"]
figures = ["median", "lower_quartile", "upper_quartile", "own_price", "own_place", "n_used"]

[title]
en = "Fair price"
ru = "Справедливая цена"
uz = "Adolatli narx"

[description]
en = "Active ads that are comparable with an ad or with given attributes, cheapest first, with median and quartiles of their prices. If an ad is given, its attributes are used, except for those that are given as parameters. The median and the quartiles are empty if there are fewer prices than the given minimum. Prices are asking prices, not the prices of deals."
ru = "Активные объявления, сопоставимые с объявлением или с указанными признаками, сначала дешёвые, с медианой и квартилями цен. Если указано объявление, берутся его признаки, кроме заданных параметрами. Медиана и квартили пусты, если цен меньше указанного числа. Это цены предложений, а не сделок."
uz = "Eʼlonga yoki koʻrsatilgan belgilarga oʻxshash faol eʼlonlar, avval arzonlari, narxlar medianasi va kvartillari bilan. Eʼlon koʻrsatilsa, parametr bilan berilganlardan tashqari uning belgilari olinadi. Narxlar soni koʻrsatilgandan kam boʻlsa, mediana va kvartillar boʻsh. Bu soʻralayotgan narxlar, bitim narxlari emas."

[parameters.listing]
type = "listing"
title = { en = "ad", ru = "объявление", uz = "eʼlon" }

[parameters.category]
type = "category"
default = "transport/cars"
title = { en = "category, if no ad is given", ru = "категория, если объявление не указано", uz = "turkum, eʼlon koʻrsatilmasa" }

[parameters.brand]
type = "text"
title = { en = "brand", ru = "марка", uz = "marka" }

[parameters.model]
type = "text"
title = { en = "model", ru = "модель", uz = "model" }

[parameters.year]
type = "number"
title = { en = "year", ru = "год", uz = "yil" }

[parameters.years_around]
type = "number"
default = "1"
required = true
minimum = 0
maximum = 100
title = { en = "tolerance of the year", ru = "лет старше или новее", uz = "yil eski yoki yangi" }

[parameters.mileage]
type = "number"
minimum = 0
title = { en = "mileage, km", ru = "пробег, км", uz = "bosib oʻtgan yoʻl, km" }

[parameters.area]
type = "number"
minimum = 0
title = { en = "area, m²", ru = "площадь, м²", uz = "maydon, m²" }

[parameters.percent_around]
type = "number"
default = "30"
required = true
minimum = 0
maximum = 1000
title = { en = "tolerance of mileage and area, %", ru = "отклонение пробега и площади, %", uz = "yoʻl va maydon farqi, %" }

[parameters.rooms]
type = "number"
title = { en = "rooms", ru = "комнаты", uz = "xonalar" }

[parameters.condition]
type = "choice"
choices = ["new", "used", "damaged"]
title = { en = "condition", ru = "состояние", uz = "holati" }

[parameters.city]
type = "city"

[parameters.since]
type = "date"
default = "-90d"
title = { en = "last seen since", ru = "замечено не раньше", uz = "oxirgi marta koʻrilgan" }

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

[columns.ad]
link = "classifieds.listing:listing_id"

[columns.price]
type = "money:currency"

[columns.rate_day]
type = "date"

[columns.above_median_percent]
type = "percent"
title = { en = "above the median", ru = "выше медианы", uz = "medianadan yuqori" }

[columns.mileage]
type = "count"
title = { en = "mileage, km", ru = "пробег, км", uz = "bosib oʻtgan yoʻl, km" }

[columns.area_sqm]
title = { en = "area, m²", ru = "площадь, м²", uz = "maydon, m²" }

[columns.lower_quartile]
type = "money:currency"

[columns.median]
type = "money:currency"

[columns.upper_quartile]
type = "money:currency"

[columns.own_price]
type = "money:currency"
title = { en = "price of the given ad", ru = "цена указанного объявления", uz = "koʻrsatilgan eʼlon narxi" }

[columns.own_place]
type = "count"
title = { en = "rank of the given ad by price", ru = "его место, от самого дешёвого", uz = "uning oʻrni, eng arzonidan" }

[columns.n_used]
type = "coverage:n_total"
title = { en = "ads with a price", ru = "объявления с ценой", uz = "narxi bor eʼlonlar" }

[columns.url]
type = "link"

[columns.district]
title = { en = "district", ru = "район", uz = "tuman" }
link = "nearby?point={coordinates}&category={category}"

[[panels]]
page = "classifieds.listing"
parameters = { listing = "{platform}:{external_id}" }
columns = ["ad", "price", "above_median_percent", "district"]
limit = 10
*/
WITH stated AS (
    SELECT *
    FROM classifieds_listings
    WHERE
        platform = %(listing_platform)s
        AND external_id = %(listing_external_id)s
),

wanted AS MATERIALIZED (
    SELECT
        s.id,
        CASE WHEN s.id IS NULL THEN %(category)s ELSE s.category_path END AS category,
        lower(coalesce(%(brand)s, s.brand)) AS brand,
        lower(coalesce(%(model)s, s.model)) AS model,
        coalesce(%(year)s, s.year) AS year,
        coalesce(%(mileage)s, s.mileage) AS mileage,
        coalesce(%(area)s, s.area_sqm) AS area_sqm,
        coalesce(%(rooms)s, s.rooms) AS rooms,
        coalesce(%(condition)s, s.condition) AS condition,
        coalesce(%(city)s, s.city) AS city,
        classifieds_convert(
            nullif(s.price, 0),
            s.currency,
            %(currency)s,
            (s.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date
        ) AS own_price
    FROM (VALUES (%(listing)s::text)) AS address (listing)
    LEFT JOIN stated AS s ON true
    WHERE address.listing IS NULL OR s.id IS NOT NULL
),

comparable AS MATERIALIZED (
    SELECT
        l.id,
        l.title,
        l.category_path,
        l.brand,
        l.model,
        l.year,
        l.mileage,
        l.area_sqm,
        l.rooms,
        l.condition,
        l.city,
        l.district_canonical,
        l.latitude,
        l.longitude,
        l.url,
        l.price,
        l.currency,
        (l.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date AS day,
        w.own_price
    FROM wanted AS w
    CROSS JOIN LATERAL (
        -- With a city and a category, the ads are found by an index. It has the bytes of the
        -- paths in order, in which "0" is the one after "/".
        SELECT *
        FROM classifieds_listings
        WHERE
            status = 'active'
            AND city = w.city
            AND category_path ~>=~ w.category
            AND category_path ~<~ (w.category || '0')
        UNION ALL
        SELECT *
        FROM classifieds_listings
        WHERE
            status = 'active'
            AND (w.city IS NULL OR w.category IS NULL)
            AND (
                w.category IS NULL
                OR (category_path ~>=~ w.category AND category_path ~<~ (w.category || '0'))
            )
    ) AS l
    WHERE
        l.id IS DISTINCT FROM w.id
        AND (
            (w.category IS NULL AND w.id IS NULL)
            OR l.category_path = w.category
            OR starts_with(l.category_path, w.category || '/')
        )
        AND (w.brand IS NULL OR lower(l.brand) = w.brand)
        AND (w.model IS NULL OR lower(l.model) = w.model)
        AND (w.year IS NULL OR abs(l.year - w.year) <= %(years_around)s)
        AND (
            w.mileage IS NULL
            OR abs(l.mileage - w.mileage) <= w.mileage * %(percent_around)s / 100
        )
        AND (
            w.area_sqm IS NULL
            OR abs(l.area_sqm - w.area_sqm) <= w.area_sqm * %(percent_around)s / 100
        )
        AND (w.rooms IS NULL OR l.rooms = w.rooms)
        AND (w.condition IS NULL OR l.condition = w.condition)
        AND (w.city IS NULL OR l.city = w.city)
        AND (
            %(since)s::date IS NULL
            OR l.last_seen_at >= %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent'
        )
),

-- Of each currency and day, rates are looked up once.
rates AS MATERIALIZED (
    SELECT
        currency,
        day,
        classifieds_rate(currency, day) AS rate,
        classifieds_rate(%(currency)s, day) AS target_rate,
        classifieds_rate_day(currency, %(currency)s, day) AS rate_day
    FROM (SELECT DISTINCT currency, day FROM comparable) AS days
),

priced AS NOT MATERIALIZED (
    SELECT
        c.*,
        r.rate_day,
        -- A price of 0 is no price.
        CASE
            WHEN c.currency = %(currency)s THEN nullif(c.price, 0)
            ELSE round(nullif(c.price, 0) * r.rate / r.target_rate, 2)
        END AS amount
    FROM comparable AS c
    LEFT JOIN rates AS r ON c.currency = r.currency AND c.day = r.day
),

-- NULL if there are too few prices.
statistics AS MATERIALIZED (
    SELECT
        count(*) AS n_total,
        count(amount) AS n_used,
        1 + count(*) FILTER (WHERE amount < own_price) AS own_place,
        CASE
            WHEN count(amount) >= %(least_count)s
                THEN percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY amount)
        END::numeric [] AS quartiles
    FROM priced
)

SELECT
    c.title AS ad,
    c.id AS listing_id,
    c.amount AS price,
    %(currency)s::text AS currency,
    c.rate_day,
    round(100 * (c.amount - s.quartiles[2]) / nullif(s.quartiles[2], 0), 2) AS above_median_percent,
    c.brand,
    c.model,
    c.year,
    c.mileage,
    c.area_sqm,
    c.rooms,
    c.condition,
    c.city,
    c.district_canonical AS district,
    round(s.quartiles[1], 2) AS lower_quartile,
    round(s.quartiles[2], 2) AS median,
    round(s.quartiles[3], 2) AS upper_quartile,
    c.own_price,
    CASE WHEN c.own_price IS NOT NULL AND s.quartiles IS NOT NULL THEN s.own_place END AS own_place,
    s.n_used,
    s.n_total,
    c.category_path AS category,
    c.latitude || ',' || c.longitude AS coordinates,
    c.url
FROM priced AS c
CROSS JOIN statistics AS s
ORDER BY c.amount ASC NULLS LAST, c.id
