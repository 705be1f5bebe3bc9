-- Have the products that lost an offer to another one forget what they said the last time: should
-- they say it again, the offer is theirs again.
WITH losers AS (
    SELECT p.id
    FROM ecommerce_products AS p
    WHERE
        p.id = ANY(ARRAY(
            SELECT o.product_id
            FROM prior_ecommerce_offers AS o
            -- A subquery, not a join: the temporary table has no statistics, and this never scans.
            WHERE o.product_id <> (SELECT n.product_id FROM ecommerce_offers AS n WHERE n.id = o.id)
        ))
        AND p.content_hash <> '\x00'
    ORDER BY p.external_id COLLATE "C"
    FOR UPDATE
)

UPDATE ecommerce_products AS p
SET content_hash = '\x00'
FROM losers
WHERE p.id = losers.id
