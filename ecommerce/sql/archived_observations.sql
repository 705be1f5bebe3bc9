-- Observations of the batch in archived months: the position of the item, the offer, and its state.
-- If no month is archived, the bound is NULL and no function is called.
SELECT
    s.item,
    o.id,
    s.scraped_at,
    s.price,
    s.old_price,
    s.currency,
    s.is_available
FROM stage_ecommerce_offers AS s
INNER JOIN ecommerce_offers AS o ON s.external_id = o.external_id AND o.platform = %(platform)s
WHERE
    s.scraped_at < (
        SELECT (max(month) + interval '1 month') AT TIME ZONE 'UTC'
        FROM ecommerce_archived_months
    )
    AND ecommerce_is_archived(s.scraped_at);
