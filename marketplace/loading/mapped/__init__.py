"""Tables of any source, loaded by a mapping: a TOML file that assigns columns to record fields.

`tables.load` reads a mapping file and returns a `Table`. Its adapter has one shape, so the loader
treats rows like payloads of a platform: `Table.read` yields the rows of a file as entries, and the
adapter turns a row into records. The loader calls it for `ingest --columns MAP.toml`, and uses
`suggestions` to name the mappings that fit an unknown table.
"""
