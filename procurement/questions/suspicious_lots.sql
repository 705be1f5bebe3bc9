/*
group = "risks"
shown = ["lot", "sign", "evidence", "harmless", "customer", "supplier", "amount", "deal_date"]

[title]
en = "Lots worth a look"
ru = "Лоты, на которые стоит взглянуть"
uz = "Eʼtiborga loyiq lotlar"

[description]
en = "Completed lots with signs of risk, one row for each sign, lots with most signs first. Each sign is shown with its formula, its evidence, a source, and a possible harmless cause. A sign is a reason to look, not a verdict. The signs that could not be checked because data are missing are listed."
ru = "Завершённые лоты с признаками риска, по строке на признак, сначала лоты с наибольшим числом признаков. Рядом с признаком стоят формула, основание, источник и объяснение, почему он может быть безобидным. Признак — повод посмотреть, а не вывод о нарушении. Названы признаки, о которых нельзя судить из-за нехватки данных."
uz = "Xavf belgilari bor yakunlangan lotlar, har bir belgiga bir qator, avval belgilari eng koʻp lotlar. Belgi yonida formula, asos, manba va nega u zararsiz boʻlishi mumkinligi koʻrsatilgan. Belgi — qarab chiqish uchun sabab, hukm emas. Maʼlumot yetishmagani uchun baholab boʻlmagan belgilar ham nomlangan."

[parameters.since]
type = "date"
default = "-90d"

[parameters.until]
type = "date"

[parameters.platform]
type = "platform"

[parameters.customer]
type = "organization"

[parameters.supplier]
type = "organization"

[parameters.flag]
type = "choice"
choices = ["single_bid", "no_price_pressure", "large_saving", "short_submission", "missing_winner", "impossible_dates", "captive_supplier", "unit_price_outlier"]
title = { en = "sign", ru = "признак", uz = "belgi" }

[parameters.pressure_percent]
type = "number"
default = "99"
required = true
title = { en = "no price pressure: deal at least, % of start cost", ru = "нет торга: сделка от, % от старта", uz = "savdolashuv yoʻq: bitim, boshlangʻichning % dan" }

[parameters.saving_percent]
type = "number"
default = "60"
required = true
title = { en = "large saving: more than, %", ru = "большая экономия: свыше, %", uz = "katta tejash: ortiq, %" }

[parameters.short_hours]
type = "number"
default = "48"
required = true
title = { en = "short submission: less than, hours", ru = "короткий приём: меньше часов", uz = "qisqa muddat: soatdan kam" }

[parameters.captive_percent]
type = "number"
default = "90"
required = true
title = { en = "captive supplier: share at least, %", ru = "зависимый поставщик: доля от, %", uz = "qaram yetkazib beruvchi: ulush, % dan" }

[parameters.least_comparables]
type = "number"
default = "5"
required = true
minimum = 2
title = { en = "minimum number of comparable lots", ru = "наименьшее число сопоставимых", uz = "solishtirma eng kam soni" }

[parameters.language]
type = "choice"
choices = ["en", "ru", "uz"]
default = "en"
required = true
title = { en = "language of the texts", ru = "язык текстов", uz = "matnlar tili" }

[parameters.currency]
type = "currency"
default = "UZS"
required = true

[columns.lot]
link = "procurement.lot:lot_id"
title = { en = "lot", ru = "лот", uz = "lot" }

[columns.customer]
link = "procurement.organization:customer_id"

[columns.supplier]
link = "procurement.organization:supplier_id"

[columns.amount]
type = "money:currency"

[columns.rate_day]
type = "date"

[columns.deal_date]
type = "time"
title = { en = "deal", ru = "сделка", uz = "bitim" }

[columns.flags]
type = "count"
title = { en = "signs of the lot", ru = "признаки лота", uz = "lot belgilari" }

[columns.sign]
title = { en = "sign", ru = "признак", uz = "belgi" }

[columns.evidence]
title = { en = "evidence", ru = "основание", uz = "asos" }

[columns.formula]
title = { en = "formula", ru = "формула", uz = "formula" }

[columns.harmless]
title = { en = "possible harmless cause", ru = "почему это может быть безобидно", uz = "nega zararsiz boʻlishi mumkin" }

[columns.source]
title = { en = "source", ru = "источник", uz = "manba" }

[columns.not_judged]
title = { en = "signs not checked", ru = "нельзя судить", uz = "baholanmagan" }

[columns.n_used]
type = "coverage:lots"
title = { en = "lots checked for the sign", ru = "лоты, оценённые по признаку", uz = "belgi boʻyicha baholangan lotlar" }

[[panels]]
page = "overview"
columns = ["lot", "sign", "customer"]

[[panels]]
page = "procurement.lot"
parameters = { customer = "{customer.platform}:{customer.external_id}", supplier = "{provider.platform}:{provider.external_id}", since = "" }
columns = ["lot", "sign", "evidence", "harmless", "deal_date"]
limit = 10

[[panels]]
page = "procurement.organization"
parameters = { supplier = "{platform}:{external_id}", since = "-1y" }
columns = ["lot", "sign", "evidence", "harmless", "customer", "deal_date"]
limit = 10
*/
WITH texts (flag, language, title, formula, harmless) AS (
    VALUES
        ('single_bid', 'en', 'One participant', 'participants_count = 1', 'Few suppliers of a special product; a small or remote customer.'),
        ('single_bid', 'ru', 'Один участник', 'participants_count = 1', 'Мало поставщиков особого товара; небольшой или удалённый заказчик.'),
        ('single_bid', 'uz', 'Bitta ishtirokchi', 'participants_count = 1', 'Maxsus tovar yetkazib beruvchilari kam; kichik yoki olis buyurtmachi.'),
        ('no_price_pressure', 'en', 'No price pressure', '100 · deal_cost / start_cost ≥ pressure_percent', 'A fixed or regulated price; a start cost that was already at the market price.'),
        ('no_price_pressure', 'ru', 'Нет торга', '100 · deal_cost / start_cost ≥ pressure_percent', 'Фиксированная или регулируемая цена; стартовая стоимость уже на уровне рынка.'),
        ('no_price_pressure', 'uz', 'Savdolashuv yoʻq', '100 · deal_cost / start_cost ≥ pressure_percent', 'Belgilangan yoki tartibga solingan narx; boshlangʻich qiymat bozor narxida boʻlgan.'),
        ('large_saving', 'en', 'Very large saving', '100 - 100 · deal_cost / start_cost > saving_percent', 'A start cost that was estimated too high; strong competition.'),
        ('large_saving', 'ru', 'Очень большая экономия', '100 - 100 · deal_cost / start_cost > saving_percent', 'Завышенная оценка стартовой стоимости; сильная конкуренция.'),
        ('large_saving', 'uz', 'Juda katta tejash', '100 - 100 · deal_cost / start_cost > saving_percent', 'Boshlangʻich qiymat ortiqcha baholangan; kuchli raqobat.'),
        ('short_submission', 'en', 'Short submission period', 'ends_at - starts_at < short_hours', 'A simple product; an urgent need; a procedure with a short legal period.'),
        ('short_submission', 'ru', 'Короткий приём заявок', 'ends_at - starts_at < short_hours', 'Простой товар; срочная потребность; процедура с коротким законным сроком.'),
        ('short_submission', 'uz', 'Takliflar muddati qisqa', 'ends_at - starts_at < short_hours', 'Oddiy tovar; shoshilinch ehtiyoj; qonuniy muddati qisqa tartib.'),
        ('missing_winner', 'en', 'Winner missing', 'provider IS NULL', 'The platform did not publish the supplier, or it was not loaded yet.'),
        ('missing_winner', 'ru', 'Победитель не указан', 'provider IS NULL', 'Площадка не опубликовала поставщика, или он ещё не загружен.'),
        ('missing_winner', 'uz', 'Gʻolib koʻrsatilmagan', 'provider IS NULL', 'Platforma yetkazib beruvchini eʼlon qilmagan yoki u hali yuklanmagan.'),
        ('impossible_dates', 'en', 'Impossible dates', 'ends_at < starts_at OR deal_date < ends_at OR deal_date < starts_at OR deal_date > last_seen_at', 'A typing error of the platform; a lot that was closed early; another time zone.'),
        ('impossible_dates', 'ru', 'Невозможные даты', 'ends_at < starts_at OR deal_date < ends_at OR deal_date < starts_at OR deal_date > last_seen_at', 'Опечатка площадки; лот закрыт досрочно; другой часовой пояс.'),
        ('impossible_dates', 'uz', 'Imkonsiz sanalar', 'ends_at < starts_at OR deal_date < ends_at OR deal_date < starts_at OR deal_date > last_seen_at', 'Platformadagi xato; muddatidan oldin yopilgan lot; boshqa vaqt mintaqasi.'),
        ('captive_supplier', 'en', 'Captive supplier', '100 · sum(deal_cost) of supplier and customer / sum(deal_cost) of supplier ≥ captive_percent', 'A local or new supplier; a supplier of a special product; customers outside of this platform.'),
        ('captive_supplier', 'ru', 'Зависимый поставщик', '100 · sum(deal_cost) of supplier and customer / sum(deal_cost) of supplier ≥ captive_percent', 'Местный или новый поставщик; особый товар; заказчики вне этой площадки.'),
        ('captive_supplier', 'uz', 'Qaram yetkazib beruvchi', '100 · sum(deal_cost) of supplier and customer / sum(deal_cost) of supplier ≥ captive_percent', 'Mahalliy yoki yangi yetkazib beruvchi; maxsus tovar; platformadan tashqaridagi buyurtmachilar.'),
        ('unit_price_outlier', 'en', 'Unusual unit price', '0.6745 · |price - median| / MAD > 3.5; same product_name and measure_name', 'Another quality or brand under the same name; delivery included; a small quantity.'),
        ('unit_price_outlier', 'ru', 'Необычная цена за единицу', '0.6745 · |price - median| / MAD > 3.5; same product_name and measure_name', 'Другое качество или марка под тем же названием; включена доставка; малое количество.'),
        ('unit_price_outlier', 'uz', 'Birlik narxi gʻayrioddiy', '0.6745 · |price - median| / MAD > 3.5; same product_name and measure_name', 'Bir xil nom ostida boshqa sifat yoki marka; yetkazib berish ham kiritilgan; kam miqdor.')
),

