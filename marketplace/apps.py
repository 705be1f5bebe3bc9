"""The app's configuration."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MarketplaceConfig(AppConfig):
    """The configuration of the app `marketplace`."""

    name = "marketplace"
    verbose_name = "Marketplace"

    def ready(self) -> None:
        """Register system checks and signal receivers, and install the migration loader."""
        from marketplace.checks import project  # noqa: F401 # importing it registers the checks
        from marketplace.databases import migration_loader
        from marketplace.databases.roles.reconcile import reconcile_after_migration
        from marketplace.databases.rollup_tables import create_after_migration
        from marketplace.questions import checks as question_checks  # noqa: F401
        from marketplace.rollups import checks as rollup_checks  # noqa: F401

        migration_loader.install()
        # In this order: the owner role receives the new tables.
        post_migrate.connect(create_after_migration, dispatch_uid="rollups")
        post_migrate.connect(reconcile_after_migration, dispatch_uid="roles")
