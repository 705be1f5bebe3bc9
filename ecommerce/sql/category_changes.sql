-- Number of points per current category of the offer's product.
SELECT m.category_id, count(*)
FROM points AS p
LEFT JOIN offer_categories AS m ON p.offer_id = m.offer_id
WHERE p.recorded_at >= %(since)s AND p.recorded_at < %(until)s
GROUP BY 1
