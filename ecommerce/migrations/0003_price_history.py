"""Price history: partitioned by month, which Django cannot declare.

There is no default partition: it would be scanned and locked whenever a month is attached or
detached. Months are made by `ecommerce_create_price_month`, which loading and `init_all` call.
"""

from decimal import Decimal

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.math
from django.db import migrations, models

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
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (id, recorded_at),
    CONSTRAINT ecommerce_price_history_key UNIQUE (offer_id, recorded_at)
) PARTITION BY RANGE (recorded_at);
ALTER SEQUENCE ecommerce_price_history_id_seq OWNED BY ecommerce_price_history.id;
"""

# Made apart and attached: creating a partition in place would lock all of the table's readers.
# It runs with its owner's rights: a role that loads data may need a month, but may not create tables.
# Takes the month (UTC) of a moment; returns the new table's name, or NULL if the month is there.
_FUNCTION = """
CREATE FUNCTION ecommerce_create_price_month(moment timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    following timestamptz := (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    month text := 'ecommerce_price_history_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || month) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    -- One at a time: two loaders may need the same new month.
    PERFORM pg_advisory_xact_lock(hashtextextended('ecommerce_price_history', 0));
    IF to_regclass('public.' || month) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'CREATE TABLE public.%I (LIKE public.ecommerce_price_history INCLUDING ALL EXCLUDING INDEXES)', month
    );
    EXECUTE format(
        'ALTER TABLE public.ecommerce_price_history ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
        month, first, following
    );
    RETURN month;
END
$$;
REVOKE ALL ON FUNCTION ecommerce_create_price_month FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0002_catalog"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(_TABLE, "DROP TABLE ecommerce_price_history"),
                migrations.RunSQL(_FUNCTION, "DROP FUNCTION ecommerce_create_price_month"),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="PricePoint",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        ("price", models.DecimalField(decimal_places=2, max_digits=18)),
                        (
                            "old_price",
                            models.DecimalField(decimal_places=2, max_digits=18, null=True),
                        ),
                        (
                            "currency",
                            models.CharField(
                                help_text="ISO 4217; NULL where a feed does not say.",
                                max_length=3,
                                null=True,
                            ),
                        ),
                        (
                            "discount_percent",
                            models.GeneratedField(
                                db_persist=True,
                                expression=django.db.models.functions.math.Round(
                                    django.db.models.expressions.CombinedExpression(
                                        models.Value(Decimal("100")),
                                        "-",
                                        django.db.models.expressions.CombinedExpression(
                                            django.db.models.expressions.CombinedExpression(
                                                models.F("price"), "*", models.Value(Decimal("100"))
                                            ),
                                            "/",
                                            django.db.models.functions.comparison.NullIf(
                                                models.F("old_price"), models.Value(Decimal("0"))
                                            ),
                                        ),
                                    ),
                                    precision=2,
                                ),
                                help_text="Percent below old_price; NULL without one.",
                                output_field=models.DecimalField(
                                    decimal_places=2, max_digits=22, null=True
                                ),
                            ),
                        ),
                        ("is_available", models.BooleanField(null=True)),
                        ("available_amount", models.IntegerField(null=True)),
                        (
                            "price_change",
                            models.DecimalField(decimal_places=2, max_digits=18, null=True),
                        ),
                        (
                            "price_change_percent",
                            models.DecimalField(decimal_places=2, max_digits=22, null=True),
                        ),
                        (
                            "recorded_at",
                            models.DateTimeField(help_text="When the platform showed this price."),
                        ),
                        (
                            "offer",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="price_points",
                                to="ecommerce.offer",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "ecommerce_price_history",
                    },
                ),
                migrations.AddConstraint(
                    model_name="pricepoint",
                    constraint=models.UniqueConstraint(
                        fields=("offer", "recorded_at"), name="ecommerce_price_history_key"
                    ),
                ),
            ],
        ),
    ]