sources (flag, source) AS (
    VALUES
        ('single_bid', 'Fazekas and Kocsis (2020), Uncovering High-Level Corruption'),
        ('no_price_pressure', 'Open Contracting Partnership, Red Flags in Public Procurement'),
        ('large_saving', 'Directive 2014/24/EU, article 69: abnormally low tenders'),
        ('short_submission', 'Fazekas and Kocsis (2020), Uncovering High-Level Corruption'),
        ('missing_winner', 'Open Contracting Data Standard, awards/suppliers'),
        ('impossible_dates', 'Open Contracting Data Standard, tender/tenderPeriod, contracts/dateSigned'),
        ('captive_supplier', 'Open Contracting Partnership, Red Flags in Public Procurement'),
        ('unit_price_outlier', 'Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers')
),

period AS (
    SELECT
        %(since)s::date::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (%(until)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
),

asked AS (
    SELECT
        (
            SELECT o.id FROM procurement_organizations AS o
            WHERE
                o.platform = %(customer_platform)s
                AND o.external_id = %(customer_external_id)s
        ) AS customer_id,
        (
            SELECT o.id FROM procurement_organizations AS o
            WHERE
                o.platform = %(supplier_platform)s
                AND o.external_id = %(supplier_external_id)s
        ) AS supplier_id,
        -- Whether the rollup has the period, the currency and the comparables.
        coalesce(
            EXISTS (SELECT FROM procurement_rollup_signs AS r WHERE r.since = %(since)s::date)
            AND %(until)s::date IS NULL
            AND %(platform)s::text IS NULL
            AND %(currency)s::text = 'UZS'
            AND %(least_comparables)s = 5,
            false
        ) AS is_in_rollup
),

completed AS MATERIALIZED (
    SELECT
        l.id,
        l.customer_id,
        l.provider_id,
        l.participants_count,
        l.start_cost,
        l.deal_cost,
        l.currency,
        l.starts_at,
        l.ends_at,
        l.deal_date,
        l.last_seen_at,
        d.day,
        procurement_convert(l.deal_cost, l.currency, %(currency)s, d.day) AS amount
    FROM procurement_lots AS l
    CROSS JOIN period
    CROSS JOIN LATERAL (SELECT (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date AS day) AS d
    WHERE
        NOT (SELECT is_in_rollup FROM asked)
        AND l.status = 'completed'
        AND (period.since IS NULL OR l.deal_date >= period.since)
        AND (period.until IS NULL OR l.deal_date < period.until)
        AND (%(platform)s::text IS NULL OR l.platform = %(platform)s)
),

-- How much of all its sales a supplier has with each customer.
dependence AS (
    SELECT
        provider_id,
        customer_id,
        100 * sum(amount) / nullif(sum(sum(amount)) OVER supplier, 0) AS share_percent,
        sum(count(amount)) OVER supplier AS sales
    FROM completed
    WHERE provider_id IS NOT NULL AND customer_id IS NOT NULL
    GROUP BY provider_id, customer_id
    WINDOW supplier AS (PARTITION BY provider_id)
),

prices AS MATERIALIZED (
    SELECT
        i.id,
        c.id AS lot_id,
        i.product_name,
        lower(i.product_name) AS product,
        lower(i.measure_name) AS measure,
        procurement_convert(nullif(i.price, 0), i.currency, %(currency)s, c.day) AS price
    FROM completed AS c
    INNER JOIN procurement_lot_items AS i ON c.id = i.lot_id
    WHERE i.product_name IS NOT NULL AND i.measure_name IS NOT NULL
),

medians AS MATERIALIZED (
    SELECT
        product,
        measure,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY price) AS median
    FROM prices
    WHERE price IS NOT NULL
    GROUP BY product, measure
    HAVING count(*) > %(least_comparables)s
),

-- The median of the absolute deviations from the median.
deviations AS (
    SELECT
        p.product,
        p.measure,
        m.median,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(p.price - m.median)) AS mad
    FROM prices AS p
    INNER JOIN medians AS m ON p.product = m.product AND p.measure = m.measure
    WHERE p.price IS NOT NULL
    GROUP BY p.product, p.measure, m.median
),

