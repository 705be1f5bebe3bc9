"""When the rollups of a database were computed."""

from typing import cast

from django.apps import apps
from django.db.models import QuerySet

from marketplace import models


def states_of(alias: str) -> QuerySet[models.Rollup]:
    """Return the states of the rollups of a database that were computed."""
    model = cast("type[models.Rollup]", apps.get_model(alias, "Rollup"))
    return model._default_manager.using(alias)
