-- price_chain into the history: what is no change any more goes, what is one comes, and what stays
-- is compared with its new predecessor, from which it has an availability that nobody told. Returns the number of new points.
WITH gone AS (
    DELETE FROM ecommerce_price_history AS h
    USING price_chain AS c
    WHERE
        c.origin = 'stored'
        AND NOT c.is_change
        AND h.offer_id = c.offer_id
        AND h.recorded_at = c.recorded_at
),

moved AS (
    UPDATE ecommerce_price_history AS h
    SET
        price_change = c.price_change,
        price_change_percent = c.price_change_percent,
        is_available = c.is_available
    FROM price_chain AS c
    WHERE
        c.origin = 'stored'
        AND c.is_change
        AND h.offer_id = c.offer_id
        AND h.recorded_at = c.recorded_at
        AND (h.price_change, h.price_change_percent, h.is_available)
        IS DISTINCT FROM (c.price_change, c.price_change_percent, c.is_available)
),

come AS (
    INSERT INTO ecommerce_price_history (
        offer_id, price, old_price, currency, is_available, available_amount,
        price_change, price_change_percent, recorded_at
    )
    SELECT
        offer_id, price, old_price, currency, is_available, available_amount,
        price_change, price_change_percent, recorded_at
    FROM price_chain
    WHERE origin = 'new' AND is_change
    RETURNING id
)

SELECT count(*) FROM come;
