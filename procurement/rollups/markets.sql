/*
description = "What the completed lots of the last year add up to, by category, region, customer, month or lot type. Amounts are in so'm."
indexes = [["by"]]
*/
WITH deals AS MATERIALIZED (
    SELECT
        l.category_name,
        l.region,
        l.customer_id,
        l.provider_id,
        l.lot_type,
        to_char(l.deal_date AT TIME ZONE 'Asia/Tashkent', 'YYYY-MM') AS month,
        -- A completed lot has at least one participant: 0 is unknown.
        CASE WHEN l.participants_count > 0 THEN l.participants_count END AS participants,
        a.has_costs,
        CASE WHEN a.has_costs THEN a.spent END AS spent,
        CASE
            WHEN a.has_costs THEN procurement_convert(l.start_cost, l.currency, 'UZS', d.day)
        END AS budget,
        CASE
            WHEN a.has_costs AND a.spent IS NOT NULL
                THEN (100 * (l.start_cost - l.deal_cost) / l.start_cost)::float8
        END AS saved_percent,
        CASE WHEN l.provider_id IS NOT NULL THEN nullif(a.spent, 0) END AS amount
    FROM procurement_lots AS l
    CROSS JOIN LATERAL (SELECT (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date AS day) AS d
    CROSS JOIN LATERAL (
        SELECT
            procurement_convert(l.deal_cost, l.currency, 'UZS', d.day) AS spent,
            l.start_cost > 0 AND l.deal_cost > 0 AS has_costs
    ) AS a
    WHERE
        l.status = 'completed'
        AND l.deal_date >= (
            (now() AT TIME ZONE 'Asia/Tashkent')::date - interval '1 year'
        ) AT TIME ZONE 'Asia/Tashkent'
),

keyed AS MATERIALIZED (
    SELECT
        g.by,
        g.key,
        CASE WHEN g.by = 'customer' THEN c.id END AS customer_id,
        CASE WHEN g.by = 'customer' THEN c.name END AS customer,
        d.provider_id,
        d.participants,
        d.budget,
        d.spent,
        d.saved_percent,
        d.amount
    FROM deals AS d
    LEFT JOIN procurement_organizations AS c ON d.customer_id = c.id
    CROSS JOIN LATERAL (
        VALUES
            ('category', d.category_name),
            ('region', coalesce(d.region, c.region)),
            ('customer', coalesce(c.inn, c.platform || ':' || c.external_id)),
            ('month', d.month),
            ('lot_type', d.lot_type)
    ) AS g (by, key)
),

markets AS (
    SELECT
        by,
        key,
        min(customer_id) AS customer_id,
        max(customer) AS customer,
        count(*) AS lots,
        count(participants) AS n_participants,
        count(*) FILTER (WHERE participants = 1) AS single_bid_lots,
        avg(participants) AS mean_participants,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY participants) AS median_participants,
        count(spent) AS n_spent,
        sum(budget) AS budget,
        sum(spent) AS spent,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY saved_percent) AS median_percent,
        count(amount) AS n_amounts
    FROM keyed
    GROUP BY by, key
),

suppliers AS (
    SELECT
        k.by,
        k.key,
        min(s.id) AS supplier_id,
        max(s.name) AS supplier,
        sum(k.amount) AS amount,
        sum(k.amount) / sum(sum(k.amount)) OVER (PARTITION BY k.by, k.key) AS share,
        row_number() OVER (
            PARTITION BY k.by, k.key ORDER BY sum(k.amount) DESC, min(s.id)
        ) AS place
    FROM keyed AS k
    INNER JOIN procurement_organizations AS s ON k.provider_id = s.id
    WHERE k.amount IS NOT NULL AND k.by IN ('category', 'region', 'customer')
    -- The same organization on all platforms.
    GROUP BY k.by, k.key, coalesce(s.inn, s.platform || ':' || s.external_id)
),

concentration AS (
    SELECT
        by,
        key,
        count(*) AS suppliers,
        sum(amount) AS amount,
        sum(share * share) AS hhi,
        sum(share) FILTER (WHERE place <= 4) AS cr4,
        max(share) AS largest,
        min(supplier_id) FILTER (WHERE place = 1) AS supplier_id,
        min(supplier) FILTER (WHERE place = 1) AS supplier
    FROM suppliers
    GROUP BY by, key
)

SELECT
    ((now() AT TIME ZONE 'Asia/Tashkent')::date - interval '1 year')::date AS since,
    m.*,
    c.suppliers,
    c.amount,
    c.hhi,
    c.cr4,
    c.largest,
    c.supplier_id,
    c.supplier
FROM markets AS m
LEFT JOIN concentration AS c
    ON
        m.by = c.by
        -- Unlike IS NOT DISTINCT FROM, these can be hashed.
        AND coalesce(m.key, '') = coalesce(c.key, '')
        AND (m.key IS NULL) = (c.key IS NULL)
