-- Updates the current state of offers from their rebuilt history. The price changes only if the
-- newest observation has none, or is newer than the stored state.
UPDATE ecommerce_offers AS o
SET
    is_available = n.is_available,
    price = CASE WHEN n.is_newer THEN n.price ELSE o.price END,
    old_price = CASE WHEN n.is_newer THEN n.old_price ELSE o.old_price END,
    currency = CASE WHEN n.is_newer THEN n.currency ELSE o.currency END,
    currency_text = CASE
        WHEN NOT n.is_newer OR n.currency IS NOT DISTINCT FROM o.currency THEN o.currency_text
    END,
    stock_quantity = CASE
        WHEN n.is_newer OR n.is_available IS DISTINCT FROM o.is_available THEN n.available_amount
        ELSE o.stock_quantity
    END,
    scraped_at = greatest(o.scraped_at, n.recorded_at),
    last_seen_at = greatest(o.last_seen_at, n.recorded_at),
    updated_at = statement_timestamp()
FROM jsonb_to_recordset(%(states)s::jsonb) AS n (
    offer_id bigint,
    recorded_at timestamptz,
    is_newer boolean,
    price numeric(18, 2),
    old_price numeric(18, 2),
    currency varchar(3),
    is_available boolean,
    available_amount integer
)
WHERE o.id = n.offer_id;
