"""The app's configuration."""

from django.apps import AppConfig


class EcommerceConfig(AppConfig):
    """E-commerce."""

    name = "ecommerce"
    verbose_name = "E-commerce"
