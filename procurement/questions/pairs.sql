/*
group = "relations"

[title]
en = "Who buys from whom"
ru = "Кто у кого покупает"
uz = "Kim kimdan xarid qiladi"

[description]
en = "Customers and the suppliers that they buy from, largest amounts first. Deals without an amount, or without a rate on their day, are counted in lots but not in amounts."
ru = "Заказчики и их поставщики, сначала крупнейшие суммы. Сделки без суммы или без курса на их день входят в число лотов, но не в суммы."
uz = "Buyurtmachilar va ularning yetkazib beruvchilari, avval eng katta summalar. Summasi yoki kuni kursi boʻlmagan bitimlar lotlar soniga kiradi, lekin summaga kirmaydi."

[parameters.since]
type = "date"
default = "-1y"

[parameters.platform]
type = "platform"

[parameters.customer]
type = "organization"

[parameters.currency]
type = "currency"
default = "UZS"

[columns.lots]
type = "count"

[columns.amount]
type = "money:currency"

[columns.share_percent]
type = "percent"
title = { en = "share of the customer", ru = "доля заказчика", uz = "buyurtmachi ulushi" }

[columns.n_used]
type = "coverage:lots"
title = { en = "lots with an amount", ru = "лоты с суммой", uz = "summasi bor lotlar" }
*/
WITH deals AS (
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
    WHERE
        l.status = 'completed'
        AND l.customer_id IS NOT NULL
        AND l.provider_id IS NOT NULL
        AND (%(since)s::date IS NULL OR l.deal_date >= %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent')
        AND (%(platform)s::text IS NULL OR l.platform = %(platform)s)
        AND (
            %(customer)s::text IS NULL
            OR l.customer_id = (
                SELECT o.id FROM procurement_organizations AS o
                WHERE
                    o.platform = split_part(%(customer)s, ':', 1)
                    AND o.external_id = substr(%(customer)s, strpos(%(customer)s, ':') + 1)
            )
        )
),

pairs AS (
    SELECT
        customer_id,
        provider_id,
        count(*) AS lots,
        sum(amount) AS amount,
        count(amount) AS n_used
    FROM deals
    GROUP BY customer_id, provider_id
)

SELECT
    c.name AS customer,
    c.inn AS customer_inn,
    s.name AS supplier,
    s.inn AS supplier_inn,
    p.lots,
    p.amount,
    %(currency)s::text AS currency,
    round(
        100 * p.amount / nullif(sum(p.amount) OVER (PARTITION BY p.customer_id), 0), 2
    ) AS share_percent,
    p.n_used
FROM pairs AS p
INNER JOIN procurement_organizations AS c ON p.customer_id = c.id
INNER JOIN procurement_organizations AS s ON p.provider_id = s.id
ORDER BY p.amount DESC NULLS LAST, p.lots DESC, p.customer_id, p.provider_id
