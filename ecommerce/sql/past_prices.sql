-- What a batch tells in the order of time of offers with prices of the past among it: those prices,
-- and the current one. A price of the future is no observation, and one of an archived month stays in
-- its payload.
INSERT INTO stage_price_series (
    position, offer_external_id, recorded_at, price, currency, old_price, is_available,
    available_amount
)
WITH told AS (
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
FROM told
UNION ALL
SELECT 0, external_id, scraped_at, price, currency, old_price, is_available, stock_quantity
FROM stage_ecommerce_offers
WHERE external_id IN (SELECT offer_external_id FROM told);
