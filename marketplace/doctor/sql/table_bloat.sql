/*
title = "bloated tables"

[table-bloat]
subject = "{path}"
what = "About {wasted:size} of {bytes:size} ({share:.0%}) is empty."
why = """\
    A scan of the table reads the empty space, too. New rows will fill it, but only a rewrite makes \
    the table smaller."""
fix = """
-- Locks the table; the extension pg_repack locks it only briefly.
VACUUM (FULL, ANALYZE) {path};"""
evidence = ["bytes", "wasted"]
*/
-- An estimate: the size that the rows need, according to the widths that ANALYZE has measured,
-- compared with the actual size.
WITH widths AS (
    SELECT
        attribute.attrelid,
        sum((1 - coalesce(pg_stats.null_frac, 0)) * coalesce(pg_stats.avg_width, 0)) AS width,
        bool_and(pg_stats.attname IS NOT NULL) AS is_known,
        count(*) AS columns
    FROM pg_attribute AS attribute
    INNER JOIN pg_class AS class ON attribute.attrelid = class.oid
    INNER JOIN pg_namespace AS namespace ON class.relnamespace = namespace.oid
    LEFT JOIN pg_stats
        ON pg_stats.schemaname = namespace.nspname
        AND pg_stats.tablename = class.relname
        AND pg_stats.attname = attribute.attname
        AND NOT pg_stats.inherited
    WHERE
        attribute.attnum > 0
        AND NOT attribute.attisdropped
        AND class.relkind IN ('r', 'm')
        AND class.relpages >= 1280
        AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    GROUP BY attribute.attrelid
),

estimates AS (
    SELECT
        class.oid,
        class.relpages AS pages,
        current_setting('block_size')::bigint AS block,
        -- A row has a header of 24 bytes and a line pointer of 4. Alignment costs about 2 bytes per
        -- column, and the total is a multiple of 8.
        ceil(
            class.reltuples / greatest(
                1,
                floor(
                    (current_setting('block_size')::bigint - 24)
                    * coalesce(
                        (
                            SELECT split_part(option, '=', 2)::numeric
                            FROM unnest(class.reloptions) AS option
                            WHERE option LIKE 'fillfactor=%%'
                        ), 100
                    ) / 100
                    / (ceil((24 + widths.width + 2 * widths.columns) / 8) * 8 + 4)
                )
            )
        ) AS needed
    FROM widths
    INNER JOIN pg_class AS class ON widths.attrelid = class.oid
    WHERE widths.is_known AND class.reltuples >= 0
)

SELECT
    class.oid::regclass::text AS name,
    format('%%I.%%I', namespace.nspname, class.relname) AS path,
    estimates.pages * estimates.block AS bytes,
    ((estimates.pages - estimates.needed) * estimates.block)::bigint AS wasted,
    (estimates.pages - estimates.needed) / estimates.pages AS share
FROM estimates
INNER JOIN pg_class AS class ON estimates.oid = class.oid
INNER JOIN pg_namespace AS namespace ON class.relnamespace = namespace.oid
-- Of at least 10 MB.
WHERE
    estimates.pages - estimates.needed >= estimates.pages * 0.4
    AND (estimates.pages - estimates.needed) * estimates.block >= 10 * 1024 * 1024
