"""File formats: from the bytes of a source to documents.

A source is a file or standard input: JSON, JSON lines, a YML feed (XML) or a CSV table; plain, gzip
or zstd. `documents.read` recognizes the format by the content and yields one `Entry` for each
document, with its place in the source; damaged data become entries with an error. Memory is bounded
by the largest record. The reader of a load, `ingest_check` and table mappings call it.
"""
