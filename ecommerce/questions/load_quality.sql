/*
group = "quality"

[title]
en = "Quality of loaded data"
ru = "Качество загрузок"
uz = "Yuklash sifati"

[description]
en = "For each platform and day: the runs that began on the day, and the records that they read, rejected and held; the records last seen on the day that are still in quarantine; and how many of the products and offers last seen on the day have each field."
ru = "По площадкам и дням: запуски, начатые в этот день, прочитанные, отклонённые и задержанные ими записи, последний раз виденные в этот день записи, которые ещё ждут в карантине, и у скольких товаров и предложений, последний раз виденных в этот день, заполнено каждое поле."
uz = "Platforma va kunlar boʻyicha: shu kuni boshlangan ishga tushirishlar va ularda oʻqilgan, rad etilgan va ushlab turilgan yozuvlar, shu kuni oxirgi marta koʻrilgan va hali karantinda turgan yozuvlar hamda shu kuni oxirgi marta koʻrilgan mahsulot va takliflarning nechtasida har bir maydon toʻldirilgani."

[parameters.since]
type = "date"
default = "-30d"
required = true

[parameters.until]
type = "date"
default = "today"
required = true

[parameters.platform]
type = "platform"

[columns.day]
type = "date"

[columns.runs]
type = "count"
title = { en = "runs", ru = "запуски", uz = "ishga tushirishlar" }

[columns.unsuccessful_runs]
type = "count"
title = { en = "failed and held runs", ru = "неудачные и задержанные запуски", uz = "muvaffaqiyatsiz va ushlab turilganlari" }

[columns.read_records]
type = "count"
title = { en = "records read", ru = "прочитано записей", uz = "oʻqilgan yozuvlar" }

[columns.rejected]
type = "count"

[columns.rejected_percent]
type = "percent"
title = { en = "share rejected", ru = "отклонено, %", uz = "rad etilgan, %" }

[columns.held]
type = "count"

[columns.quarantined]
type = "count"
title = { en = "in quarantine", ru = "в карантине", uz = "karantinda" }

[columns.newest_observed_at]
type = "time"
title = { en = "newest observation", ru = "новейшее наблюдение", uz = "eng yangi kuzatuv" }

[columns.products]
type = "count"

[columns.products_title]
type = "coverage:products"
title = { en = "with a title", ru = "с названием", uz = "nomi bor" }

[columns.products_category]
type = "coverage:products"
title = { en = "with a category", ru = "с категорией", uz = "turkumi bor" }

[columns.products_brand]
type = "coverage:products"
title = { en = "with a brand", ru = "с брендом", uz = "brendi bor" }

[columns.products_images]
type = "coverage:products"
title = { en = "with images", ru = "с изображениями", uz = "rasmlari bor" }

[columns.products_rating]
type = "coverage:products"
title = { en = "with a rating", ru = "с рейтингом", uz = "reytingi bor" }

[columns.offers]
type = "count"

[columns.offers_seller]
type = "coverage:offers"
title = { en = "with a seller", ru = "с продавцом", uz = "sotuvchisi bor" }

[columns.offers_currency]
type = "coverage:offers"
title = { en = "with a currency", ru = "с валютой", uz = "valyutasi bor" }

[columns.offers_availability]
type = "coverage:offers"
title = { en = "with availability", ru = "с наличием", uz = "mavjudligi maʼlum" }

[columns.offers_stock]
type = "coverage:offers"
title = { en = "with stock", ru = "с остатком", uz = "qoldigʻi maʼlum" }

[columns.offers_delivery]
type = "coverage:offers"
title = { en = "with delivery time", ru = "со сроком доставки", uz = "yetkazish muddati bor" }

[columns.offers_barcode]
type = "coverage:offers"
title = { en = "with a barcode", ru = "со штрихкодом", uz = "shtrix-kodi bor" }

[chart]
kind = "line"
x = "day"
y = "rejected_percent"
series = "platform"
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

runs AS (
    SELECT
        r.platform,
        (r.started_at AT TIME ZONE 'Asia/Tashkent')::date AS day,
        count(*) AS runs,
        count(*) FILTER (WHERE r.status IN ('failed', 'held')) AS unsuccessful_runs,
        sum(r.read_count)::bigint AS read_records,
        sum(r.rejected_count)::bigint AS rejected,
        sum(r.held_count)::bigint AS held,
        max(r.newest_observed_at) AS newest_observed_at
    FROM period
    INNER JOIN ecommerce_load_runs AS r
        ON period.since <= r.started_at AND r.started_at < period.until
    GROUP BY r.platform, day
),

quarantine AS (
    SELECT
        q.platform,
        (q.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date AS day,
        count(*) AS quarantined
    FROM period
    INNER JOIN ecommerce_quarantine AS q
        ON period.since <= q.last_seen_at AND q.last_seen_at < period.until
    GROUP BY q.platform, day
),

covered AS (
    SELECT r.*
    FROM ecommerce_rollup_coverage AS r
    WHERE r.day >= %(since)s::date AND r.day <= %(until)s::date
)

SELECT
    platform,
    day,
    coalesce(r.runs, 0) AS runs,
    coalesce(r.unsuccessful_runs, 0) AS unsuccessful_runs,
    coalesce(r.read_records, 0) AS read_records,
    coalesce(r.rejected, 0) AS rejected,
    round(100.0 * r.rejected / nullif(r.read_records, 0), 2) AS rejected_percent,
    coalesce(r.held, 0) AS held,
    coalesce(q.quarantined, 0) AS quarantined,
    r.newest_observed_at,
    coalesce(c.products, 0) AS products,
    coalesce(c.products_title, 0) AS products_title,
    coalesce(c.products_category, 0) AS products_category,
    coalesce(c.products_brand, 0) AS products_brand,
    coalesce(c.products_images, 0) AS products_images,
    coalesce(c.products_rating, 0) AS products_rating,
    coalesce(c.offers, 0) AS offers,
    coalesce(c.offers_seller, 0) AS offers_seller,
    coalesce(c.offers_currency, 0) AS offers_currency,
    coalesce(c.offers_availability, 0) AS offers_availability,
    coalesce(c.offers_stock, 0) AS offers_stock,
    coalesce(c.offers_delivery, 0) AS offers_delivery,
    coalesce(c.offers_barcode, 0) AS offers_barcode
FROM runs AS r
FULL JOIN quarantine AS q USING (platform, day)
FULL JOIN covered AS c USING (platform, day)
WHERE %(platform)s::text IS NULL OR platform = %(platform)s
ORDER BY day DESC, platform
