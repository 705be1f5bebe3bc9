WITH statements AS (
    SELECT
        queryid,
        min(query) AS query,
        sum(calls)::bigint AS calls,
        sum(total_exec_time) AS total,
        max(max_exec_time) AS longest,
        sum(rows)::bigint AS rows,
        sum(shared_blks_hit)::bigint AS hit,
        sum(shared_blks_read)::bigint AS read
    FROM {view}
    WHERE dbid = %(database)s
    GROUP BY queryid
)

SELECT
    query,
    calls,
    total,
    total / greatest(calls, 1) AS mean,
    longest,
    rows,
    hit::double precision / nullif(hit + read, 0) AS cached,
    total / nullif(sum(total) OVER (), 0) AS share,
    sum(total) OVER () AS whole,
    count(*) OVER () AS count
FROM statements
ORDER BY total DESC