-- The most unusual price of each lot. The item itself is not among its comparables.
unit_prices AS (
    SELECT DISTINCT ON (p.lot_id)
        p.lot_id,
        p.product_name,
        p.price,
        d.median,
        s.score
    FROM prices AS p
    INNER JOIN deviations AS d ON p.product = d.product AND p.measure = d.measure
    CROSS JOIN LATERAL (
        SELECT 0.6745 * abs(p.price - d.median) / nullif(d.mad, 0) AS score
    ) AS s
    WHERE s.score IS NOT NULL
    ORDER BY p.lot_id, s.score DESC, p.id
),

computed AS MATERIALIZED (
    SELECT
        c.id AS lot_id,
        c.customer_id,
        c.provider_id,
        c.amount,
        nullif(c.participants_count, 0) AS participants,
        100 * nullif(c.deal_cost / nullif(c.start_cost, 0), 0) AS cost_percent,
        CASE WHEN v.hours >= 0 THEN v.hours END AS hours,
        CASE
            WHEN c.deal_date IS NOT NULL OR v.hours IS NOT NULL
                THEN
                    coalesce(c.ends_at < c.starts_at, false)
                    OR coalesce(c.deal_date < c.ends_at, false)
                    OR coalesce(c.deal_date < c.starts_at, false)
                    OR coalesce(c.deal_date > c.last_seen_at, false)
        END AS is_impossible,
        d.sales,
        d.share_percent,
        u.score,
        u.product_name,
        u.price,
        u.median,
        c.start_cost,
        c.deal_cost,
        c.currency,
        c.starts_at,
        c.ends_at,
        c.deal_date,
        c.last_seen_at
    FROM completed AS c
    LEFT JOIN dependence AS d ON c.provider_id = d.provider_id AND c.customer_id = d.customer_id
    LEFT JOIN unit_prices AS u ON c.id = u.lot_id
    CROSS JOIN LATERAL (
        SELECT extract(EPOCH FROM c.ends_at - c.starts_at) / 3600 AS hours
    ) AS v
),

