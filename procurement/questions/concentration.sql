/*
group = "relations"

[title]
en = "Concentration of suppliers"
ru = "Концентрация поставщиков"
uz = "Yetkazib beruvchilar konsentratsiyasi"

[description]
en = "How strongly a few suppliers dominate a category, a region or a customer, by their shares of the amounts of completed lots: the Herfindahl-Hirschman index (10,000 for a single supplier), the normalized index (0 for equal shares, near 1 if one of several suppliers has almost everything; empty for a single supplier), and the share of the four largest. Groups with fewer lots than the given minimum are omitted."
ru = "Насколько немногие поставщики преобладают в категории, регионе или у заказчика, по их долям в сумме завершённых лотов: индекс Херфиндаля — Хиршмана (10 000 при единственном поставщике), нормализованный индекс (0 при равных долях, около 1, если почти всё у одного из нескольких поставщиков; для единственного поставщика пуст) и доля четырёх крупнейших. Группы, где лотов меньше указанного числа, не показаны."
uz = "Turkum, hudud yoki buyurtmachida ozchilik yetkazib beruvchilar qanchalik ustun, yakunlangan lotlar summasidagi ulushlari boʻyicha: Herfindal–Hirshman indeksi (yagona yetkazib beruvchida 10 000), meʼyorlangan indeks (teng ulushlarda 0, deyarli hammasi bir nechta yetkazib beruvchidan birida boʻlsa 1 ga yaqin; yagona yetkazib beruvchi uchun boʻsh) va eng yirik toʻrttasining ulushi. Lotlari koʻrsatilgan sondan kam guruhlar koʻrsatilmaydi."

[parameters.by]
type = "choice"
choices = ["category", "region", "customer"]
default = "category"
required = true

[parameters.since]
type = "date"
default = "-1y"

[parameters.until]
type = "date"

[parameters.platform]
type = "platform"

[parameters.customer]
type = "organization"

[parameters.least_lots]
type = "number"
default = "5"
required = true
minimum = 1

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.name]
link = "procurement.organization:customer_id"
title = { en = "group", ru = "группа", uz = "guruh" }

[columns.suppliers]
type = "count"
title = { en = "suppliers", ru = "поставщики", uz = "yetkazib beruvchilar" }

[columns.amount]
type = "money:currency"

[columns.hhi]
type = "count"
title = { en = "HHI", ru = "индекс Херфиндаля — Хиршмана", uz = "Herfindal–Hirshman indeksi" }

[columns.normalized_hhi]
type = "count"
title = { en = "HHI, normalized", ru = "нормализованный индекс", uz = "meʼyorlangan indeks" }

[columns.cr4_percent]
type = "percent"
title = { en = "share of the four largest (CR4)", ru = "доля четырёх крупнейших (CR4)", uz = "eng yirik toʻrttasining ulushi (CR4)" }

[columns.largest_supplier]
link = "procurement.organization:supplier_id"
title = { en = "largest supplier", ru = "крупнейший поставщик", uz = "eng yirik yetkazib beruvchi" }

[columns.largest_percent]
type = "percent"
title = { en = "share of the largest supplier", ru = "его доля", uz = "uning ulushi" }

[columns.n_used]
type = "coverage:lots"
title = { en = "lots with supplier and amount", ru = "лоты с поставщиком и суммой", uz = "yetkazib beruvchi va summasi bor lotlar" }

[chart]
kind = "bar"
x = "name"
y = "hhi"
*/
WITH period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

-- Whether the rollup has what is asked for.
asked AS (
    SELECT
        coalesce(
            (SELECT r.since FROM procurement_rollup_markets AS r LIMIT 1) = %(since)s::date
            AND %(until)s::date IS NULL
            AND %(platform)s::text IS NULL
            AND %(customer)s::text IS NULL
            AND %(currency)s::text = 'UZS',
            false
        ) AS is_in_rollup
),

