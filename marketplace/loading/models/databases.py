"""The loading models of a database, with their types."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import Model, QuerySet
from psycopg2.sql import Identifier

from marketplace.loading.models.payloads import PayloadDictionary, PayloadObservation, RawPayload
from marketplace.loading.models.runs import (
    LoadChunk,
    LoadChunkQuerySet,
    LoadRun,
    LoadRunQuerySet,
    LoadSource,
    LoadSourceQuerySet,
    QuarantinedRecord,
)


@dataclass(frozen=True)
class PayloadModels:
    """The models of stored payloads of one database."""

    alias: str
    payload: type[RawPayload]
    dictionary: type[PayloadDictionary]
    observation: type[PayloadObservation]

    @property
    def payloads(self) -> QuerySet[RawPayload]:
        """Return the stored payloads."""
        return QuerySet(self.payload, using=self.alias)

    @property
    def dictionaries(self) -> QuerySet[PayloadDictionary]:
        """Return the dictionaries that compress payloads."""
        return QuerySet(self.dictionary, using=self.alias)


@dataclass(frozen=True)
class LoadingModels:
    """The models that loading writes in one database, and querysets of their rows."""

    alias: str
    run: type[LoadRun]
    source: type[LoadSource]
    chunk: type[LoadChunk]
    quarantined: type[QuarantinedRecord]
    #: None if the database stores no payloads.
    payload_models: PayloadModels | None

    @property
    def runs(self) -> LoadRunQuerySet:
        """Return the runs."""
        return LoadRunQuerySet(self.run, using=self.alias)

    @property
    def sources(self) -> LoadSourceQuerySet:
        """Return the sources of runs."""
        return LoadSourceQuerySet(self.source, using=self.alias)

    @property
    def chunks(self) -> LoadChunkQuerySet:
        """Return the chunks of runs."""
        return LoadChunkQuerySet(self.chunk, using=self.alias)

    @property
    def quarantine(self) -> QuerySet[QuarantinedRecord]:
        """Return the quarantined records."""
        return QuerySet(self.quarantined, using=self.alias)


def table_of(model: type[Model]) -> Identifier:
    """Return the identifier of a model's table, for SQL."""
    return Identifier(model._meta.db_table)


@cache
def loading_models(alias: str) -> LoadingModels:
    """Return the models that loading writes in a database."""
    return LoadingModels(
        alias=alias,
        run=_model(alias, "LoadRun"),
        source=_model(alias, "LoadSource"),
        chunk=_model(alias, "LoadChunk"),
        quarantined=_model(alias, "QuarantinedRecord"),
        payload_models=_payload_models(alias),
    )


def get_payload_models(alias: str) -> PayloadModels:
    """Return the models of stored payloads of a database.

    :raises LookupError: if the database stores no payloads
    """
    models = loading_models(alias).payload_models
    if models is None:
        raise LookupError(f"{alias} stores no payloads.")
    return models


def _payload_models(alias: str) -> PayloadModels | None:
    if "rawpayload" not in apps.get_app_config(alias).models:
        return None
    return PayloadModels(
        alias=alias,
        payload=_model(alias, "RawPayload"),
        dictionary=_model(alias, "PayloadDictionary"),
        observation=_model(alias, "PayloadObservation"),
    )


def _model(alias: str, name: str) -> Any:
    """Return a model of a database's app. Its type is stated by the field that it is stored in."""
    return apps.get_model(alias, name)
