/*
group = "savings"

[title]
en = "Savings in procurement"
ru = "Экономия"
uz = "Tejamkorlik"

[description]
en = "How much lower deals are than the start cost, by category, region, customer, month or lot type: as a share weighted by start cost, and as the median of the lots. Only completed lots with both costs above zero, and with an exchange rate for the day of the deal, are used."
ru = "Насколько сделки ниже стартовой стоимости: по категориям, регионам, заказчикам, месяцам или видам лотов, с весом по стартовой стоимости и медианой по лотам. Учитываются только завершённые лоты, у которых обе стоимости больше нуля и есть курс на день сделки."
uz = "Bitimlar boshlangʻich qiymatdan qanchalik past: turkum, hudud, buyurtmachi, oy yoki lot turi boʻyicha, boshlangʻich qiymat vaznida va lotlar medianasi. Faqat ikkala qiymati noldan katta va bitim kunida kursi bor yakunlangan lotlar hisobga olinadi."

[parameters.by]
type = "choice"
choices = ["category", "region", "customer", "month", "lot_type"]
default = "category"
required = true

[parameters.since]
type = "date"
default = "-1y"

[parameters.until]
type = "date"

[parameters.platform]
type = "platform"

[parameters.customer]
type = "organization"

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.name]
link = "procurement.organization:customer_id"
title = { en = "group", ru = "группа", uz = "guruh" }

[columns.budget]
type = "money:currency"
title = { en = "start costs", ru = "стартовая стоимость", uz = "boshlangʻich qiymat" }

[columns.spent]
type = "money:currency"
title = { en = "deals", ru = "сумма сделок", uz = "bitimlar summasi" }

[columns.saved]
type = "money:currency"

[columns.saved_percent]
type = "percent"
title = { en = "weighted saving", ru = "экономия с весом по стартовой стоимости", uz = "tejalgan, boshlangʻich qiymat vaznida" }

[columns.median_percent]
type = "percent"
title = { en = "median saving", ru = "экономия, медиана лотов", uz = "tejalgan, lotlar medianasi" }

[columns.n_used]
type = "coverage:lots"
title = { en = "lots used", ru = "учтённые лоты", uz = "hisobga olingan lotlar" }

[chart]
kind = "bar"
x = "name"
y = "saved_percent"

[[panels]]
page = "overview"
columns = ["name", "saved", "saved_percent"]
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

-- Whether the rollup has what is asked for.
asked AS (
    SELECT
        coalesce(
            (SELECT r.since FROM procurement_rollup_markets AS r LIMIT 1) = %(since)s::date
            AND %(until)s::date IS NULL
            AND %(platform)s::text IS NULL
            AND %(customer)s::text IS NULL
            AND %(currency)s::text = 'UZS',
            false
        ) AS is_in_rollup
),

deals AS (
    SELECT
        CASE %(by)s
            WHEN 'category' THEN l.category_name
            WHEN 'region' THEN coalesce(l.region, c.region)
            WHEN 'customer' THEN coalesce(c.inn, c.platform || ':' || c.external_id)
            WHEN 'month' THEN to_char(l.deal_date AT TIME ZONE 'Asia/Tashkent', 'YYYY-MM')
            WHEN 'lot_type' THEN l.lot_type
        END AS key,
        CASE WHEN %(by)s = 'customer' THEN c.id END AS customer_id,
        CASE WHEN %(by)s = 'customer' THEN c.name END AS customer,
        l.currency,
        (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date AS day,
        -- NULL unless both costs are above zero.
        CASE WHEN l.start_cost > 0 AND l.deal_cost > 0 THEN l.start_cost END AS start_cost,
        CASE WHEN l.start_cost > 0 AND l.deal_cost > 0 THEN l.deal_cost END AS deal_cost
    FROM procurement_lots AS l
    CROSS JOIN period
    LEFT JOIN procurement_organizations AS c ON l.customer_id = c.id
    WHERE
        NOT (SELECT is_in_rollup FROM asked)
        AND l.status = 'completed'
        AND (period.since IS NULL OR l.deal_date >= period.since)
        AND (period.until IS NULL OR l.deal_date < period.until)
        AND (%(platform)s::text IS NULL OR l.platform = %(platform)s)
        AND (
            %(customer)s::text IS NULL
            OR l.customer_id = (
                SELECT o.id FROM procurement_organizations AS o
                WHERE
                    o.platform = %(customer_platform)s
                    AND o.external_id = %(customer_external_id)s
            )
        )
),

costs AS (
    SELECT
        key,
        customer_id,
        customer,
        procurement_convert(start_cost, currency, %(currency)s, day) AS budget,
        procurement_convert(deal_cost, currency, %(currency)s, day) AS spent,
        100 * (start_cost - deal_cost) / start_cost AS saved_percent
    FROM deals
),

savings AS (
    SELECT
        key,
        min(customer_id) AS customer_id,
        max(customer) AS customer,
        count(*) AS lots,
        count(spent) AS n_used,
        sum(budget) AS budget,
        sum(spent) AS spent,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY saved_percent)
            FILTER (WHERE spent IS NOT NULL) AS median_percent
    FROM costs
    GROUP BY key
    UNION ALL
    SELECT
        key,
        customer_id,
        customer,
        lots,
        n_spent AS n_used,
        budget,
        spent,
        median_percent
    FROM procurement_rollup_markets
    WHERE (SELECT is_in_rollup FROM asked) AND by = %(by)s
)

SELECT
    coalesce(customer, key) AS name,
    customer_id,
    budget,
    spent,
    budget - spent AS saved,
    %(currency)s::text AS currency,
    round(100 * (budget - spent) / nullif(budget, 0), 2) AS saved_percent,
    round(median_percent::numeric, 2) AS median_percent,
    n_used,
    lots
FROM savings
ORDER BY
    CASE WHEN %(by)s = 'month' THEN key END,
    saved DESC NULLS LAST,
    lots DESC,
    key COLLATE "C"
