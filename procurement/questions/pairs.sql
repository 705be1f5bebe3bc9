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
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
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
        l.status = 'completed'
        AND l.customer_id IS NOT NULL
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

pairs AS (
    SELECT
        customer_id,
        provider_id,
        count(*) AS lots,
        sum(amount) AS amount,
        count(amount) AS n_used,
        -- The sum over all suppliers of the customer.
        sum(sum(amount)) OVER (PARTITION BY customer_id) AS customer_amount
    FROM deals
    GROUP BY customer_id, provider_id
)

SELECT
    c.id AS customer_id,
    c.name AS customer,
    c.inn AS customer_inn,
    s.id AS supplier_id,
    s.name AS supplier,
    s.inn AS supplier_inn,
    p.lots,
    p.amount,
    %(currency)s::text AS currency,
    round(100 * p.amount / nullif(p.customer_amount, 0), 2) AS share_percent,
    p.n_used,
    s.platform || ':' || s.external_id AS supplier_address
FROM pairs AS p
INNER JOIN procurement_organizations AS c ON p.customer_id = c.id
INNER JOIN procurement_organizations AS s ON p.provider_id = s.id
WHERE
    %(supplier)s::text IS NULL
    OR (
        s.platform = %(supplier_platform)s
        AND s.external_id = %(supplier_external_id)s
    )
ORDER BY p.amount DESC NULLS LAST, p.lots DESC, p.customer_id, p.provider_id
