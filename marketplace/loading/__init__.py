"""Loading: files and pushed payloads in, rows of the platform's database out.

`ingest` is called by the command of the same name, the push worker and the demo. A record passes:

    sources          the files, folders and chunks of a run, and where an earlier part stopped
    formats, mapped  bytes become documents: JSON, CSV and XML, or the rows of a mapped table
    reader           opens each source, and passes its documents on
    batch_builder    skips documents that were loaded before (`deduplication`); the others become
                     items, by the shapes of the platform's adapter (`adapters`), each with the time
                     of its observation (`document_times`)
    preparation      items become a batch: unchanged ones are recognized (`deduplication`), the rest
                     is parsed, measured (`gates`) and encoded as COPY text (`rows`)
    writer           takes each batch, often from another process (`reader_process`); at the end of
                     a full listing, the items that it lacks are marked missing (`full_listings`)
    gates            hold a batch that differs from the platform's recent ones, as chunks (`chunks`)
    commit           one transaction for each batch, exactly once, with retries (`retry`)
    staging, merge   COPY to temporary tables, then to the tables; unchanged items only by
                     `last_seen`; payloads by `payloads`; late arrivals by `replay`
    quarantine       takes the records that cannot be parsed or that the database refuses
    runs             counts, checkpoints and warnings of the run, in the same transaction; a lock
                     shows that its process lives (`run_lock`)

`review` lists, shows, releases and discards what a person must decide: held runs, quarantined
records, price outliers. Each app declares its tables and functions as a `Plan` (`targets`).
"""
