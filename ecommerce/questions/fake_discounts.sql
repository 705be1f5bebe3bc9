/*
group = "prices"
has_history = true

[title]
en = "Doubtful discounts"
ru = "Сомнительные скидки"
uz = "Shubhali chegirmalar"

[description]
en = "Current offers whose old price was never charged, or was charged for at most 30 days after a price that was lower by 5 % or more: in the 90 days before the discount began and since then. A price within 1 % of the old price counts as the old price. The discount from the lowest price of the 30 days before is also shown, unless the history is shorter. Outliers are omitted. The offer may have been sold at the old price elsewhere, or before the history begins."
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
WITH discounted AS (
    SELECT
        o.*,
        p.title AS product,
        p.url
    FROM ecommerce_offers AS o
    INNER JOIN ecommerce_products AS p ON o.product_id = p.id
    LEFT JOIN ecommerce_categories AS c ON p.category_id = c.id
    WHERE
        o.discount_percent >= %(least_percent)s
        AND o.is_available IS NOT FALSE
        AND o.scraped_at >= %(seen_since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent'
        AND (%(platform)s::text IS NULL OR o.platform = %(platform)s)
        AND (
            %(seller)s::text IS NULL
            OR o.seller_id = (
                SELECT s.id FROM ecommerce_sellers AS s
                WHERE
                    s.platform = %(seller_platform)s
                    AND s.external_id = %(seller_external_id)s
            )
        )
        AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
),

judged AS (
    SELECT
        o.*,
        e.*,
        extract(
            day FROM o.scraped_at - greatest(e.first_at, e.began_at - interval '90 days')
        )::integer AS days_known
    FROM discounted AS o
    CROSS JOIN LATERAL (
        -- Each price in the offer's currency, and the time at which the next price took its place.
        WITH prices AS (
            SELECT *
            FROM (
                SELECT
                    h.price,
                    h.currency,
                    (h.old_price > h.price AND h.currency IS NOT DISTINCT FROM o.currency) IS TRUE
                        AS is_discounted,
                    h.price >= 0.99 * o.old_price AS is_old_price,
                    h.recorded_at AS begins,
                    lead(h.recorded_at, 1, o.scraped_at) OVER in_time AS ends,
                    CASE
                        WHEN lag(h.currency) OVER in_time IS NOT DISTINCT FROM o.currency
                        THEN lag(h.price) OVER in_time
                    END AS price_before
                FROM ecommerce_price_history AS h
                WHERE h.offer_id = o.id AND h.is_outlier IS NOT TRUE
                WINDOW in_time AS (ORDER BY h.recorded_at)
            ) AS p
        ),

        -- The discount began after the last price without one.
        discount AS (
            SELECT min(p.begins) AS began_at
            FROM prices AS p
            WHERE
                p.begins > coalesce(
                    (SELECT max(n.begins) FROM prices AS n WHERE NOT n.is_discounted), '-infinity'
                )
        ),

        evidence AS (
            SELECT
                d.began_at,
                min(p.begins) AS first_at,
                max(p.price) FILTER (WHERE p.ends > d.began_at - interval '90 days')
                    AS highest_price,
                min(p.begins) FILTER (
                    WHERE p.is_old_price AND p.ends > d.began_at - interval '90 days'
                ) AS charged_at,
                coalesce(
                    sum(
                        extract(
                            epoch FROM p.ends
                            - greatest(p.begins, d.began_at - interval '90 days')
                        )
                    ) FILTER (
                        WHERE p.is_old_price AND p.ends > d.began_at - interval '90 days'
                    ),
                    0
                ) / 86400 AS days_at_old_price,
                min(p.price) FILTER (
                    WHERE p.begins < d.began_at AND p.ends > d.began_at - interval '30 days'
                ) AS lowest_before
            FROM discount AS d
            CROSS JOIN prices AS p
            WHERE d.began_at IS NOT NULL AND p.currency IS NOT DISTINCT FROM o.currency
            GROUP BY d.began_at
        )

        SELECT
            e.began_at,
            e.first_at,
            e.highest_price,
            e.charged_at,
            e.days_at_old_price,
            CASE WHEN e.first_at <= e.began_at - interval '30 days' THEN e.lowest_before END
                AS lowest_before,
            p.begins AS raised_at,
            p.price_before AS raised_from
        FROM evidence AS e
        LEFT JOIN prices AS p
            ON
                e.charged_at = p.begins
                AND e.charged_at > e.began_at - interval '90 days'
                AND p.price_before <= 0.95 * o.old_price
    ) AS e
)

SELECT
    j.platform,
    j.product,
    j.product_id,
    j.platform || ':' || j.external_id AS offer,
    s.name AS seller,
    s.id AS seller_id,
    j.price,
    j.old_price,
    j.currency,
    j.discount_percent AS advertised_percent,
    round(100 * (j.lowest_before - j.price) / nullif(j.lowest_before, 0), 2) AS real_percent,
    CASE WHEN j.charged_at IS NULL THEN 'never charged' ELSE 'raised shortly before' END AS reason,
    j.began_at,
    j.highest_price,
    j.lowest_before,
    round(j.days_at_old_price, 1) AS days_at_old_price,
    j.days_known,
    j.raised_at,
    j.raised_from,
    j.url
FROM judged AS j
LEFT JOIN ecommerce_sellers AS s ON j.seller_id = s.id
WHERE
    j.days_known >= %(least_days)s
    AND (j.charged_at IS NULL OR (j.raised_at IS NOT NULL AND j.days_at_old_price <= 30))
ORDER BY j.discount_percent DESC, j.id
