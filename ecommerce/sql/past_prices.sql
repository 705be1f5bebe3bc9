-- Stages the observations of offers that come with past prices newer than the stored state: the
-- past prices and the current one. Prices of the future are not observations, and prices of
-- archived months remain in their payload only.
INSERT INTO stage_price_series (
    position, offer_external_id, recorded_at, price, currency, old_price, is_available,
    available_amount
)
WITH past AS (
    SELECT e.*
    FROM stage_price_points AS e
    INNER JOIN stage_ecommerce_offers AS s ON e.offer_external_id = s.external_id
    LEFT JOIN prior_ecommerce_offers AS p ON s.external_id = p.external_id
    WHERE
        e.recorded_at < s.scraped_at
        AND (p.id IS NULL OR e.recorded_at > p.scraped_at)
        AND NOT ecommerce_is_archived(e.recorded_at)
)

SELECT
    1, offer_external_id, recorded_at, price, currency, old_price, is_available, available_amount
FROM past
UNION ALL
SELECT 0, external_id, scraped_at, price, currency, old_price, is_available, stock_quantity
FROM stage_ecommerce_offers
WHERE external_id IN (SELECT offer_external_id FROM past);
