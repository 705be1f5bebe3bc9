"""The app's configuration."""

from django.apps import AppConfig


class MarketplaceConfig(AppConfig):
    """Marketplace."""

    name = "marketplace"
    verbose_name = "Marketplace"

    def ready(self) -> None:
        """Register the system checks."""
        from marketplace import checks  # noqa: F401 # registers itself
