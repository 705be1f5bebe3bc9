"""The app's configuration."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MarketplaceConfig(AppConfig):
    """Marketplace."""

    name = "marketplace"
    verbose_name = "Marketplace"

    def ready(self) -> None:
        """Register the system checks and what follows a migration; prepare the loader of those."""
        from marketplace.databases import migration_loader  # checks register themselves
        from marketplace.databases.roles.reconcile import reconcile_after_migration

        migration_loader.install()
        post_migrate.connect(reconcile_after_migration, dispatch_uid="roles")
