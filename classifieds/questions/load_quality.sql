/*
group = "data"

[title]
en = "Quality of loaded data"
ru = "Качество загруженных данных"
uz = "Yuklangan maʼlumotlar sifati"

[description]
en = "For each platform and day: how many records were read, rejected and held, and when the newest one was observed. Below each such row, one row for each format of payloads shows how many of the parsed records have each field; some formats never have a field. The day of a run is that of its newest observation, or of its start if it has none."
ru = "По каждой платформе и дню: сколько записей прочитано, отклонено и задержано и когда наблюдалась самая новая. В строках под ней, по одной на каждый формат данных: в скольких разобранных записях есть каждое поле; в некоторых форматах поля может не быть вовсе. День — это день самого нового наблюдения загрузки, а если наблюдений нет, день её начала."
uz = "Har bir platforma va kun boʻyicha: nechta yozuv oʻqildi, rad etildi va ushlab turildi hamda eng yangisi qachon kuzatilgan. Uning ostidagi qatorlarda har bir maʼlumot formati boʻyicha nechta yozuvda har bir maydon bor; ayrim formatlarda maydon umuman boʻlmasligi mumkin. Kun — yuklashdagi eng yangi kuzatuv kuni, kuzatuv boʻlmasa, yuklash boshlangan kun."

[parameters.since]
type = "date"
default = "-30d"

[parameters.until]
type = "date"

[parameters.platform]
type = "platform"

[columns.day]
type = "date"

[columns.runs]
type = "count"

[columns.read]
type = "count"

[columns.rejected]
type = "count"

[columns.rejected_percent]
type = "percent"

[columns.held]
type = "count"

[columns.newest_observed_at]
type = "time"

[columns.price]
type = "coverage:records"
title = { en = "with price", ru = "с ценой", uz = "narxi bor" }

[columns.title]
type = "coverage:records"
title = { en = "with title", ru = "с названием", uz = "nomi bor" }

[columns.category]
type = "coverage:records"
title = { en = "with category", ru = "с категорией", uz = "turkumi bor" }

[columns.city]
type = "coverage:records"
title = { en = "with city", ru = "с городом", uz = "shahri bor" }

[columns.coordinates]
type = "coverage:records"
title = { en = "with coordinates", ru = "с координатами", uz = "koordinatalari bor" }
*/
WITH runs AS (
    SELECT
        r.*,
        (coalesce(r.newest_observed_at, r.started_at) AT TIME ZONE 'Asia/Tashkent')::date AS day
    FROM classifieds_load_runs AS r
    WHERE
        r.status <> 'queued'
        AND (%(platform)s::text IS NULL OR r.platform = %(platform)s)
),

period AS (
    SELECT *
    FROM runs
    WHERE
        (%(since)s::date IS NULL OR day >= %(since)s)
        AND (%(until)s::date IS NULL OR day <= %(until)s)
),

tallies AS (
    SELECT
        p.platform,
        p.day,
        t.format,
        (t.tally ->> 'count')::bigint AS records,
        t.tally -> 'faults' AS faults
    FROM period AS p
    CROSS JOIN LATERAL jsonb_each(p.quality_metrics -> 'tallies') AS t (format, tally)
    WHERE t.format NOT IN ('records', 'prices')
),

days AS (
    SELECT
        platform,
        day,
        NULL AS format,
        count(*) AS runs,
        sum(read_count)::bigint AS read,
        sum(rejected_count)::bigint AS rejected,
        sum(held_count)::bigint AS held,
        max(newest_observed_at) AS newest_observed_at,
        NULL::bigint AS records,
        NULL::bigint AS price,
        NULL::bigint AS title,
        NULL::bigint AS category,
        NULL::bigint AS city,
        NULL::bigint AS coordinates
    FROM period
    GROUP BY platform, day
),

formats AS (
    SELECT
        platform,
        day,
        format,
        NULL::bigint AS runs,
        NULL::bigint AS read,
        NULL::bigint AS rejected,
        NULL::bigint AS held,
        NULL::timestamptz AS newest_observed_at,
        sum(records)::bigint AS records,
        sum(records - coalesce((faults ->> 'price')::bigint, 0))::bigint AS price,
        sum(records - coalesce((faults ->> 'title')::bigint, 0))::bigint AS title,
        sum(records - coalesce((faults ->> 'category')::bigint, 0))::bigint AS category,
        sum(records - coalesce((faults ->> 'city')::bigint, 0))::bigint AS city,
        sum(records - coalesce((faults ->> 'coordinates')::bigint, 0))::bigint AS coordinates
    FROM tallies
    GROUP BY platform, day, format
)

SELECT
    platform,
    day,
    format,
    runs,
    read,
    rejected,
    round(100.0 * rejected / nullif(read, 0), 2) AS rejected_percent,
    held,
    newest_observed_at,
    records,
    price,
    title,
    category,
    city,
    coordinates
FROM (
    SELECT * FROM days
    UNION ALL
    SELECT * FROM formats
) AS quality
ORDER BY day DESC, platform, format COLLATE "C" NULLS FIRST
