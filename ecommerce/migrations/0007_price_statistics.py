"""What tells a wrong price by the ones before and after it, and figures that leave such prices out.

The bodies are parsed here, once: whatever search path a session has, they read this table. Whoever
changes its columns drops them first.
"""

from django.db import migrations

# A price that came back (within 5%) is a outlier if it was at most half of both neighbors, 0
# included; or about 10 or 100 times as much (within 5%). NULL neighbors make none.
_IS_GLITCH = """
CREATE FUNCTION ecommerce_is_outlier(price numeric, price_before numeric, price_after numeric)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(
        price_before > 0
        AND abs(price_after - price_before) <= price_before * 0.05
        AND (
            price * 2 <= least(price_before, price_after)
            OR price BETWEEN least(price_before, price_after) * 9.5
                AND greatest(price_before, price_after) * 10.5
            OR price BETWEEN least(price_before, price_after) * 95
                AND greatest(price_before, price_after) * 105
        ),
        false
    );
END;
"""

# One row an offer, over its points in the currency that it has now, without the marked ones. A price
# holds until the next point that is not marked, the last one until the offer was seen last; the
# average weighs each price by that time. Prices that held for no time at all count alike.
_STATISTICS = """
CREATE VIEW ecommerce_price_statistics AS
SELECT
    o.id AS offer_id,
    o.currency,
    s.point_count,
    s.outlier_count,
    s.min_price,
    s.max_price,
    s.avg_price,
    s.lowest_at,
    s.first_at,
    s.last_at
FROM ecommerce_offers AS o
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE NOT p.is_left_out) AS point_count,
        count(*) FILTER (WHERE p.is_left_out) AS outlier_count,
        min(p.price) FILTER (WHERE NOT p.is_left_out) AS min_price,
        max(p.price) FILTER (WHERE NOT p.is_left_out) AS max_price,
        round(
            coalesce(
                sum(p.price * p.seconds) FILTER (WHERE NOT p.is_left_out)
                / nullif(sum(p.seconds) FILTER (WHERE NOT p.is_left_out), 0),
                avg(p.price) FILTER (WHERE NOT p.is_left_out)
            ),
            2
        ) AS avg_price,
        (
            array_agg(p.recorded_at ORDER BY p.price, p.recorded_at)
            FILTER (WHERE NOT p.is_left_out)
        )[1] AS lowest_at,
        min(p.recorded_at) FILTER (WHERE NOT p.is_left_out) AS first_at,
        max(p.recorded_at) FILTER (WHERE NOT p.is_left_out) AS last_at
    FROM (
        SELECT
            h.price,
            h.currency,
            h.recorded_at,
            h.is_outlier IS TRUE AS is_left_out,
            extract(
                epoch FROM coalesce(
                    lead(h.recorded_at) OVER (
                        PARTITION BY h.is_outlier IS TRUE
                        ORDER BY h.recorded_at
                    ),
                    greatest(o.scraped_at, h.recorded_at)
                ) - h.recorded_at
            ) AS seconds
        FROM ecommerce_price_history AS h
        WHERE h.offer_id = o.id
    ) AS p
    WHERE p.currency IS NOT DISTINCT FROM o.currency
) AS s;
"""

_REVERSE = """
DROP VIEW ecommerce_price_statistics;
DROP FUNCTION ecommerce_is_outlier;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0006_exactness"),
    ]

    operations = [
        migrations.RunSQL(_IS_GLITCH + _STATISTICS, _REVERSE),
    ]