-- What the signs of each lot are judged by.
measures AS NOT MATERIALIZED (
    SELECT
        true AS is_in_rollup,
        lot_id,
        customer_id,
        provider_id,
        amount,
        participants,
        cost_percent,
        hours,
        is_impossible,
        sales,
        share_percent,
        score,
        product_name,
        price,
        median,
        start_cost,
        deal_cost,
        currency,
        starts_at,
        ends_at,
        deal_date,
        last_seen_at
    FROM procurement_rollup_signs
    WHERE since = %(since)s::date
    UNION ALL
    SELECT
        false AS is_in_rollup,
        lot_id,
        customer_id,
        provider_id,
        amount,
        participants,
        cost_percent,
        hours,
        is_impossible,
        sales,
        share_percent,
        score,
        product_name,
        price,
        median,
        start_cost,
        deal_cost,
        currency,
        starts_at,
        ends_at,
        deal_date,
        last_seen_at
    FROM computed
),

-- For how many lots each sign can be judged.
coverage AS MATERIALIZED (
    (
        SELECT
            lots,
            n_participants,
            n_costs,
            n_hours,
            n_dates,
            n_sales,
            n_scores
        FROM procurement_rollup_signs
        WHERE (SELECT is_in_rollup FROM asked) AND since = %(since)s::date
        LIMIT 1
    )
    UNION ALL
    SELECT *
    FROM (
        SELECT
            count(*) AS lots,
            count(participants) AS n_participants,
            count(cost_percent) AS n_costs,
            count(hours) AS n_hours,
            count(is_impossible) AS n_dates,
            count(share_percent) FILTER (WHERE sales >= %(least_comparables)s) AS n_sales,
            count(score) AS n_scores
        FROM computed
    ) AS counts
    WHERE NOT (SELECT is_in_rollup FROM asked)
),

