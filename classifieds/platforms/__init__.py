"""The adapters of the classifieds platforms, one module per platform.

An adapter splits the documents of a source into items, and parses an item into records of
`classifieds.records`: listings, sellers and categories. `marketplace.loading.adapters`
imports the module with the name of the platform and uses its `SHAPES`. Larger adapters are
split into several modules, by the shape of the payload.
"""
