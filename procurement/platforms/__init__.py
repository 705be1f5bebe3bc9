"""The adapters of the procurement platforms, one module per platform.

An adapter splits the documents of a source into items, and parses an item into records of
`procurement.records`: lots, their items and organizations. `marketplace.loading.adapters`
imports the module with the name of the platform and uses its `SHAPES`. Larger adapters are
split into several modules, by the shape of the payload.
"""
