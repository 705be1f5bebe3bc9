/*
group = "relations"
shown = ["customer", "supplier", "lots", "amount", "share_percent", "n_used"]

[title]
en = "Who buys from whom"
ru = "Кто у кого покупает"
uz = "Kim kimdan xarid qiladi"

[description]
en = "Customers and the suppliers that they buy from, largest amounts first. Deals without an amount, or without an exchange rate for their day, are counted as lots but not in amounts. The share refers to all amounts of the customer, including those of unknown suppliers."
ru = "Заказчики и их поставщики, сначала крупнейшие суммы. Сделки без суммы или без курса на их день входят в число лотов, но не в суммы. Доля считается от всех сумм заказчика, включая сделки с неизвестным поставщиком."
uz = "Buyurtmachilar va ularning yetkazib beruvchilari, avval eng katta summalar. Summasi yoki kuni kursi boʻlmagan bitimlar lotlar soniga kiradi, lekin summaga kirmaydi. Ulush buyurtmachining barcha summalaridan, jumladan yetkazib beruvchisi nomaʼlum bitimlardan hisoblanadi."

[parameters.since]
type = "date"
default = "-1y"

[parameters.until]
type = "date"

[parameters.platform]
type = "platform"

[parameters.customer]
type = "organization"

[parameters.supplier]
type = "organization"

[parameters.currency]
type = "currency"
default = "UZS"

[columns.customer]
link = "procurement.organization:customer_id"

[columns.customer_inn]
title = { en = "customer's tax number", ru = "ИНН заказчика", uz = "buyurtmachi STIR" }

[columns.supplier]
link = "procurement.organization:supplier_id"

[columns.supplier_inn]
title = { en = "supplier's tax number", ru = "ИНН поставщика", uz = "yetkazib beruvchi STIR" }

[columns.lots]
link = "suspicious_lots?supplier={supplier_address}&since=-1y"
type = "count"
title = { en = "lots", ru = "лоты", uz = "lotlar" }

[columns.amount]
link = "pairs?supplier={supplier_address}&since=-1y"
type = "money:currency"

[columns.share_percent]
type = "percent"
title = { en = "share of the customer's amounts", ru = "доля в суммах заказчика", uz = "buyurtmachi summalaridagi ulush" }

[columns.n_used]
type = "coverage:lots"
title = { en = "lots with an amount", ru = "лоты с суммой", uz = "summasi bor lotlar" }

[[panels]]
page = "procurement.lot"
parameters = { customer = "{customer.platform}:{customer.external_id}", supplier = "{provider.platform}:{provider.external_id}", since = "" }
columns = ["customer", "supplier", "lots", "amount", "share_percent"]
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

asked AS (
    SELECT
        (
            SELECT o.id FROM procurement_organizations AS o
            WHERE
                o.platform = %(customer_platform)s
                AND o.external_id = %(customer_external_id)s
        ) AS customer_id,
        (
            SELECT o.id FROM procurement_organizations AS o
            WHERE
                o.platform = %(supplier_platform)s
                AND o.external_id = %(supplier_external_id)s
        ) AS supplier_id,
        -- Whether the rollup has the period and the currency.
        coalesce(
            (SELECT r.since FROM procurement_rollup_pairs AS r LIMIT 1) = %(since)s::date
            AND %(until)s::date IS NULL
            AND %(platform)s::text IS NULL
            AND %(currency)s::text = 'UZS',
            false
        ) AS is_in_rollup
),

deals AS (
    SELECT
        l.customer_id,
        l.provider_id,
        procurement_convert(
            l.deal_cost,
            l.currency,
            %(currency)s,
            (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date
        ) AS amount
    FROM procurement_lots AS l
    CROSS JOIN period
    WHERE
        NOT (SELECT is_in_rollup FROM asked)
        AND l.status = 'completed'
        AND l.customer_id IS NOT NULL
        AND (period.since IS NULL OR l.deal_date >= period.since)
        AND (period.until IS NULL OR l.deal_date < period.until)
        AND (%(platform)s::text IS NULL OR l.platform = %(platform)s)
        AND (%(customer)s::text IS NULL OR l.customer_id = (SELECT customer_id FROM asked))
        -- All lots of the customers of the supplier, because of the shares.
        AND (
            %(supplier)s::text IS NULL
            OR l.customer_id = ANY(
                ARRAY(
                    SELECT sold.customer_id
                    FROM procurement_lots AS sold
                    WHERE sold.provider_id = (SELECT supplier_id FROM asked)
                )
            )
        )
),

-- The filters are outside, so that the planner can read the rows of the rollup in their order.
pairs AS (
    SELECT
        true AS is_in_rollup,
        customer_id,
        provider_id,
        lots,
        amount,
        n_used,
        place,
        customer_amount
    FROM procurement_rollup_pairs
    UNION ALL
    SELECT
        false AS is_in_rollup,
        customer_id,
        provider_id,
        count(*) AS lots,
        sum(amount) AS amount,
        count(amount) AS n_used,
        row_number() OVER (
            ORDER BY sum(amount) DESC NULLS LAST, count(*) DESC, customer_id, provider_id
        ) AS place,
        -- The sum over all suppliers of the customer.
        sum(sum(amount)) OVER (PARTITION BY customer_id) AS customer_amount
    FROM deals
    GROUP BY customer_id, provider_id
)

SELECT
    p.customer_id,
    -- Names are looked up of the rows that are read only, which a join would not do.
    (SELECT c.name FROM procurement_organizations AS c WHERE c.id = p.customer_id) AS customer,
    (SELECT c.inn FROM procurement_organizations AS c WHERE c.id = p.customer_id) AS customer_inn,
    p.provider_id AS supplier_id,
    (SELECT s.name FROM procurement_organizations AS s WHERE s.id = p.provider_id) AS supplier,
    (SELECT s.inn FROM procurement_organizations AS s WHERE s.id = p.provider_id) AS supplier_inn,
    p.lots,
    p.amount,
    %(currency)s::text AS currency,
    round(100 * p.amount / nullif(p.customer_amount, 0), 2) AS share_percent,
    p.n_used,
    (
        SELECT s.platform || ':' || s.external_id
        FROM procurement_organizations AS s WHERE s.id = p.provider_id
    ) AS supplier_address
FROM pairs AS p
WHERE
    p.is_in_rollup = (SELECT is_in_rollup FROM asked)
    AND p.provider_id IS NOT NULL
    AND (%(customer)s::text IS NULL OR p.customer_id = (SELECT customer_id FROM asked))
    AND (%(supplier)s::text IS NULL OR p.provider_id = (SELECT supplier_id FROM asked))
ORDER BY p.place
