"""The app's configuration."""

from django.apps import AppConfig


class ClassifiedsConfig(AppConfig):
    """Classifieds."""

    name = "classifieds"
    verbose_name = "Classifieds"
