/*
group = "search"
shown = ["ad", "distance", "price", "district", "category", "posted_at", "url"]

[title]
en = "Ads nearby"
ru = "Объявления рядом"
uz = "Yaqin atrofdagi eʼlonlar"

[description]
en = "Active ads within a distance of a point, nearest first. Without a point, distances are measured from the center of the city. All distances are straight lines."
ru = "Активные объявления не дальше указанного расстояния от точки, сначала ближайшие. Если точка не указана, расстояние считается от центра города. Расстояния измеряются по прямой."
uz = "Nuqtadan koʻrsatilgan masofadagi faol eʼlonlar, avval eng yaqinlari. Nuqta koʻrsatilmasa, masofa shahar markazidan hisoblanadi. Masofalar toʻgʻri chiziq boʻyicha oʻlchanadi."

[parameters.point]
type = "point"
title = { en = "point", ru = "точка", uz = "nuqta" }

[parameters.city]
type = "city"
default = "Tashkent"

[parameters.km]
type = "number"
default = "5"
required = true
minimum = 0
maximum = 500
title = { en = "distance, km", ru = "километры", uz = "kilometr" }

[parameters.category]
type = "category"

[parameters.least_price]
type = "money"
minimum = 0
title = { en = "minimum price", ru = "цена от", uz = "eng past narx" }

[parameters.greatest_price]
type = "money"
minimum = 0
title = { en = "maximum price", ru = "цена до", uz = "eng baland narx" }

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.ad]
link = "classifieds.listing:listing_id"

[columns.distance]
type = "distance"
title = { en = "distance", ru = "расстояние", uz = "masofa" }

[columns.price]
link = "fair_price?listing={address}"
type = "money:currency"

[columns.rate_day]
type = "date"

[columns.coordinates]
type = "coordinates"
title = { en = "coordinates", ru = "координаты", uz = "koordinatalar" }

[columns.posted_at]
type = "time"
title = { en = "posted", ru = "размещено", uz = "joylangan" }

[columns.url]
type = "link"

[[panels]]
page = "classifieds.listing"
parameters = { point = "{latitude},{longitude}", category = "{category_path}" }
columns = ["ad", "distance", "price", "posted_at"]
limit = 10
*/
-- The cities of classifieds/places.py.
WITH cities (name, latitude, longitude) AS (
    VALUES
        ('Tashkent', 41.311081, 69.240562),
        ('Samarkand', 39.654170, 66.959720),
        ('Namangan', 40.998300, 71.672570),
        ('Andijan', 40.782060, 72.344240),
        ('Nukus', 42.453060, 59.610280),
        ('Fergana', 40.384210, 71.784320),
        ('Bukhara', 39.774720, 64.428610),
        ('Karshi', 38.860560, 65.789050),
        ('Kokand', 40.528640, 70.942500),
        ('Margilan', 40.471080, 71.724560),
        ('Angren', 41.016670, 70.143610),
        ('Jizzakh', 40.115830, 67.842220),
        ('Chirchik', 41.468890, 69.582220),
        ('Termez', 37.224170, 67.278330),
        ('Navoi', 40.084440, 65.379170),
        ('Urgench', 41.550000, 60.633330),
        ('Almalyk', 40.844720, 69.598330),
        ('Bekabad', 40.220830, 69.269720),
        ('Shakhrisabz', 39.057780, 66.834170),
        ('Gulistan', 40.489720, 68.784170),
        ('Khiva', 41.378330, 60.363890),
        ('Kattakurgan', 39.898890, 66.256110),
        ('Yangiyul', 41.112220, 69.047220),
        ('Nurafshon', 41.042000, 69.358000),
        ('Zarafshan', 41.573300, 64.205800)
),

-- A point is published as (latitude,longitude).
centre AS (
    SELECT ll_to_earth((%(point)s::point)[0], (%(point)s::point)[1]) AS place
    WHERE %(point)s IS NOT NULL
    UNION ALL
    SELECT ll_to_earth(latitude, longitude) AS place
    FROM cities
    WHERE %(point)s IS NULL AND name = %(city)s
),

nearby AS (
    SELECT
        l.*,
        round(
            earth_distance(
                ll_to_earth(l.latitude, l.longitude), (SELECT place FROM centre)
            )::numeric / 1000,
            3
        ) AS distance,
        (l.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date AS day
    FROM classifieds_listings AS l
    WHERE
        l.status = 'active'
        -- The box is a little larger than the circle; it is found by the index.
        AND ll_to_earth(l.latitude, l.longitude)
        <@ earth_box((SELECT place FROM centre), 1000 * %(km)s::float8)
        AND earth_distance(ll_to_earth(l.latitude, l.longitude), (SELECT place FROM centre))
        <= 1000 * %(km)s::float8
        AND (
            %(category)s::text IS NULL
            OR l.category_path = %(category)s
            OR starts_with(l.category_path, %(category)s || '/')
        )
),

priced AS (
    SELECT
        *,
        classifieds_convert(price, currency, %(currency)s, day) AS amount
    FROM nearby
)

SELECT
    title AS ad,
    id AS listing_id,
    distance,
    amount AS price,
    %(currency)s::text AS currency,
    classifieds_rate_day(currency, %(currency)s, day) AS rate_day,
    category_path AS category,
    city,
    district_canonical AS district,
    posted_at,
    latitude || ',' || longitude AS coordinates,
    platform || ':' || external_id AS address,
    url
FROM priced
WHERE
    (%(least_price)s::numeric IS NULL OR amount >= %(least_price)s)
    AND (%(greatest_price)s::numeric IS NULL OR amount <= %(greatest_price)s)
ORDER BY ll_to_earth(latitude, longitude) <-> (SELECT place FROM centre), id
