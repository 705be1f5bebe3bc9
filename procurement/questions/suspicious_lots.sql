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

completed AS MATERIALIZED (
    SELECT
        l.*,
        d.day,
        procurement_convert(l.deal_cost, l.currency, %(currency)s, d.day) AS amount
    FROM procurement_lots AS l
    CROSS JOIN period
    CROSS JOIN LATERAL (SELECT (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date AS day) AS d
    WHERE
        l.status = 'completed'
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

prices AS (
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

medians AS (
    SELECT
        product,
        measure,
        count(*) AS prices,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY price) AS median
    FROM prices
    WHERE price IS NOT NULL
    GROUP BY product, measure
),

-- The median of the absolute deviations from the median.
deviations AS (
    SELECT
        p.product,
        p.measure,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(p.price - m.median)) AS mad
    FROM prices AS p
    INNER JOIN medians AS m ON p.product = m.product AND p.measure = m.measure
    WHERE p.price IS NOT NULL
    GROUP BY p.product, p.measure
),

-- The most unusual price of each lot. The item itself is not among its comparables.
unit_prices AS (
    SELECT DISTINCT ON (p.lot_id)
        p.lot_id,
        p.product_name,
        p.price,
        m.median,
        s.score
    FROM prices AS p
    INNER JOIN medians AS m ON p.product = m.product AND p.measure = m.measure
    INNER JOIN deviations AS d ON p.product = d.product AND p.measure = d.measure
    CROSS JOIN LATERAL (
        SELECT 0.6745 * abs(p.price - m.median) / nullif(d.mad, 0) AS score
    ) AS s
    WHERE m.prices > %(least_comparables)s AND s.score IS NOT NULL
    ORDER BY p.lot_id, s.score DESC, p.id
),

-- A row for each lot and sign; is_raised is NULL if it cannot be judged.
judged AS MATERIALIZED (
    SELECT
        c.id AS lot_id,
        f.flag,
        f.is_raised,
        f.evidence
    FROM completed AS c
    LEFT JOIN dependence AS d ON c.provider_id = d.provider_id AND c.customer_id = d.customer_id
    LEFT JOIN unit_prices AS u ON c.id = u.lot_id
    CROSS JOIN LATERAL (
        SELECT
            c.deal_cost / nullif(c.start_cost, 0) AS ratio,
            extract(EPOCH FROM c.ends_at - c.starts_at) / 3600 AS hours
    ) AS v
    CROSS JOIN LATERAL (
        VALUES
            (
                'single_bid',
                nullif(c.participants_count, 0) = 1,
                'participants_count = ' || c.participants_count
            ),
            (
                'no_price_pressure',
                100 * nullif(v.ratio, 0) >= %(pressure_percent)s,
                'deal_cost = ' || c.deal_cost || ', start_cost = ' || c.start_cost
            ),
            (
                'large_saving',
                100 - 100 * nullif(v.ratio, 0) > %(saving_percent)s,
                'deal_cost = ' || c.deal_cost || ', start_cost = ' || c.start_cost
            ),
            (
                'short_submission',
                CASE WHEN v.hours >= 0 THEN v.hours < %(short_hours)s END,
                'ends_at - starts_at = ' || round(v.hours, 1) || ' h'
            ),
            ('missing_winner', c.provider_id IS NULL, 'provider IS NULL'),
            (
                'impossible_dates',
                CASE
                    WHEN c.deal_date IS NOT NULL OR v.hours IS NOT NULL
                        THEN
                            coalesce(c.ends_at < c.starts_at, false)
                            OR coalesce(c.deal_date < c.ends_at, false)
                            OR coalesce(c.deal_date < c.starts_at, false)
                            OR coalesce(c.deal_date > c.last_seen_at, false)
                END,
                concat_ws(
                    ', ',
                    to_char(c.starts_at AT TIME ZONE 'Asia/Tashkent', '"starts_at = "YYYY-MM-DD HH24:MI'),
                    to_char(c.ends_at AT TIME ZONE 'Asia/Tashkent', '"ends_at = "YYYY-MM-DD HH24:MI'),
                    to_char(c.deal_date AT TIME ZONE 'Asia/Tashkent', '"deal_date = "YYYY-MM-DD HH24:MI'),
                    to_char(c.last_seen_at AT TIME ZONE 'Asia/Tashkent', '"last_seen_at = "YYYY-MM-DD HH24:MI')
                )
            ),
            (
                'captive_supplier',
                CASE
                    WHEN d.sales >= %(least_comparables)s
                        THEN d.share_percent >= %(captive_percent)s
                END,
                round(d.share_percent, 2) || ' %% of ' || d.sales || ' lots'
            ),
            (
                'unit_price_outlier',
                u.score > 3.5,
                u.product_name || ': ' || u.price || ', median ' || round(u.median::numeric, 2)
                || ', score ' || round(u.score::numeric, 2)
            )
    ) AS f (flag, is_raised, evidence)
),

counted AS (
    SELECT
        *,
        count(is_raised) OVER (PARTITION BY flag) AS n_used,
        count(*) OVER (PARTITION BY flag) AS lots,
        count(*) FILTER (WHERE is_raised) OVER (PARTITION BY lot_id) AS flags,
        string_agg(flag, ', ') FILTER (WHERE is_raised IS NULL) OVER (
            PARTITION BY lot_id ORDER BY flag ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS not_judged
    FROM judged
)

SELECT
    coalesce(l.title, l.display_no, l.external_id) AS lot,
    l.id AS lot_id,
    j.flag,
    t.title AS sign,
    j.evidence,
    t.formula,
    t.harmless,
    s.source,
    j.flags,
    j.not_judged,
    c.name AS customer,
    c.id AS customer_id,
    p.name AS supplier,
    p.id AS supplier_id,
    l.amount,
    %(currency)s::text AS currency,
    procurement_rate_day(l.currency, %(currency)s, l.day) AS rate_day,
    l.deal_date,
    j.n_used,
    j.lots
FROM counted AS j
INNER JOIN completed AS l ON j.lot_id = l.id
INNER JOIN texts AS t ON j.flag = t.flag AND t.language = %(language)s
INNER JOIN sources AS s ON j.flag = s.flag
LEFT JOIN procurement_organizations AS c ON l.customer_id = c.id
LEFT JOIN procurement_organizations AS p ON l.provider_id = p.id
WHERE
    j.is_raised
    AND (%(flag)s::text IS NULL OR j.flag = %(flag)s)
    AND (
        %(customer)s::text IS NULL
        OR (
            c.platform = %(customer_platform)s
            AND c.external_id = %(customer_external_id)s
        )
    )
    AND (
        %(supplier)s::text IS NULL
        OR (
            p.platform = %(supplier_platform)s
            AND p.external_id = %(supplier_external_id)s
        )
    )
ORDER BY j.flags DESC, l.amount DESC NULLS LAST, l.id, j.flag COLLATE "C"
