/*
group = "market"
has_history = true

[title]
en = "Categories at a glance"
ru = "Обзор категорий"
uz = "Turkumlar sharhi"

[description]
en = "The subcategories of a category, or the top categories, by platform: the offers that are not sold out, their products and sellers, quartiles of their prices in one currency, the share with a discount, and the trend: the median price change since a day, for the offers that had a price in the same currency on that day. The quartiles omit prices that could not be converted."
ru = "Подкатегории категории или категории верхнего уровня по площадкам: предложения в наличии, их товары и продавцы, квартили цен в одной валюте, доля со скидкой и тренд — медиана изменения цены с указанного дня по предложениям, у которых в тот день была цена в той же валюте. Цены, которые не удалось пересчитать, в квартили не входят."
uz = "Turkumning quyi turkumlari yoki yuqori darajadagi turkumlar platformalar boʻyicha: sotuvdagi takliflar, ularning mahsulotlari va sotuvchilari, bir valyutadagi narxlar kvartillari, chegirmalilar ulushi va trend — koʻrsatilgan kundan beri narx oʻzgarishi medianasi (oʻsha kuni shu valyutada narxi boʻlgan takliflar boʻyicha). Hisoblab boʻlmagan narxlar kvartillarga kirmaydi."

[parameters.category]
type = "category"

[parameters.platform]
type = "platform"

[parameters.since]
type = "date"
default = "-30d"
required = true
title = { en = "trend since", ru = "тренд с", uz = "trend boshi" }

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.products]
type = "count"

[columns.offers]
type = "count"

[columns.sellers]
type = "count"
title = { en = "sellers", ru = "продавцы", uz = "sotuvchilar" }

[columns.quartile_1]
type = "money:currency"
title = { en = "lower quartile", ru = "нижний квартиль", uz = "quyi kvartil" }

[columns.median]
type = "money:currency"

[columns.quartile_3]
type = "money:currency"
title = { en = "upper quartile", ru = "верхний квартиль", uz = "yuqori kvartil" }

[columns.n_used]
type = "coverage:offers"
title = { en = "offers with a converted price", ru = "предложения с такой ценой", uz = "shunday narxi bor takliflar" }

[columns.discounted_percent]
link = "fake_discounts?category={category}&platform={platform}"
type = "percent"
title = { en = "with a discount", ru = "со скидкой", uz = "chegirmali" }

[columns.change_percent]
link = "price_drops?category={category}&platform={platform}&since=-30d"
type = "percent"
title = { en = "median price change", ru = "медиана изменения цены", uz = "narx oʻzgarishi medianasi" }

[columns.n_compared]
type = "coverage:offers"
title = { en = "offers with a trend", ru = "предложения в тренде", uz = "trenddagi takliflar" }

[columns.category]
title = { en = "category", ru = "категория", uz = "turkum" }
link = "category_overview?category={category}"

[chart]
kind = "bar"
x = "category"
y = "median"
series = "platform"
*/
WITH categories AS (
    SELECT
        c.id,
        -- The path of the category, cut after the level below the asked one.
        CASE
            WHEN %(category)s::text IS NULL THEN split_part(coalesce(c.path_names, c.name), ' > ', 1)
            WHEN left(c.path_names || ' > ', length(%(category)s) + 3) = %(category)s || ' > '
                THEN array_to_string(
                    (string_to_array(c.path_names, ' > '))
                    [:cardinality(string_to_array(%(category)s, ' > ')) + 1],
                    ' > '
                )
            ELSE coalesce(c.path_names, c.name)
        END AS category
    FROM ecommerce_categories AS c
    WHERE ecommerce_is_in_category(c.path_names, c.name, %(category)s)
),

offers AS (
    SELECT
        c.category,
        o.id,
        o.platform,
        o.product_id,
        o.seller_id,
        o.price,
        o.currency,
        o.discount_percent,
        ecommerce_convert(
            o.price, o.currency, %(currency)s, (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date
        ) AS converted_price
    FROM ecommerce_offers AS o
    INNER JOIN ecommerce_products AS p ON o.product_id = p.id
    LEFT JOIN categories AS c ON p.category_id = c.id
    WHERE
        o.is_available IS NOT FALSE
        AND (%(platform)s::text IS NULL OR o.platform = %(platform)s)
        AND (%(category)s::text IS NULL OR c.id IS NOT NULL)
),

compared AS (
    SELECT
        o.*,
        100 * (o.price - h.price) / nullif(h.price, 0) AS change_percent
    FROM offers AS o
    LEFT JOIN LATERAL (
        -- The price in effect when the day begins.
        SELECT h.price, h.currency
        FROM ecommerce_price_history AS h
        WHERE
            h.offer_id = o.id
            AND h.recorded_at <= %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent'
            AND h.is_outlier IS NOT TRUE
        ORDER BY h.recorded_at DESC
        LIMIT 1
    ) AS h ON h.currency IS NOT DISTINCT FROM o.currency
)

SELECT
    c.category,
    c.platform,
    count(DISTINCT c.product_id) AS products,
    count(*) AS offers,
    nullif(count(DISTINCT c.seller_id), 0) AS sellers,
    round((percentile_cont(0.25) WITHIN GROUP (ORDER BY c.converted_price))::numeric, 2)
        AS quartile_1,
    round((percentile_cont(0.5) WITHIN GROUP (ORDER BY c.converted_price))::numeric, 2) AS median,
    round((percentile_cont(0.75) WITHIN GROUP (ORDER BY c.converted_price))::numeric, 2)
        AS quartile_3,
    %(currency)s::text AS currency,
    count(c.converted_price) AS n_used,
    round(100.0 * count(*) FILTER (WHERE c.discount_percent > 0) / count(*), 2)
        AS discounted_percent,
    round((percentile_cont(0.5) WITHIN GROUP (ORDER BY c.change_percent))::numeric, 2)
        AS change_percent,
    count(c.change_percent) AS n_compared
FROM compared AS c
GROUP BY c.category, c.platform
ORDER BY offers DESC, c.category NULLS LAST, c.platform
