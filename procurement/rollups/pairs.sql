/*
description = "A customer and a supplier, or no known supplier, of completed lots of the last year, with their amounts in so'm. Its place is that by amount."
indexes = [["place"], ["customer_id"], ["provider_id"], ["customer_amount"]]
*/
WITH pairs AS (
    SELECT
        l.customer_id,
        l.provider_id,
        count(*) AS lots,
        sum(a.amount) AS amount,
        count(a.amount) AS n_used
    FROM procurement_lots AS l
    CROSS JOIN LATERAL (
        SELECT
            procurement_convert(
                l.deal_cost,
                l.currency,
                'UZS',
                (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date
            ) AS amount
    ) AS a
    WHERE
        l.status = 'completed'
        AND l.customer_id IS NOT NULL
        AND l.deal_date >= (
            (now() AT TIME ZONE 'Asia/Tashkent')::date - interval '1 year'
        ) AT TIME ZONE 'Asia/Tashkent'
    GROUP BY l.customer_id, l.provider_id
)

SELECT
    ((now() AT TIME ZONE 'Asia/Tashkent')::date - interval '1 year')::date AS since,
    p.*,
    row_number() OVER (
        ORDER BY p.amount DESC NULLS LAST, p.lots DESC, p.customer_id, p.provider_id
    ) AS place,
    -- The sum over all suppliers of the customer.
    sum(p.amount) OVER (PARTITION BY p.customer_id) AS customer_amount
FROM pairs AS p
