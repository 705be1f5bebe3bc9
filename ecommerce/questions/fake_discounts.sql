/*
group = "prices"
has_history = true

[title]
en = "Doubtful discounts"
ru = "Сомнительные скидки"
uz = "Shubhali chegirmalar"

[description]
en = "Current offers whose old price, in the 90 days before the discount began and since then, was never charged, or was charged for at most 30 days after it was raised from a price that was at least 5 % lower. A price within 1 % of the old price counts as the old price. The discount from the lowest price of the 30 days before is also shown, unless the history is shorter. Outliers are omitted. The offer may have been sold at the old price elsewhere, or before the history begins."
ru = "Действующие предложения, по старой цене которых никогда не продавали или продавали не более 30 дней после цены ниже на 5 % и более: за 90 дней до начала скидки и после него. Цена в пределах 1 % от старой считается старой. Рядом — скидка от самой низкой цены за 30 дней до начала, если история достаточно длинна. Выбросы не учитываются. По старой цене могли продавать в другом месте или до начала истории."
uz = "Eski narxida hech qachon sotilmagan yoki 5 % yoki undan koʻproq past narxdan keyin koʻpi bilan 30 kun sotilgan joriy takliflar: chegirma boshlanishidan oldingi 90 kunda va undan keyin. Eski narxdan 1 % gacha farq qiladigan narx eski narx hisoblanadi. Yonida oldingi 30 kundagi eng past narxga nisbatan chegirma turadi, agar tarix yetarlicha uzun boʻlsa. Shubhali narxlar hisobga olinmaydi. Eski narxda boshqa joyda yoki tarix boshlanishidan oldin sotilgan boʻlishi mumkin."

[parameters.platform]
type = "platform"

[parameters.category]
type = "category"

[parameters.seller]
type = "seller"

[parameters.least_percent]
type = "number"
default = "10"
minimum = 2
maximum = 100
required = true
title = { en = "minimum advertised discount, %", ru = "объявленная скидка не менее", uz = "eʼlon qilingan chegirma kamida" }

[parameters.least_days]
type = "number"
default = "30"
minimum = 1
required = true
title = { en = "minimum days of history", ru = "дней истории не менее", uz = "tarix kunlari kamida" }

[parameters.seen_since]
type = "date"
default = "-30d"
required = true
title = { en = "last seen since", ru = "наблюдалось с", uz = "qachondan beri koʻrilgan" }

[columns.product]
link = "ecommerce.product:product_id"

[columns.seller]
link = "ecommerce.seller:seller_id"

[columns.price]
link = "price_history?offer={offer}&since=-365d"
type = "money:currency"

[columns.old_price]
type = "money:currency"

[columns.advertised_percent]
type = "percent"
title = { en = "advertised discount", ru = "объявленная скидка", uz = "eʼlon qilingan chegirma" }

[columns.real_percent]
type = "percent"
title = { en = "discount from the lowest price in 30 days before", ru = "скидка от минимума за 30 дней до", uz = "oldingi 30 kundagi eng past narxga nisbatan chegirma" }

[columns.reason]
title = { en = "reason", ru = "причина", uz = "sabab" }

[columns.began_at]
type = "time"
title = { en = "discounted since", ru = "скидка с", uz = "chegirma boshi" }

[columns.highest_price]
type = "money:currency"
title = { en = "highest price charged", ru = "самая высокая цена", uz = "eng baland sotilgan narx" }

[columns.lowest_before]
type = "money:currency"
title = { en = "lowest price in 30 days before", ru = "минимум за 30 дней до", uz = "oldingi 30 kundagi eng past" }

[columns.days_at_old_price]
type = "days"
title = { en = "days at the old price", ru = "дней по старой цене", uz = "eski narxdagi kunlar" }

[columns.days_known]
type = "days"
title = { en = "days of history", ru = "дней истории", uz = "tarix kunlari" }

[columns.raised_at]
type = "time"
title = { en = "raised at", ru = "повышена", uz = "koʻtarilgan vaqti" }

[columns.raised_from]
type = "money:currency"
title = { en = "raised from", ru = "повышена с", uz = "qaysi narxdan koʻtarilgan" }

[columns.url]
type = "link"

*/
WITH found AS (
    SELECT r.*
    FROM ecommerce_rollup_doubtful_discounts AS r
    LEFT JOIN ecommerce_categories AS c ON r.category_id = c.id
    WHERE
        r.discount_percent >= %(least_percent)s
        AND r.days_known >= %(least_days)s
        AND r.scraped_at >= %(seen_since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent'
        AND (%(platform)s::text IS NULL OR r.platform = %(platform)s)
        AND (
            %(seller)s::text IS NULL
            OR r.seller_id = (
                SELECT s.id FROM ecommerce_sellers AS s
                WHERE
                    s.platform = %(seller_platform)s
                    AND s.external_id = %(seller_external_id)s
            )
        )
        AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
)

SELECT
    f.platform,
    p.title AS product,
    f.product_id,
    f.platform || ':' || o.external_id AS offer,
    s.name AS seller,
    f.seller_id,
    f.price,
    f.old_price,
    f.currency,
    f.discount_percent AS advertised_percent,
    round(100 * (f.lowest_before - f.price) / nullif(f.lowest_before, 0), 2) AS real_percent,
    CASE WHEN f.charged_at IS NULL THEN 'never charged' ELSE 'raised shortly before' END AS reason,
    f.began_at,
    f.highest_price,
    f.lowest_before,
    round(f.days_at_old_price, 1) AS days_at_old_price,
    f.days_known,
    f.raised_at,
    f.raised_from,
    p.url
FROM found AS f
INNER JOIN ecommerce_offers AS o ON f.offer_id = o.id
INNER JOIN ecommerce_products AS p ON f.product_id = p.id
LEFT JOIN ecommerce_sellers AS s ON f.seller_id = s.id
ORDER BY f.discount_percent DESC, f.offer_id DESC