-- A sign is NULL if it cannot be judged.
judged AS (
    SELECT
        m.*,
        participants = 1 AS single_bid,
        cost_percent >= %(pressure_percent)s AS no_price_pressure,
        100 - cost_percent > %(saving_percent)s AS large_saving,
        hours < %(short_hours)s AS short_submission,
        provider_id IS NULL AS missing_winner,
        CASE
            WHEN sales >= %(least_comparables)s THEN share_percent >= %(captive_percent)s
        END AS captive_supplier,
        score > 3.5 AS unit_price_outlier
    FROM measures AS m
    WHERE
        m.is_in_rollup = (SELECT is_in_rollup FROM asked)
        AND (%(customer)s::text IS NULL OR customer_id = (SELECT customer_id FROM asked))
        AND (%(supplier)s::text IS NULL OR provider_id = (SELECT supplier_id FROM asked))
),

raised AS (
    SELECT
        j.*,
        unnest(
            array_remove(
                ARRAY[
                    CASE WHEN j.single_bid THEN 'single_bid' END,
                    CASE WHEN j.no_price_pressure THEN 'no_price_pressure' END,
                    CASE WHEN j.large_saving THEN 'large_saving' END,
                    CASE WHEN j.short_submission THEN 'short_submission' END,
                    CASE WHEN j.missing_winner THEN 'missing_winner' END,
                    CASE WHEN j.is_impossible THEN 'impossible_dates' END,
                    CASE WHEN j.captive_supplier THEN 'captive_supplier' END,
                    CASE WHEN j.unit_price_outlier THEN 'unit_price_outlier' END
                ],
                NULL
            )
        ) AS flag,
        (j.single_bid IS TRUE)::int
        + (j.no_price_pressure IS TRUE)::int
        + (j.large_saving IS TRUE)::int
        + (j.short_submission IS TRUE)::int
        + j.missing_winner::int
        + (j.is_impossible IS TRUE)::int
        + (j.captive_supplier IS TRUE)::int
        + (j.unit_price_outlier IS TRUE)::int AS flags
    FROM judged AS j
    WHERE
        -- Most lots have no sign.
        j.single_bid
        OR j.no_price_pressure
        OR j.large_saving
        OR j.short_submission
        OR j.missing_winner
        OR j.is_impossible
        OR j.captive_supplier
        OR j.unit_price_outlier
)

