-- Staged lots whose deal differs from the deal that the lot had before this batch.
SELECT s.external_id, p.deal_id, s.deal_id
FROM stage_procurement_lots AS s
INNER JOIN prior_procurement_lots AS p
    ON p.platform = %(platform)s AND s.external_id = p.external_id
WHERE s.deal_id <> p.deal_id
ORDER BY s.external_id COLLATE "C"
