"""The price history, partitioned by month, and the statistics of prices.

Django cannot declare a partitioned table, so SQL creates it. There is no default partition: it
would be scanned and locked whenever a month is attached or detached.

PostgreSQL parses the body of the SQL function and the view when they are created, so they do not
depend on a session's search path. Drop them before you change a column that they read.
"""

from decimal import Decimal

from django.db import migrations, models
from django.db.models import F, Value
from django.db.models.functions import NullIf, Round

_TABLE = """
CREATE SEQUENCE ecommerce_price_history_id_seq;
CREATE TABLE ecommerce_price_history (
    id bigint NOT NULL DEFAULT nextval('ecommerce_price_history_id_seq'),
    offer_id bigint NOT NULL,
    price numeric(18, 2) NOT NULL,
    old_price numeric(18, 2),
    currency varchar(3),
    discount_percent numeric(22, 2) GENERATED ALWAYS AS (
        round(100 - price * 100 / nullif(old_price, 0), 2)
    ) STORED,
    is_available boolean,
    available_amount integer,
    price_change numeric(18, 2),
    price_change_percent numeric(22, 2),
    is_outlier boolean,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (id, recorded_at),
    CONSTRAINT ecommerce_price_history_key UNIQUE (offer_id, recorded_at)
) PARTITION BY RANGE (recorded_at);
ALTER SEQUENCE ecommerce_price_history_id_seq OWNED BY ecommerce_price_history.id;
"""

# A price is an outlier if the prices before and after it agree within 5%, and it is at most half
# of both, 0 included, or about 10 or 100 times as much (within 5%). False if a neighbor is NULL.
_IS_OUTLIER = """
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

# One row per offer, over its points in the offer's current currency, without outliers. A price
# holds until the next point that is not an outlier, and the last one until the offer was last
# observed. The average weights each price by that time. If all times are zero, prices weigh the
# same.
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

_DISCOUNT = models.GeneratedField(
    expression=Round(
        Value(Decimal(100))
        - F("price") * Value(Decimal(100)) / NullIf(F("old_price"), Value(Decimal(0))),
        precision=2,
    ),
    output_field=models.DecimalField(max_digits=22, decimal_places=2, null=True),
    db_persist=True,
    help_text="By how many percent price is below old_price; NULL without old_price.",
)


class Migration(migrations.Migration):
    dependencies = [("ecommerce", "0002_products_and_offers")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(_TABLE, "DROP TABLE ecommerce_price_history"),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="PricePoint",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                verbose_name="ID",
                                primary_key=True,
                                serialize=False,
                                auto_created=True,
                            ),
                        ),
                        (
                            "offer",
                            models.ForeignKey(
                                "ecommerce.offer",
                                models.DO_NOTHING,
                                related_name="price_points",
                                db_constraint=False,
                                db_index=False,
                            ),
                        ),
                        ("price", models.DecimalField(max_digits=18, decimal_places=2)),
                        (
                            "old_price",
                            models.DecimalField(max_digits=18, decimal_places=2, null=True),
                        ),
                        (
                            "currency",
                            models.CharField(
                                max_length=3,
                                null=True,
                                help_text="ISO 4217; NULL if the feed does not specify it.",
                            ),
                        ),
                        ("discount_percent", _DISCOUNT),
                        ("is_available", models.BooleanField(null=True)),
                        ("available_amount", models.IntegerField(null=True)),
                        (
                            "price_change",
                            models.DecimalField(max_digits=18, decimal_places=2, null=True),
                        ),
                        (
                            "price_change_percent",
                            models.DecimalField(max_digits=22, decimal_places=2, null=True),
                        ),
                        (
                            "is_outlier",
                            models.BooleanField(
                                null=True,
                                help_text="True if the price is an outlier, which is excluded from minimum and average; False if it was confirmed manually.",
                            ),
                        ),
                        ("recorded_at", models.DateTimeField(help_text="Time of the observation.")),
                    ],
                    options={
                        "db_table": "ecommerce_price_history",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("offer", "recorded_at"), name="ecommerce_price_history_key"
                            ),
                        ],
                    },
                ),
            ],
        ),
        migrations.AddIndex(
            "PricePoint",
            models.Index(
                fields=["recorded_at"],
                name="ecommerce_price_outliers",
                condition=models.Q(is_outlier=True),
            ),
        ),
        migrations.AddIndex(
            "PricePoint", models.Index(fields=["recorded_at"], name="ecommerce_price_recorded")
        ),
        migrations.RunSQL(_IS_OUTLIER, "DROP FUNCTION ecommerce_is_outlier"),
        migrations.RunSQL(_STATISTICS, "DROP VIEW ecommerce_price_statistics"),
    ]
