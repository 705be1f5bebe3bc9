"""The app's configuration."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MarketplaceConfig(AppConfig):
    """Marketplace."""

    name = "marketplace"
    verbose_name = "Marketplace"

    def ready(self) -> None:
        """Register the system checks, and what follows a migration."""
        from marketplace import checks  # noqa: F401 # registers itself
        from marketplace.roles.mending import follow_migrations

        post_migrate.connect(follow_migrations, dispatch_uid="roles")
