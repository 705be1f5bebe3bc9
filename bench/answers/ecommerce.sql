-- 800,000 products, 2.7 million offers and 40 million price points at scale 1, over the year before
-- today. Sizes of sellers differ widely, and several platforms sell a product with the same title.
SET session_replication_role = replica;

INSERT INTO ecommerce_exchange_rates (currency, rate_date, rate)
SELECT currency, day::date, rate
FROM (VALUES ('RUB', 150), ('KZT', 23), ('USD', 12000)) AS r (currency, rate)
CROSS JOIN generate_series(current_date - 400, current_date, '1 day') AS day;

INSERT INTO ecommerce_categories (
    platform, external_id, name, path_names, level, first_seen_at, last_seen_at, updated_at
)
SELECT
    (ARRAY['uzum', 'yandex', 'wildberries', 'ozon'])[1 + n %% 4],
    n,
    'Category ' || n / 4,
    'Department ' || n / 4 %% 20 || ' > Group ' || n / 4 %% 200 || ' > Category ' || n / 4,
    3, now(), now(), now()
FROM generate_series(0, 1999) AS n;

INSERT INTO ecommerce_sellers (
    platform, external_id, name, rating, first_seen_at, last_seen_at, updated_at
)
SELECT
    (ARRAY['uzum', 'yandex', 'wildberries', 'ozon'])[1 + n %% 4],
    n, 'Seller ' || n, 3 + n %% 20 / 10.0, now(), now(), now()
FROM generate_series(1, ceil(60000 * %(scale)s)::integer) AS n;

INSERT INTO ecommerce_products (
    platform, external_id, title, title_normalized, brand, category_id, seller_id, is_available,
    currency, first_seen_at, last_seen_at, updated_at
)
SELECT
    (ARRAY['uzum', 'yandex', 'wildberries', 'ozon'])[1 + n %% 4],
    n, title, lower(title), brand,
    (SELECT min(id) FROM ecommerce_categories) + hash %% 500 * 4 + n %% 4,
    (SELECT min(id) FROM ecommerce_sellers) + floor(60000 * %(scale)s * power(random(), 3))::bigint,
    n %% 10 <> 0,
    CASE WHEN n %% 4 < 2 THEN 'UZS' ELSE 'RUB' END,
    now() - (n %% 365) * interval '1 day', now() - (n %% 20) * interval '1 day', now()
FROM (
    SELECT n, abs(hashint4(n / 3)) AS hash, b.brand, b.brand || ' ' || k.kind || ' ' || n / 3 AS title
    FROM generate_series(1, ceil(800000 * %(scale)s)::integer) AS n
    CROSS JOIN LATERAL (
        SELECT (ARRAY['Samsung', 'Apple', 'Artel', 'Bosch', 'Xiaomi', 'LG', 'Philips', 'Redmond'])[
            1 + n / 3 %% 8
        ] AS brand
    ) AS b
    CROSS JOIN LATERAL (
        SELECT (ARRAY['kettle', 'phone', 'iron', 'lamp', 'blender', 'monitor', 'camera'])[
            1 + n / 3 %% 7
        ] AS kind
    ) AS k
) AS invented;

-- The price of point k of offer o, of which the last one is 15.
CREATE FUNCTION pg_temp.price(o bigint, k integer, rate numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE
RETURN round(
    (50000 + abs(hashint8(o)) %% 4000000) * (0.9 + abs(hashint8(o * 31 + k / 2)) %% 200 / 1000.0)
    / rate,
    2
);

INSERT INTO ecommerce_offers (
    id, platform, external_id, product_id, seller_id, price, old_price, currency, is_available,
    stock_quantity, scraped_at, first_seen_at, last_seen_at, updated_at
)
SELECT
    id, platform, external_id, product_id,
    (SELECT min(id) FROM ecommerce_sellers) + floor(60000 * %(scale)s * power(random(), 3))::bigint,
    price, CASE WHEN id %% 3 = 0 THEN round(price * 1.3, 2) END, currency, is_available,
    k, last_seen_at, first_seen_at, last_seen_at, now()
FROM (
    SELECT
        o.*, pg_temp.price(o.id, 14, CASE o.currency WHEN 'UZS' THEN 1 ELSE 150 END) AS price
    FROM (
        SELECT
            nextval(pg_get_serial_sequence('ecommerce_offers', 'id')) AS id,
            p.platform, p.external_id || '-' || k AS external_id, p.id AS product_id, p.currency,
            abs(hashint8(p.id * 7 + k)) %% 10 <> 0 AS is_available,
            k, p.first_seen_at, p.last_seen_at
        FROM ecommerce_products AS p
        CROSS JOIN generate_series(1, 3 + (p.id %% 8 < 3)::integer) AS k
    ) AS o
) AS invented;

INSERT INTO ecommerce_price_history (
    offer_id, price, old_price, currency, is_available, price_change, price_change_percent,
    is_outlier, recorded_at
)
SELECT
    offer_id, price, CASE WHEN offer_id %% 3 = 0 THEN round(price * 1.3, 2) END, currency,
    is_available, price - before, round(100 * (price - before) / before, 2),
    CASE WHEN abs(hashint8(offer_id * 15 + k)) %% 1000 = 0 THEN true END,
    recorded_at
FROM (
    SELECT
        o.id AS offer_id, o.currency, k,
        CASE WHEN k = 14 THEN o.is_available ELSE abs(hashint8(o.id * 13 + k)) %% 12 <> 0 END
            AS is_available,
        pg_temp.price(o.id, k, CASE o.currency WHEN 'UZS' THEN 1 ELSE 150 END) AS price,
        CASE
            WHEN k > 0
                THEN pg_temp.price(o.id, k - 1, CASE o.currency WHEN 'UZS' THEN 1 ELSE 150 END)
        END AS before,
        current_date - interval '364 days' + (k + abs(hashint8(o.id * 17 + k)) %% 1000 / 1000.0)
        * interval '24 days' AS recorded_at
    FROM ecommerce_offers AS o
    CROSS JOIN generate_series(0, 14) AS k
) AS invented;

ANALYZE;
