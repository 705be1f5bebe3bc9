"""Abstract bases of tables that all three databases have, and the tokens of the HTTP API, which are
in the database of accounts.

The tables that loading writes are in `marketplace.loading.models` and `payload_models`.
"""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, GeneratedField, Q, Value
from django.db.models.functions import NullIf, Round


def percent_below(part: str, whole: str, help_text: str) -> GeneratedField:
    """Return a stored generated column: by how many percent `part` is below `whole`."""
    hundred = Value(Decimal(100))
    share = hundred - F(part) * hundred / NullIf(F(whole), Value(Decimal(0)))
    return GeneratedField(
        expression=Round(share, precision=2),
        output_field=models.DecimalField(max_digits=22, decimal_places=2, null=True),
        db_persist=True,
        help_text=help_text,
    )


def content_hash() -> models.BinaryField[bytes | None, bytes | None]:
    """Return the column with the hash by which loading recognizes unchanged content."""
    return models.BinaryField(
        null=True,
        help_text="XXH3-128 of the newest observed content, if it can be hashed.",
    )


class PlatformRow(models.Model):
    """An object on a platform, identified by the platform's own id."""

    # Identification
    platform = models.CharField(max_length=32, help_text="Name of the platform, as registered.")
    external_id = models.CharField(
        max_length=255, help_text="The platform's own id; unique within the platform."
    )

    # Lifecycle
    first_seen_at = models.DateTimeField(help_text="Time of the oldest observation.")
    last_seen_at = models.DateTimeField(help_text="Time of the newest observation.")
    updated_at = models.DateTimeField(help_text="Time at which loading last changed the content.")

    class Meta:
        abstract = True


class ExchangeRate(models.Model):
    """The official price of a currency in so'm on a day."""

    currency = models.CharField(max_length=3, help_text="Currency code (ISO 4217), such as UZS.")
    rate_date = models.DateField()
    rate = models.DecimalField(
        max_digits=20, decimal_places=6, help_text="UZS for one unit of the currency."
    )

    class Meta:
        abstract = True
        constraints = [
            # Used to find the rate of a day, or the last one before it.
            models.UniqueConstraint(
                fields=["currency", "rate_date"], name="%(app_label)s_exchange_rates_key"
            ),
            models.CheckConstraint(
                condition=Q(rate__gt=0), name="%(app_label)s_exchange_rates_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.rate_date}"


class Rollup(models.Model):
    """The state of a rollup, whose rows are in a table of its own."""

    name = models.CharField(max_length=40, primary_key=True)
    computed_at = models.DateTimeField(help_text="Time as of which its rows were computed.")
    seconds = models.FloatField(help_text="Seconds that computing them took.")
    row_count = models.BigIntegerField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A token with which an account asks questions by HTTP. Only its hash is stored."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="api_tokens",
        verbose_name="account",
    )
    name = models.CharField(max_length=100, help_text="What the token is used for.")
    token_hash = models.CharField(
        max_length=64, unique=True, editable=False, help_text="SHA-256 of the token."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(help_text="From this time on, the token is refused.")

    class Meta:
        verbose_name = "API token"
        ordering = ("user", "name")
        constraints = (
            models.UniqueConstraint(fields=("user", "name"), name="marketplace_api_token_name"),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.name}"
