-- Stages the offers of products that are not available and come without any offer: all are out of
-- stock. Each look goes by an index, because staging tables have no statistics.
WITH alone AS MATERIALIZED (
    SELECT external_id, last_seen_at, item
    FROM stage_ecommerce_products
    WHERE
        is_available IS FALSE
        -- A subplan that is hashed once: most products of a batch have offers in it.
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
FROM alone AS s
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
