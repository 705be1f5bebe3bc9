-- 1.5 million lots with 4 million items at scale 1, over the two years before today.
SET session_replication_role = replica;

INSERT INTO procurement_exchange_rates (currency, rate_date, rate)
SELECT 'USD', day::date, 12000
FROM generate_series(current_date - 800, current_date, '1 day') AS day;

INSERT INTO procurement_organizations (
    platform, external_id, name, inn, region, is_customer, is_provider,
    first_seen_at, last_seen_at, updated_at
)
SELECT
    'uzex', n, 'Organization ' || n, 200000000 + n, 'Region ' || n %% 14, n %% 3 <> 0, n %% 3 = 0,
    now(), now(), now()
FROM generate_series(1, ceil(60000 * %(scale)s)::integer) AS n;

INSERT INTO procurement_lots (
    platform, external_id, display_no, title, lot_type, category_name, category_code, region,
    start_cost, deal_cost, currency, customer_id, provider_id, participants_count, deal_id, deal_date,
    status, starts_at, ends_at, first_seen_at, last_seen_at, updated_at
)
SELECT
    'uzex', n, n, 'Lot ' || n, (ARRAY['auction', 'tender', 'shop'])[1 + n %% 3],
    'Category ' || c.category, c.category, 'Region ' || n %% 14,
    cost, round(cost * (1 - abs(hashint4(n)) %% 400 / 1000.0), 2), 'UZS',
    (SELECT min(id) FROM procurement_organizations)
    + floor(ceil(60000 * %(scale)s) * power(random(), 2))::bigint,
    (SELECT min(id) FROM procurement_organizations)
    + floor(ceil(60000 * %(scale)s) * power(random(), 3))::bigint,
    1 + n %% 6, n, deal, 'completed', deal - interval '5 days', deal - interval '1 day',
    deal, deal, now()
FROM (
    SELECT
        n, now() - (n %% 730) * interval '1 day' AS deal,
        round((exp(random() * 8) * 100000)::numeric, 2) AS cost
    FROM generate_series(1, ceil(1500000 * %(scale)s)::integer) AS n
) AS invented
CROSS JOIN LATERAL (SELECT abs(hashint4(n)) %% 90 AS category) AS c;

INSERT INTO procurement_lot_items (
    platform, external_id, lot_id, order_num, product_name, quantity, measure_name, price, cost,
    currency, first_seen_at, last_seen_at, updated_at
)
SELECT
    'uzex', l.external_id || '-' || k, l.id, k, 'Item ' || (l.id + k) %% 5000, q.quantity, 'piece',
    round(l.deal_cost / q.quantity / 3, 2), round(l.deal_cost / 3, 2), 'UZS', now(), now(), now()
FROM procurement_lots AS l
CROSS JOIN generate_series(1, 2 + (l.id %% 3 < 2)::integer) AS k
CROSS JOIN LATERAL (SELECT 1 + (l.id + k) %% 50 AS quantity) AS q;

ANALYZE;
