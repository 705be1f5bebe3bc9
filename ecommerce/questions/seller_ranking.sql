/*
group = "sellers"
has_history = true

[title]
en = "Seller ranking"
ru = "Рейтинг продавцов"
uz = "Sotuvchilar reytingi"

[description]
en = "Sellers by the number of products for which they are the cheapest, alone or together with others, among the sellers of the same product (same title or same barcode) on all platforms. The price of a product is that of its cheapest offer that is not sold out, in so'm at the rate of the day of its observation. The number of offers, the mean distance from the cheapest price (the geometric mean of the ratios), and the mean days for which an offer was out of stock in the last 30 days are also shown."
ru = "Продавцы по числу товаров, на которые у них самая низкая цена (или равная ей) среди продавцов того же товара (то же название или тот же штрихкод) на всех площадках. Цена товара — самое дешёвое предложение в наличии, в сумах по курсу дня. Рядом — ассортимент, среднее отклонение от самой низкой цены (геометрическое среднее отношений) и сколько дней из последних 30 предложения в среднем не было в наличии до последнего наблюдения."
uz = "Sotuvchilar barcha platformalarda xuddi shu mahsulot (nomi yoki shtrix-kodi bir xil) sotuvchilari orasida eng arzoni (yoki unga teng) boʻlgan mahsulotlar soni boʻyicha. Mahsulot narxi — sotuvdagi eng arzon taklifi, oʻsha kun kursi boʻyicha soʻmda. Yonida assortiment, eng arzon narxdan oʻrtacha farq (nisbatlarning geometrik oʻrtachasi) va oxirgi 30 kunda taklif oxirgi koʻrilguncha oʻrtacha necha kun sotuvda boʻlmagani turadi."

[parameters.platform]
type = "platform"

[parameters.category]
type = "category"

[columns.seller]
link = "ecommerce.seller:seller_id"

[columns.cheapest]
link = "seller?seller={seller_address}"
type = "count"
title = { en = "products where cheapest", ru = "дешевле всех, товаров", uz = "eng arzon mahsulotlari" }

[columns.cheapest_percent]
type = "percent"
title = { en = "share where cheapest", ru = "дешевле всех, из сравнённых", uz = "eng arzon, taqqoslanganlardan" }

[columns.compared]
type = "coverage:products"
title = { en = "products compared", ru = "сравнено товаров", uz = "taqqoslangan mahsulotlar" }

[columns.above_percent]
type = "percent"
title = { en = "mean distance from the cheapest", ru = "в среднем выше самой низкой", uz = "eng arzonidan oʻrtacha yuqori" }

[columns.offers]
type = "count"

[columns.sold_out]
type = "coverage:offers"
title = { en = "sold out now", ru = "сейчас нет в наличии", uz = "hozir sotuvda yoʻq" }

[columns.days_out]
type = "days"
title = { en = "mean days out of stock", ru = "в среднем дней не было", uz = "oʻrtacha boʻlmagan kunlar" }

[chart]
kind = "bar"
x = "seller"
y = "cheapest"
*/
WITH ranked AS (
    SELECT
        r.seller_id,
        sum(r.cheapest)::bigint AS cheapest,
        sum(r.compared)::bigint AS compared,
        sum(r.log_above) / nullif(sum(r.n_above), 0) AS log_above,
        sum(r.products)::bigint AS products,
        sum(r.offers)::bigint AS offers,
        sum(r.sold_out)::bigint AS sold_out,
        round(sum(r.seconds_out) / nullif(sum(r.observed), 0) / 86400, 2) AS days_out
    FROM ecommerce_rollup_sellers AS r
    LEFT JOIN ecommerce_categories AS c ON r.category_id = c.id
    WHERE
        (%(platform)s::text IS NULL OR r.platform = %(platform)s)
        AND r.is_total = (%(category)s::text IS NULL)
        AND ecommerce_is_in_category(c.path_names, c.name, %(category)s)
    GROUP BY r.seller_id
)

SELECT
    s.platform,
    s.name AS seller,
    r.seller_id,
    s.rating,
    r.cheapest,
    round(100.0 * r.cheapest / nullif(r.compared, 0), 2) AS cheapest_percent,
    r.compared,
    round((100 * (exp(r.log_above::double precision) - 1))::numeric, 2) AS above_percent,
    r.products,
    r.offers,
    r.sold_out,
    r.days_out,
    s.platform || ':' || s.external_id AS seller_address
FROM ranked AS r
INNER JOIN ecommerce_sellers AS s ON r.seller_id = s.id
ORDER BY r.cheapest DESC, cheapest_percent DESC NULLS LAST, r.products DESC, r.seller_id
