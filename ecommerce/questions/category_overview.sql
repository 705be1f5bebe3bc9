/*
group = "market"
has_history = true

[title]
en = "Categories at a glance"
ru = "Обзор категорий"
uz = "Turkumlar sharhi"

[description]
en = "The subcategories of a category, or the top categories, by platform: the offers that are not sold out, their products and sellers, quartiles of their prices in one currency, the share with a discount, and the trend: the median price change in the last 30 days, for the offers that had a price in the same currency before. Quartiles are computed in so'm, at the rate of the day of each observation, and converted at the newest rate. They omit prices that could not be converted."
ru = "Подкатегории категории или категории верхнего уровня по площадкам: предложения в наличии, их товары и продавцы, квартили цен в одной валюте, доля со скидкой и тренд — медиана изменения цены за последние 30 дней по предложениям, у которых до этого была цена в той же валюте. Квартили считаются в сумах по курсу дня наблюдения и пересчитываются по последнему курсу. Цены, которые не удалось пересчитать, в них не входят."
uz = "Turkumning quyi turkumlari yoki yuqori darajadagi turkumlar platformalar boʻyicha: sotuvdagi takliflar, ularning mahsulotlari va sotuvchilari, bir valyutadagi narxlar kvartillari, chegirmalilar ulushi va trend — oxirgi 30 kunda narx oʻzgarishi medianasi (avval shu valyutada narxi boʻlgan takliflar boʻyicha). Kvartillar kuzatilgan kun kursi boʻyicha soʻmda hisoblanadi va oxirgi kurs boʻyicha oʻgiriladi. Hisoblab boʻlmagan narxlar ularga kirmaydi."

[parameters.category]
type = "category"

[parameters.platform]
type = "platform"

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
WITH state AS (
    SELECT (r.computed_at AT TIME ZONE 'Asia/Tashkent')::date AS day
    FROM ecommerce_rollups AS r
    WHERE r.name = 'categories'
)

SELECT
    r.category,
    r.platform,
    r.products,
    r.offers,
    r.sellers,
    ecommerce_convert(r.quartile_1, 'UZS', %(currency)s, state.day) AS quartile_1,
    ecommerce_convert(r.median, 'UZS', %(currency)s, state.day) AS median,
    ecommerce_convert(r.quartile_3, 'UZS', %(currency)s, state.day) AS quartile_3,
    %(currency)s::text AS currency,
    r.n_used,
    round(100.0 * r.discounted / r.offers, 2) AS discounted_percent,
    r.change_percent,
    r.n_compared
FROM state
CROSS JOIN ecommerce_rollup_categories AS r
WHERE
    r.within IS NOT DISTINCT FROM %(category)s
    AND (%(platform)s::text IS NULL OR r.platform = %(platform)s)
ORDER BY r.offers DESC, r.category NULLS LAST, r.platform
