-- Clears the content hash of products that lost an offer to another product in this batch. If such
-- a product is observed again with the same content, it is merged and gets the offer back.
WITH reassigned AS (
    SELECT
        o.product_id AS old_product_id,
        -- Subqueries instead of joins: temporary tables have no statistics, and subqueries use
        -- indexes.
        (SELECT n.product_id FROM ecommerce_offers AS n WHERE n.id = o.id) AS product_id,
        (
            SELECT p.id
            FROM ecommerce_products AS p
            WHERE p.platform = o.platform AND p.external_id = s.product_external_id
        ) AS stating_product_id
    FROM prior_ecommerce_offers AS o
    INNER JOIN stage_ecommerce_offers AS s ON o.external_id = s.external_id
),

former_products AS (
    SELECT p.id
    FROM ecommerce_products AS p
    WHERE
        p.id = ANY(ARRAY(
            SELECT candidate.id
            FROM reassigned
            CROSS JOIN LATERAL (
                VALUES (reassigned.old_product_id), (reassigned.stating_product_id)
            ) AS candidate (id)
            WHERE candidate.id <> reassigned.product_id
        ))
        AND p.content_hash <> '\x00'
    ORDER BY p.external_id COLLATE "C"
    FOR UPDATE
)

UPDATE ecommerce_products AS p
SET content_hash = '\x00'
FROM former_products
WHERE p.id = former_products.id