-- What is not needed to sort the rows is looked up of those that are read only.
SELECT
    (
        SELECT coalesce(l.title, l.display_no, l.external_id)
        FROM procurement_lots AS l WHERE l.id = r.lot_id
    ) AS lot,
    r.lot_id,
    r.flag,
    (SELECT t.title FROM texts AS t WHERE t.flag = r.flag AND t.language = %(language)s) AS sign,
    CASE r.flag
        WHEN 'single_bid' THEN 'participants_count = ' || r.participants
        WHEN 'short_submission' THEN 'ends_at - starts_at = ' || round(r.hours, 1) || ' h'
        WHEN 'missing_winner' THEN 'provider IS NULL'
        WHEN 'impossible_dates'
            THEN concat_ws(
                ', ',
                to_char(r.starts_at AT TIME ZONE 'Asia/Tashkent', '"starts_at = "YYYY-MM-DD HH24:MI'),
                to_char(r.ends_at AT TIME ZONE 'Asia/Tashkent', '"ends_at = "YYYY-MM-DD HH24:MI'),
                to_char(r.deal_date AT TIME ZONE 'Asia/Tashkent', '"deal_date = "YYYY-MM-DD HH24:MI'),
                to_char(r.last_seen_at AT TIME ZONE 'Asia/Tashkent', '"last_seen_at = "YYYY-MM-DD HH24:MI')
            )
        WHEN 'captive_supplier'
            THEN round(r.share_percent, 2) || ' %% of ' || r.sales || ' lots'
        WHEN 'unit_price_outlier'
            THEN
                r.product_name || ': ' || r.price || ', median ' || round(r.median::numeric, 2)
                || ', score ' || round(r.score::numeric, 2)
        ELSE 'deal_cost = ' || r.deal_cost || ', start_cost = ' || r.start_cost
    END AS evidence,
    (SELECT t.formula FROM texts AS t WHERE t.flag = r.flag LIMIT 1) AS formula,
    (
        SELECT t.harmless FROM texts AS t WHERE t.flag = r.flag AND t.language = %(language)s
    ) AS harmless,
    (SELECT s.source FROM sources AS s WHERE s.flag = r.flag) AS source,
    r.flags,
    (
        SELECT string_agg(n.flag, ', ' ORDER BY n.flag)
        FROM (
            VALUES
                ('single_bid', r.single_bid),
                ('no_price_pressure', r.no_price_pressure),
                ('large_saving', r.large_saving),
                ('short_submission', r.short_submission),
                ('impossible_dates', r.is_impossible),
                ('captive_supplier', r.captive_supplier),
                ('unit_price_outlier', r.unit_price_outlier)
        ) AS n (flag, is_raised)
        WHERE n.is_raised IS NULL
    ) AS not_judged,
    (SELECT c.name FROM procurement_organizations AS c WHERE c.id = r.customer_id) AS customer,
    r.customer_id,
    (SELECT p.name FROM procurement_organizations AS p WHERE p.id = r.provider_id) AS supplier,
    r.provider_id AS supplier_id,
    r.amount,
    %(currency)s::text AS currency,
    procurement_rate_day(
        r.currency, %(currency)s, (r.deal_date AT TIME ZONE 'Asia/Tashkent')::date
    ) AS rate_day,
    r.deal_date,
    CASE r.flag
        WHEN 'single_bid' THEN g.n_participants
        WHEN 'no_price_pressure' THEN g.n_costs
        WHEN 'large_saving' THEN g.n_costs
        WHEN 'short_submission' THEN g.n_hours
        WHEN 'missing_winner' THEN g.lots
        WHEN 'impossible_dates' THEN g.n_dates
        WHEN 'captive_supplier' THEN g.n_sales
        WHEN 'unit_price_outlier' THEN g.n_scores
    END AS n_used,
    g.lots
FROM raised AS r
CROSS JOIN coverage AS g
WHERE %(flag)s::text IS NULL OR r.flag = %(flag)s
ORDER BY r.flags DESC, r.amount DESC NULLS LAST, r.lot_id, r.flag COLLATE "C"
