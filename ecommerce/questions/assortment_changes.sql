/*
group = "market"

[title]
en = "New and vanished products"
ru = "Новые и исчезнувшие товары"
uz = "Yangi va yoʻqolgan mahsulotlar"

[description]
en = "Products that were first seen within a period, and products that were last seen within it and not for some days before the newest observation of their platform, by category, seller or platform. Products of the day on which a platform was first observed do not count as new. A product also counts as vanished if the loads no longer cover it."
ru = "Товары, впервые увиденные в периоде, и товары, которые в нём видели последний раз, а затем не видели несколько дней до новейшего наблюдения площадки, — по категориям, продавцам или площадкам. Товары первого дня наблюдения площадки не считаются новыми. Исчезнувшим выглядит и товар, который загрузки больше не охватывают."
uz = "Davr ichida birinchi marta koʻrilgan mahsulotlar hamda shu davrda oxirgi marta koʻrilib, platformaning eng yangi kuzatuvigacha bir necha kun koʻrilmagan mahsulotlar — turkum, sotuvchi yoki platforma boʻyicha. Platforma birinchi kuzatilgan kundagi mahsulotlar yangi hisoblanmaydi. Yuklashlar endi qamrab olmaydigan mahsulot ham yoʻqolgandek koʻrinadi."

[parameters.by]
type = "choice"
choices = ["category", "seller", "platform"]
default = "category"
required = true

[parameters.since]
type = "date"
default = "-30d"
required = true

[parameters.until]
type = "date"
default = "today"
required = true

[parameters.missing_days]
type = "number"
default = "3"
minimum = 1
maximum = 365
required = true
title = { en = "vanished after days unseen", ru = "исчез, если не видели дней", uz = "necha kun koʻrilmasa yoʻqolgan" }

[parameters.platform]
type = "platform"

[parameters.category]
type = "category"

[parameters.seller]
type = "seller"

[columns.name]
title = { en = "category, seller or platform", ru = "категория или продавец", uz = "turkum yoki sotuvchi" }

[columns.products]
type = "count"
title = { en = "current products", ru = "товаров сейчас", uz = "hozirgi mahsulotlar" }

[columns.new_products]
type = "count"
title = { en = "new", ru = "новые", uz = "yangi" }

[columns.vanished_products]
type = "count"
title = { en = "vanished", ru = "исчезли", uz = "yoʻqolgan" }

[columns.net_change]
type = "count"
title = { en = "net change", ru = "итог", uz = "farq" }

[columns.observed_since]
type = "date"
title = { en = "platform observed since", ru = "площадка наблюдается с", uz = "platforma kuzatuvi boshi" }

[columns.observed_until]
type = "time"
title = { en = "newest observation", ru = "новейшее наблюдение", uz = "eng yangi kuzatuv" }

[chart]
kind = "bar"
x = "name"
y = "new_products"
series = "platform"
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

products AS (
    SELECT
        r.platform,
        CASE %(by)s WHEN 'category' THEN r.category_id WHEN 'seller' THEN r.seller_id END AS key,
        r.observed_since,
        r.observed_until,
        r.last_seen_at >= r.observed_until - make_interval(days => %(missing_days)s::integer)
            AS is_present,
        r.first_seen_at >= period.since
        AND r.first_seen_at < period.until
        AND (r.first_seen_at AT TIME ZONE 'Asia/Tashkent')::date > r.observed_since AS is_new,
        r.last_seen_at >= period.since AND r.last_seen_at < period.until AS was_last_seen
    FROM ecommerce_rollup_assortment AS r
    CROSS JOIN period
    WHERE
        (%(platform)s::text IS NULL OR r.platform = %(platform)s)
        AND (
            %(seller)s::text IS NULL
            OR r.seller_id = (
                SELECT s.id FROM ecommerce_sellers AS s
                WHERE
                    s.platform = %(seller_platform)s
                    AND s.external_id = %(seller_external_id)s
            )
        )
        AND (
            %(category)s::text IS NULL
            OR r.category_id IN (
                SELECT c.id FROM ecommerce_categories AS c
                WHERE ecommerce_is_in_category(c.path_names, c.name, %(category)s)
            )
        )
),

grouped AS (
    SELECT
        p.platform,
        p.key,
        count(*) FILTER (WHERE p.is_present) AS products,
        count(*) FILTER (WHERE p.is_new) AS new_products,
        count(*) FILTER (WHERE p.was_last_seen AND NOT p.is_present) AS vanished_products,
        p.observed_since,
        p.observed_until
    FROM products AS p
    GROUP BY p.platform, p.key, p.observed_since, p.observed_until
),

counted AS (
    SELECT
        g.*,
        CASE %(by)s
            WHEN 'category' THEN coalesce(c.path_names, c.name)
            WHEN 'seller' THEN s.name
        END AS name
    FROM grouped AS g
    LEFT JOIN ecommerce_categories AS c ON g.key = c.id AND %(by)s = 'category'
    LEFT JOIN ecommerce_sellers AS s ON g.key = s.id AND %(by)s = 'seller'
)

SELECT
    c.platform,
    c.name,
    c.products,
    c.new_products,
    c.vanished_products,
    c.new_products - c.vanished_products AS net_change,
    c.observed_since,
    c.observed_until
FROM counted AS c
ORDER BY c.new_products + c.vanished_products DESC, c.products DESC, c.platform, c.key
