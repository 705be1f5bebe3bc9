-- Items of a staged batch whose histories need the unreadable archive. An offer may have archived
-- points if it was seen before the end of the last archived month, or if its first point in
-- PostgreSQL is a change of an earlier price. All items about such a product are returned. The
-- first column states whether any offer needs the archive.
WITH needing_archive AS (
    SELECT o.id, o.product_id
    FROM (
        SELECT DISTINCT ON (offer_id) offer_id, price_change
        FROM known_observations
        -- Points of the history first; an offer may have no point.
        ORDER BY offer_id, rank <> 1, recorded_at
    ) AS e
    INNER JOIN ecommerce_offers AS o ON e.offer_id = o.id
    WHERE
        e.price_change IS NOT NULL
        OR o.first_seen_at < (
            SELECT (max(month) + interval '1 month') AT TIME ZONE 'UTC'
            FROM ecommerce_archived_months
        )
)

SELECT
    EXISTS (SELECT FROM needing_archive),
    ARRAY(
        SELECT DISTINCT s.item
        FROM stage_ecommerce_offers AS s
        INNER JOIN ecommerce_offers AS o
            ON s.external_id = o.external_id AND o.platform = %(platform)s
        WHERE o.product_id IN (SELECT product_id FROM needing_archive)
    );
