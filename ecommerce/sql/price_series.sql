-- For each staged offer, the states from which its changes follow, as the table price_series:
--   new     an observation of this batch
--   prior   what the offer was before this batch; compared with, not written
--   stored  a point of the history, where a late observation contradicts it
-- An observation of a moment that is known already is not new: what was stored first counts.
CREATE TEMPORARY TABLE price_news ON COMMIT DROP AS
SELECT
    o.id AS offer_id,
    s.recorded_at,
    s.price,
    s.old_price,
    s.currency::varchar(3) AS currency,
    s.is_available,
    s.available_amount,
    p.scraped_at AS prior_at
FROM stage_price_points AS s
INNER JOIN ecommerce_offers AS o
    ON o.platform = %(platform)s AND s.offer_external_id = o.external_id
LEFT JOIN prior_ecommerce_offers AS p ON o.id = p.id
WHERE p.id IS NULL OR s.recorded_at <> p.scraped_at;

-- Offers whose history must be built anew: a late observation differs from what was known then.
CREATE TEMPORARY TABLE price_rebuilds ON COMMIT DROP AS
SELECT DISTINCT n.offer_id
FROM price_news AS n
LEFT JOIN LATERAL (
    SELECT h.*
    FROM ecommerce_price_history AS h
    WHERE h.offer_id = n.offer_id AND h.recorded_at <= n.recorded_at
    ORDER BY h.recorded_at DESC
    LIMIT 1
) AS known ON true
WHERE
    n.recorded_at < n.prior_at
    AND (
        known.offer_id IS NULL
        OR (
            known.recorded_at < n.recorded_at
            AND (
                (known.price, known.old_price, known.currency)
                IS DISTINCT FROM (n.price, n.old_price, n.currency)
                OR n.is_available <> known.is_available
                OR (known.is_available IS NULL AND n.is_available IS NOT NULL)
            )
        )
    );

CREATE TEMPORARY TABLE price_series ON COMMIT DROP AS
SELECT 'new' AS origin, n.*
FROM (
    SELECT offer_id, recorded_at, price, old_price, currency, is_available, available_amount
    FROM price_news
    WHERE
        prior_at IS NULL
        OR recorded_at > prior_at
        OR offer_id IN (SELECT offer_id FROM price_rebuilds)
) AS n
WHERE
    NOT EXISTS (
        SELECT FROM ecommerce_price_history AS h
        WHERE
            h.offer_id = n.offer_id
            AND h.recorded_at = n.recorded_at
            AND n.offer_id IN (SELECT offer_id FROM price_rebuilds)
    );

INSERT INTO price_series
SELECT
    'stored', offer_id, recorded_at, price, old_price, currency, is_available, available_amount
FROM ecommerce_price_history
WHERE offer_id IN (SELECT offer_id FROM price_rebuilds);

-- The state before the batch is known to hold at its time; after a rebuild it may be a change.
INSERT INTO price_series
SELECT
    CASE WHEN r.offer_id IS NULL THEN 'prior' ELSE 'new' END,
    p.id, p.scraped_at, p.price, p.old_price, p.currency, p.is_available, p.stock_quantity
FROM prior_ecommerce_offers AS p
LEFT JOIN price_rebuilds AS r ON p.id = r.offer_id
WHERE
    EXISTS (SELECT FROM price_series AS s WHERE s.offer_id = p.id)
    AND NOT EXISTS (
        SELECT FROM price_series AS s
        WHERE s.offer_id = p.id AND s.recorded_at = p.scraped_at
    );