deals AS (
    SELECT
        CASE %(by)s
            WHEN 'category' THEN l.category_name
            WHEN 'region' THEN coalesce(l.region, c.region)
            WHEN 'customer' THEN coalesce(c.inn, c.platform || ':' || c.external_id)
        END AS key,
        CASE WHEN %(by)s = 'customer' THEN c.id END AS customer_id,
        CASE WHEN %(by)s = 'customer' THEN c.name END AS customer,
        s.id AS supplier_id,
        s.name AS supplier_name,
        -- The same organization on all platforms.
        coalesce(s.inn, s.platform || ':' || s.external_id) AS supplier,
        CASE
            WHEN s.id IS NOT NULL
                THEN nullif(
                    procurement_convert(
                        l.deal_cost,
                        l.currency,
                        %(currency)s,
                        (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date
                    ),
                    0
                )
        END AS amount
    FROM procurement_lots AS l
    CROSS JOIN period
    LEFT JOIN procurement_organizations AS c ON l.customer_id = c.id
    LEFT JOIN procurement_organizations AS s ON l.provider_id = s.id
    WHERE
        NOT (SELECT is_in_rollup FROM asked)
        AND l.status = 'completed'
        AND (period.since IS NULL OR l.deal_date >= period.since)
        AND (period.until IS NULL OR l.deal_date < period.until)
        AND (%(platform)s::text IS NULL OR l.platform = %(platform)s)
        AND (
            %(customer)s::text IS NULL
            OR l.customer_id = (
                SELECT o.id FROM procurement_organizations AS o
                WHERE
                    o.platform = %(customer_platform)s
                    AND o.external_id = %(customer_external_id)s
            )
        )
),

markets AS (
    SELECT
        key,
        min(customer_id) AS customer_id,
        max(customer) AS customer,
        count(*) AS lots,
        count(amount) AS n_used
    FROM deals
    GROUP BY key
),

suppliers AS (
    SELECT
        key,
        min(supplier_id) AS supplier_id,
        max(supplier_name) AS supplier_name,
        sum(amount) AS amount,
        sum(amount) / sum(sum(amount)) OVER (PARTITION BY key) AS share,
        row_number() OVER (
            PARTITION BY key ORDER BY sum(amount) DESC, min(supplier_id)
        ) AS place
    FROM deals
    WHERE amount IS NOT NULL
    GROUP BY key, supplier
),

concentration AS (
    SELECT
        key,
        count(*) AS suppliers,
        sum(amount) AS amount,
        sum(share * share) AS hhi,
        sum(share) FILTER (WHERE place <= 4) AS cr4,
        max(share) AS largest,
        min(supplier_id) FILTER (WHERE place = 1) AS supplier_id,
        min(supplier_name) FILTER (WHERE place = 1) AS largest_supplier
    FROM suppliers
    GROUP BY key
),

groups AS (
    SELECT
        m.*,
        c.suppliers,
        c.amount,
        c.hhi,
        c.cr4,
        c.largest,
        c.supplier_id,
        c.largest_supplier
    FROM markets AS m
    LEFT JOIN concentration AS c
        ON
            -- Unlike IS NOT DISTINCT FROM, these can be hashed.
            coalesce(m.key, '') = coalesce(c.key, '')
            AND (m.key IS NULL) = (c.key IS NULL)
    UNION ALL
    SELECT
        key,
        customer_id,
        customer,
        lots,
        n_amounts AS n_used,
        suppliers,
        amount,
        hhi,
        cr4,
        largest,
        supplier_id,
        supplier AS largest_supplier
    FROM procurement_rollup_markets
    WHERE (SELECT is_in_rollup FROM asked) AND by = %(by)s
)

SELECT
    coalesce(customer, key) AS name,
    customer_id,
    suppliers,
    amount,
    %(currency)s::text AS currency,
    round(10000 * hhi, 2) AS hhi,
    round((hhi - 1.0 / suppliers) / nullif(1 - 1.0 / suppliers, 0), 4) AS normalized_hhi,
    round(100 * cr4, 2) AS cr4_percent,
    largest_supplier,
    supplier_id,
    round(100 * largest, 2) AS largest_percent,
    n_used,
    lots
FROM groups
WHERE lots >= %(least_lots)s
ORDER BY hhi DESC NULLS LAST, amount DESC NULLS LAST, lots DESC, key COLLATE "C"
