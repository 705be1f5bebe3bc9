-- 500,000 ads with a million changes at scale 1, over the year before today.
SET session_replication_role = replica;

INSERT INTO classifieds_exchange_rates (currency, rate_date, rate)
SELECT 'USD', day::date, 12000
FROM generate_series(current_date - 400, current_date, '1 day') AS day;

INSERT INTO classifieds_listings (
    platform, external_id, title, category_path, category_name, price, currency, city, district,
    district_canonical, latitude, longitude, condition, brand, model, year, mileage, area_sqm, rooms,
    status, posted_at, sold_at, first_seen_at, last_seen_at, updated_at
)
SELECT
    'olx', n, brand || ' ' || n,
    path, path,
    CASE WHEN n %% 20 <> 0 THEN round((exp(random() * 4) * 1000)::numeric, 2) END,
    CASE WHEN n %% 3 = 0 THEN 'USD' ELSE 'UZS' END,
    c.city, 'District ' || n %% 12, 'District ' || n %% 12,
    c.latitude + (random() - 0.5) * 0.2, c.longitude + (random() - 0.5) * 0.2,
    CASE n %% 3 WHEN 0 THEN 'new' ELSE 'used' END,
    brand, 'Model ' || n %% 12, 2005 + n %% 20, n %% 300 * 1000,
    20 + n %% 150, 1 + n %% 5,
    s.status,
    current_date - (n %% 360) * interval '1 day',
    CASE WHEN s.status = 'sold' THEN current_date - (n %% 360) * interval '12 hours' END,
    current_date - (n %% 360) * interval '1 day',
    CASE WHEN s.status = 'active' THEN now() ELSE current_date - (n %% 360) * interval '12 hours' END,
    now()
FROM (
    SELECT
        n,
        (ARRAY['Chevrolet', 'Kia', 'Hyundai', 'Daewoo', 'BYD', 'Toyota'])[1 + n / 7 %% 6] AS brand,
        (ARRAY[
            'transport/cars', 'transport/parts', 'real-estate/apartments', 'real-estate/houses',
            'electronics/phones', 'electronics/computers', 'home-garden/furniture', 'kids/clothes',
            'jobs/sales', 'services/repair'
        ])[1 + floor(10 * power(random(), 2))::integer] AS path
    FROM generate_series(1, ceil(500000 * %(scale)s)::integer) AS n
) AS invented
CROSS JOIN LATERAL (
    SELECT city, latitude, longitude
    FROM (VALUES
        (0, 'Tashkent', 41.31, 69.28), (1, 'Tashkent', 41.31, 69.28), (2, 'Samarkand', 39.65, 66.96),
        (3, 'Bukhara', 39.77, 64.42), (4, 'Andijan', 40.78, 72.34), (5, 'Namangan', 41.0, 71.67)
    ) AS cities (number, city, latitude, longitude)
    WHERE number = n %% 6
) AS c
CROSS JOIN LATERAL (
    SELECT (ARRAY['active', 'active', 'active', 'removed', 'sold'])[1 + n / 5 %% 5] AS status
) AS s;

INSERT INTO classifieds_listing_events (
    listing_id, kind, old_price, new_price, old_currency, new_currency, old_status, new_status,
    recorded_at
)
SELECT
    l.id, 'price', l.price * 1.1, l.price, l.currency, l.currency, NULL, NULL,
    l.posted_at + (l.id %% 10 + k) * interval '1 day'
FROM classifieds_listings AS l
CROSS JOIN generate_series(1, 1 + (l.id %% 3)::integer) AS k
WHERE l.price IS NOT NULL
UNION ALL
SELECT
    id, 'status', NULL, NULL, NULL, NULL, 'active', status, last_seen_at
FROM classifieds_listings
WHERE status <> 'active';

ANALYZE;
