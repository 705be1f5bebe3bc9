/*
title = "bloated indexes"

[index-bloat]
subject = "{path}"
what = "About {wasted:size} of {bytes:size} ({share:.0%}) is empty."
why = "The index takes memory that other data could use, and searches are slower."
fix = "REINDEX INDEX CONCURRENTLY {path};"
evidence = ["bytes", "wasted"]
*/
-- An estimate for B-trees. Pages are assumed filled to the index's fillfactor (default 90). An entry
-- takes a header of 8 bytes, the widths of the columns rounded up to a multiple of 8 bytes, and a
-- line pointer of 4 bytes. Repeated values take less space, so the actual bloat may be larger than
-- the estimate.
WITH widths AS (
    SELECT
        index.oid,
        bool_and(
            statistics.avg_width IS NOT NULL OR attribute.attlen > 0
        ) AS is_known,
        sum(
            CASE
                WHEN attribute.attlen > 0 THEN attribute.attlen
                ELSE statistics.avg_width
            END * (1 - coalesce(statistics.null_frac, 0))
        ) AS width
    FROM pg_class AS index
    INNER JOIN pg_index ON index.oid = pg_index.indexrelid
    INNER JOIN pg_class AS indexed_table ON pg_index.indrelid = indexed_table.oid
    INNER JOIN pg_namespace AS namespace ON indexed_table.relnamespace = namespace.oid
    INNER JOIN pg_am AS method ON index.relam = method.oid
    INNER JOIN pg_attribute AS attribute ON index.oid = attribute.attrelid
    LEFT JOIN pg_attribute AS source
        ON source.attrelid = indexed_table.oid
        AND source.attnum = pg_index.indkey[attribute.attnum - 1]
        AND source.attnum > 0
    LEFT JOIN pg_stats AS statistics
        ON statistics.schemaname = namespace.nspname
        AND NOT statistics.inherited
        AND (
            (statistics.tablename = indexed_table.relname AND statistics.attname = source.attname)
            -- The statistics of an expression are stored for the index.
            OR (
                source.attname IS NULL
                AND statistics.tablename = index.relname
                AND statistics.attname = attribute.attname
            )
        )
    WHERE
        index.relkind = 'i'
        AND method.amname = 'btree'
        AND pg_index.indisvalid
        AND index.relpages >= 1280
        AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    GROUP BY index.oid
),

estimates AS (
    SELECT
        widths.oid,
        current_setting('block_size')::bigint AS block,
        index.relpages AS pages,
        1 + ceil(
            index.reltuples / greatest(
                1,
                floor(
                    (current_setting('block_size')::bigint - 40)
                    * coalesce(
                        (
                            SELECT split_part(option, '=', 2)::numeric
                            FROM unnest(index.reloptions) AS option
                            WHERE option LIKE 'fillfactor=%%'
                        ), 90
                    ) / 100
                    / (8 + ceil(widths.width / 8) * 8 + 4)
                )
            )
        ) AS needed
    FROM widths
    INNER JOIN pg_class AS index ON widths.oid = index.oid
    WHERE widths.is_known AND index.reltuples >= 0
)

SELECT
    format('%%I.%%I', namespace.nspname, index.relname) AS path,
    estimates.pages * estimates.block AS bytes,
    ((estimates.pages - estimates.needed) * estimates.block)::bigint AS wasted,
    (estimates.pages - estimates.needed) / estimates.pages AS share
FROM estimates
INNER JOIN pg_class AS index ON estimates.oid = index.oid
INNER JOIN pg_namespace AS namespace ON index.relnamespace = namespace.oid
-- Of at least 10 MB.
WHERE
    estimates.pages - estimates.needed >= estimates.pages * 0.4
    AND (estimates.pages - estimates.needed) * estimates.block >= 10 * 1024 * 1024
