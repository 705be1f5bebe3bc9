"""The tables that loading writes: abstract bases (`runs`, `payloads`), and access to the concrete
models of each database (`databases`).
"""

from marketplace.loading.models.databases import (
    LoadingModels,
    PayloadModels,
    get_payload_models,
    loading_models,
    table_of,
)
from marketplace.loading.models.payloads import PayloadDictionary, PayloadObservation, RawPayload
from marketplace.loading.models.runs import (
    INTERRUPTED,
    IS_INTERRUPTED,
    PROCESS_ENDED,
    LoadChunk,
    LoadChunkQuerySet,
    LoadRun,
    LoadRunQuerySet,
    LoadSource,
    LoadSourceQuerySet,
    QuarantinedRecord,
)

__all__ = [
    "INTERRUPTED",
    "IS_INTERRUPTED",
    "PROCESS_ENDED",
    "LoadChunk",
    "LoadChunkQuerySet",
    "LoadRun",
    "LoadRunQuerySet",
    "LoadSource",
    "LoadSourceQuerySet",
    "LoadingModels",
    "PayloadDictionary",
    "PayloadModels",
    "PayloadObservation",
    "QuarantinedRecord",
    "RawPayload",
    "get_payload_models",
    "loading_models",
    "table_of",
]
