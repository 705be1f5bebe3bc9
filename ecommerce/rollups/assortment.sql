/*
description = "When a product was first and last seen, and the first day and the last time of the observations of its platform."
indexes = [["seller_id"]]
*/
SELECT
    p.platform,
    p.category_id,
    p.seller_id,
    p.first_seen_at,
    p.last_seen_at,
    (min(p.first_seen_at) OVER of_platform AT TIME ZONE 'Asia/Tashkent')::date AS observed_since,
    max(p.last_seen_at) OVER of_platform AS observed_until
FROM ecommerce_products AS p
WINDOW of_platform AS (PARTITION BY p.platform)
