"""The app's configuration."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MarketplaceConfig(AppConfig):
    """Marketplace."""

    name = "marketplace"
    verbose_name = "Marketplace"

    def ready(self) -> None:
        """Register the system checks and what follows a migration; prepare the loader of those."""
        from marketplace import checks, migration_loader  # noqa: F401 # checks register themselves
        from marketplace.roles.mending import follow_migrations

        migration_loader.install()
        post_migrate.connect(follow_migrations, dispatch_uid="roles")
