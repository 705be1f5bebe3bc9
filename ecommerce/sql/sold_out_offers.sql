-- Stages all offers of products that are unavailable and come without offers: they are out of
-- stock. Staging tables have no statistics, so OFFSET 0 makes the planner use an index for each
-- row.
WITH unavailable_products AS MATERIALIZED (
    SELECT external_id, last_seen_at, item
    FROM stage_ecommerce_products
    WHERE
        is_available IS FALSE
        -- A hashed subplan: most products of a batch come with offers.
        AND external_id NOT IN (
            SELECT product_external_id
            FROM stage_ecommerce_offers
            WHERE product_external_id IS NOT NULL
        )
)

INSERT INTO stage_ecommerce_offers (
    external_id, product_external_id, is_available, stock_quantity,
    first_seen_at, last_seen_at, scraped_at, item
)
SELECT
    o.external_id, s.external_id, false, 0, s.last_seen_at, s.last_seen_at, s.last_seen_at, s.item
FROM unavailable_products AS s
CROSS JOIN LATERAL (
    SELECT id
    FROM ecommerce_products
    WHERE platform = %(platform)s AND external_id = s.external_id
    OFFSET 0
) AS p
CROSS JOIN LATERAL (
    SELECT external_id
    FROM ecommerce_offers
    WHERE product_id = p.id
    OFFSET 0
) AS o
WHERE NOT EXISTS (SELECT FROM stage_ecommerce_offers AS t WHERE t.external_id = o.external_id);
