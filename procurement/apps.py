"""The app's configuration."""

from django.apps import AppConfig


class ProcurementConfig(AppConfig):
    """Procurement."""

    name = "procurement"
    verbose_name = "Procurement"
