-- An availability that the newest observation did not tell is the last one told before it, and that
-- may have come late.
UPDATE ecommerce_offers AS o
SET is_available = n.is_available, updated_at = statement_timestamp()
FROM unnest(%(offers)s::bigint[], %(states)s::boolean[]) AS n (id, is_available)
WHERE o.id = n.id;
