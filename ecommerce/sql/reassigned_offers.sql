-- Have the products forget what they said the last time whose offer is another product's now:
-- should they say it again, the offer is theirs again.
WITH told AS (
    SELECT
        o.product_id AS was,
        -- Subqueries, not joins: the temporary tables have no statistics, and this never scans.
        (SELECT n.product_id FROM ecommerce_offers AS n WHERE n.id = o.id) AS now,
        (
            SELECT p.id
            FROM ecommerce_products AS p
            WHERE p.platform = o.platform AND p.external_id = s.product_external_id
        ) AS teller
    FROM prior_ecommerce_offers AS o
    INNER JOIN stage_ecommerce_offers AS s ON o.external_id = s.external_id
),

losers AS (
    SELECT p.id
    FROM ecommerce_products AS p
    WHERE
        p.id = ANY(ARRAY(
            SELECT each.id
            FROM told CROSS JOIN LATERAL (VALUES (told.was), (told.teller)) AS each (id)
            WHERE each.id <> told.now
        ))
        AND p.content_hash <> '\x00'
    ORDER BY p.external_id COLLATE "C"
    FOR UPDATE
)

UPDATE ecommerce_products AS p
SET content_hash = '\x00'
FROM losers
WHERE p.id = losers.id
