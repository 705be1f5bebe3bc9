/*
group = "relations"

[title]
en = "An organization"
ru = "Организация"
uz = "Tashkilot"

[description]
en = "The purchases and sales of an organization in completed lots, by counterparty, largest amounts first. Without an organization, the customer with the largest amounts is shown. The trend compares the last 90 days of the period with the 90 days before; it is not computed for a period of less than 180 days. Lots without an amount, or without an exchange rate for their day, are counted as lots but not in amounts."
ru = "Что организация купила и продала в завершённых лотах и у кого или кому, сначала крупнейшие суммы. Если организация не указана, показан заказчик с наибольшей суммой. Тренд сравнивает последние 90 дней периода с предыдущими 90 днями; для периода короче 180 дней он не вычисляется. Лоты без суммы или без курса на их день входят в число лотов, но не в суммы."
uz = "Tashkilot yakunlangan lotlarda nima sotib olgani va sotgani, kimdan va kimga, avval eng katta summalar. Tashkilot koʻrsatilmasa, summasi eng katta buyurtmachi koʻrsatiladi. Trend davrning oxirgi 90 kunini undan oldingi 90 kun bilan solishtiradi; 180 kundan qisqa davr uchun hisoblanmaydi. Summasi yoki kuni kursi boʻlmagan lotlar lotlar soniga kiradi, lekin summaga kirmaydi."

[parameters.organization]
type = "organization"

[parameters.since]
type = "date"
default = "-1y"

[parameters.until]
type = "date"
default = "today"
required = true

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.organization]
link = "procurement.organization:organization_id"
title = { en = "organization", ru = "организация", uz = "tashkilot" }

[columns.role]
title = { en = "role", ru = "роль", uz = "rol" }

[columns.partner]
link = "procurement.organization:partner_id"
title = { en = "counterparty", ru = "у кого или кому", uz = "kimdan yoki kimga" }

[columns.partner_inn]
title = { en = "counterparty's tax number", ru = "его ИНН", uz = "uning STIRi" }

[columns.amount]
type = "money:currency"

[columns.share_percent]
type = "percent"
title = { en = "share of its amounts", ru = "доля в купленном или проданном", uz = "sotib olingan yoki sotilgandagi ulush" }

[columns.saved]
type = "money:currency"

[columns.saved_percent]
type = "percent"
title = { en = "share saved", ru = "доля экономии", uz = "tejalgan ulush" }

[columns.recent_amount]
type = "money:currency"
title = { en = "last 90 days", ru = "последние 90 дней", uz = "oxirgi 90 kun" }

[columns.previous_amount]
type = "money:currency"
title = { en = "previous 90 days", ru = "предыдущие 90 дней", uz = "undan oldingi 90 kun" }

[columns.trend_percent]
type = "percent"
title = { en = "trend", ru = "тренд", uz = "trend" }

[columns.first_deal]
type = "date"
title = { en = "first deal", ru = "первая сделка", uz = "birinchi bitim" }

[columns.last_deal]
type = "date"
title = { en = "last deal", ru = "последняя сделка", uz = "oxirgi bitim" }

[columns.n_saved]
type = "coverage:lots"
title = { en = "lots with both costs", ru = "лоты с обеими стоимостями", uz = "ikkala qiymati bor lotlar" }

[columns.n_used]
type = "coverage:lots"
title = { en = "lots with an amount", ru = "лоты с суммой", uz = "summasi bor lotlar" }

[chart]
kind = "bar"
x = "partner"
y = "amount"

[[panels]]
page = "procurement.organization"
parameters = { organization = "{platform}:{external_id}" }
columns = ["role", "partner", "amount", "share_percent", "saved_percent", "trend_percent", "lots"]
limit = 10
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until,
        -- The first days of the windows that the trend compares.
        %(until)s::date - 89 AS recent_day,
        %(until)s::date - 179 AS previous_day
),

-- Whether the rollup has the period, and the largest customer of it.
asked AS (
    SELECT
        coalesce(
            (SELECT r.since FROM procurement_rollup_pairs AS r LIMIT 1) = %(since)s::date
            AND %(currency)s::text = 'UZS'
            AND r.customer_amount IS NOT NULL
            AND (SELECT max(l.deal_date) FROM procurement_lots AS l)
            < (SELECT p.until FROM period AS p),
            false
        ) AS is_in_rollup,
        r.customer_amount
    FROM (SELECT max(customer_amount) AS customer_amount FROM procurement_rollup_pairs) AS r
),

largest AS (
    (
        SELECT customer_id
        FROM procurement_rollup_pairs
        WHERE
            %(organization)s::text IS NULL
            AND (SELECT is_in_rollup FROM asked)
            AND customer_amount = (SELECT customer_amount FROM asked)
        GROUP BY customer_id
        ORDER BY sum(lots) DESC, customer_id
        LIMIT 1
    )
    UNION ALL
    (
        SELECT l.customer_id
        FROM procurement_lots AS l
        CROSS JOIN period
        WHERE
            %(organization)s::text IS NULL
            AND NOT (SELECT is_in_rollup FROM asked)
            AND l.status = 'completed'
            AND l.customer_id IS NOT NULL
            AND (period.since IS NULL OR l.deal_date >= period.since)
            AND l.deal_date < period.until
        GROUP BY l.customer_id
        ORDER BY
            sum(
                procurement_convert(
                    l.deal_cost,
                    l.currency,
                    %(currency)s,
                    (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date
                )
            ) DESC NULLS LAST,
            count(*) DESC,
            l.customer_id
        LIMIT 1
    )
),

subject AS (
    SELECT o.id
    FROM procurement_organizations AS o
    WHERE
        o.platform = %(organization_platform)s
        AND o.external_id = %(organization_external_id)s
    UNION ALL
    SELECT customer_id AS id FROM largest
),

lots AS (
    SELECT
        'bought' AS role,
        provider_id AS partner_id,
        status,
        deal_date,
        start_cost,
        deal_cost,
        currency
    FROM procurement_lots
    WHERE customer_id = (SELECT id FROM subject)
    UNION ALL
    SELECT
        'sold' AS role,
        customer_id AS partner_id,
        status,
        deal_date,
        start_cost,
        deal_cost,
        currency
    FROM procurement_lots
    WHERE provider_id = (SELECT id FROM subject)
),

deals AS (
    SELECT
        l.role,
        l.partner_id,
        d.day,
        procurement_convert(l.deal_cost, l.currency, %(currency)s, d.day) AS amount,
        -- NULL unless both costs are above zero.
        CASE
            WHEN l.start_cost > 0 AND l.deal_cost > 0
                THEN procurement_convert(l.start_cost, l.currency, %(currency)s, d.day)
        END AS budget
    FROM lots AS l
    CROSS JOIN period
    CROSS JOIN LATERAL (SELECT (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date AS day) AS d
    WHERE
        l.status = 'completed'
        AND (period.since IS NULL OR l.deal_date >= period.since)
        AND l.deal_date < period.until
),

dated AS (
    SELECT
        d.*,
        d.day >= p.recent_day AS is_recent,
        d.day >= p.previous_day AND d.day < p.recent_day AS is_previous,
        %(since)s::date IS NULL OR %(since)s <= p.previous_day AS has_trend
    FROM deals AS d
    CROSS JOIN period AS p
),

partners AS (
    SELECT
        d.role,
        d.partner_id,
        count(*) AS lots,
        count(d.amount) AS n_used,
        count(d.budget) AS n_saved,
        sum(d.amount) AS amount,
        sum(d.budget) AS budget,
        sum(d.budget - d.amount) AS saved,
        -- 0 if there were no lots, NULL if no amount is known.
        CASE
            WHEN NOT d.has_trend THEN NULL
            WHEN bool_or(d.is_recent) THEN sum(d.amount) FILTER (WHERE d.is_recent)
            ELSE 0
        END AS recent_amount,
        CASE
            WHEN NOT d.has_trend THEN NULL
            WHEN bool_or(d.is_previous) THEN sum(d.amount) FILTER (WHERE d.is_previous)
            ELSE 0
        END AS previous_amount,
        min(d.day) AS first_deal,
        max(d.day) AS last_deal
    FROM dated AS d
    GROUP BY d.role, d.partner_id, d.has_trend
)

SELECT
    o.name AS organization,
    o.id AS organization_id,
    p.role,
    c.name AS partner,
    p.partner_id,
    c.inn AS partner_inn,
    p.amount,
    %(currency)s::text AS currency,
    round(
        100 * p.amount / nullif(sum(p.amount) OVER (PARTITION BY p.role), 0), 2
    ) AS share_percent,
    p.saved,
    round(100 * p.saved / nullif(p.budget, 0), 2) AS saved_percent,
    p.recent_amount,
    p.previous_amount,
    round(
        100 * (p.recent_amount - p.previous_amount) / nullif(p.previous_amount, 0), 2
    ) AS trend_percent,
    p.first_deal,
    p.last_deal,
    p.n_saved,
    p.n_used,
    p.lots
FROM partners AS p
INNER JOIN procurement_organizations AS o ON o.id = (SELECT id FROM subject)
LEFT JOIN procurement_organizations AS c ON p.partner_id = c.id
ORDER BY p.role, p.amount DESC NULLS LAST, p.lots DESC, p.partner_id
