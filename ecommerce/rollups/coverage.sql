/*
description = "Of a platform, the products and offers that were last seen on a day, and how many of them have each field."
*/
WITH products AS (
    SELECT
        p.platform,
        (p.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date AS day,
        count(*) AS products,
        count(nullif(p.title, '')) AS products_title,
        count(p.category_id) AS products_category,
        count(nullif(p.brand, '')) AS products_brand,
        count(nullif(p.images, '[]')) AS products_images,
        count(p.rating) AS products_rating
    FROM ecommerce_products AS p
    GROUP BY p.platform, day
),

offers AS (
    SELECT
        o.platform,
        (o.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date AS day,
        count(*) AS offers,
        count(o.seller_id) AS offers_seller,
        count(o.currency) AS offers_currency,
        count(o.is_available) AS offers_availability,
        count(o.stock_quantity) AS offers_stock,
        count(o.delivery_days) AS offers_delivery,
        count(nullif(o.barcode, '')) AS offers_barcode
    FROM ecommerce_offers AS o
    GROUP BY o.platform, day
)

SELECT
    platform,
    day,
    p.products,
    p.products_title,
    p.products_category,
    p.products_brand,
    p.products_images,
    p.products_rating,
    o.offers,
    o.offers_seller,
    o.offers_currency,
    o.offers_availability,
    o.offers_stock,
    o.offers_delivery,
    o.offers_barcode
FROM products AS p
FULL JOIN offers AS o USING (platform, day)
