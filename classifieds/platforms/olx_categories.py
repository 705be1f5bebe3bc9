"""The public category tree of olx.uz, as reference data: an ad carries a category's id only.

The first two levels have English slugs: the platform's own are Russian in Latin letters
(transport/legkovye-avtomobili). Deeper slugs, brands of cars among them, are as published.
"""

from typing import NamedTuple

#: A line is: id, parent's id (0 at the top), slug, published name. Parents precede children.
_TREE = """\
36 0 kids Детский мир
69 36 furniture Детская мебель
542 36 shoes Детская обувь
1479 542 obuv-dlya-devochek Обувь для девочек
1481 542 obuv-dlya-malchikov Обувь для мальчиков
1483 542 obuv-dlya-malyshey Обувь для малышей
539 36 clothes Детская одежда
70 539 odezhda-dlya-devochek Одежда для девочек
541 539 odezhda-dlya-malchikov Одежда для мальчиков
540 539 odezhda-dlya-novorozhdennyh Одежда для новорожденных
538 36 car-seats Детские автокресла
68 36 strollers Детские коляски
889 36 ride-ons Детский транспорт
543 36 toys Игрушки
544 36 feeding Кормление
71 36 other Прочие детские товары
545 36 school Товары для школьников
899 0 home-garden Дом и сад
537 899 household Хозяйственный инвентарь / бытовая химия
654 899 tools Инструменты
656 654 benzoinstrument Бензоинструмент
657 654 elektroinstrument Электроинструмент
658 654 pnevmoinstrument Пневмоинструмент
659 654 prochiy-instrument Прочий инструмент
655 654 ruchnoy-instrument Ручной инструмент
632 899 stationery Канцтовары / расходные материалы
48 899 houseplants Комнатные растения
57 899 furniture Мебель
523 57 kuhonnaya-mebel Кухонная мебель
511 57 mebel-dlya-gostinoy Мебель для гостиной
522 57 mebel-dlya-prihozhey Мебель для прихожей
515 57 mebel-dlya-spalni Мебель для спальни
524 57 mebel-dlya-vannoy-komnaty Мебель для ванной комнаты
107 57 mebel-na-zakaz Мебель на заказ
525 57 ofisnaya-mebel Офисная мебель
1485 57 sadovaya-mebel Садовая мебель
1487 57 spetsializirovannaya-mebel Специализированная мебель
667 899 kitchenware Посуда / кухонная утварь
60 899 decor Предметы интерьера
533 60 dekor-okon Декор окон
1489 60 inye-predmety-interera Иные предметы интерьера
61 60 svetilniki Светильники
529 60 tekstil Текстиль
63 899 other Прочие товары для дома
1548 899 food Продукты питания / Напитки
1433 899 garden Сад / огород
611 899 garden-tools Садовый инвентарь
641 899 building-materials Товары для строительства/ремонта
645 641 elektrika Электрика
651 641 elementy-krepezha Элементы крепежа
652 641 kirpich-beton-penobloki Кирпич / бетон / пеноблоки
649 641 lakokrasochnye-materialy Лакокрасочные материалы
650 641 metalloprokat-armatura Металлопрокат / арматура
648 641 okna-steklo-zerkala Окна / двери / стеклo / зеркала
647 641 otdelochnye-i-oblitsovochnye-materialy Отделочные и облицовочные материалы
644 641 otoplenie Отопление
646 641 pilomaterialy Пиломатериалы
653 641 prochie-stroymaterialy Прочие стройматериалы
642 641 santehnika Сантехника
643 641 ventilyatsiya Вентиляция
37 0 electronics Электроника
401 37 accessories Аксессуары и комплектующие
402 37 audio Аудиотехника
414 402 akusticheskie-sistemy Акустические системы
416 402 cd-md-vinilovye-proigryvateli Cd / md / виниловые проигрыватели
409 402 magnitoly Магнитолы
72 402 mp3-pleery Mp3 плееры
413 402 muzykalnye-tsentry Музыкальные центры
404 402 naushniki Наушники
405 402 portativnaya-akustika Портативная акустика
419 402 prochaya-audiotehnika Прочая аудиотехника
410 402 radiopriemniki Радиоприемники
415 402 usiliteli-resivery Усилители / ресиверы
429 37 photo-video Фото / видео
435 429 aksessuary-dlya-foto-videokamer Аксессуары для фото / видеокамер
434 429 fotovspyshki Фотовспышки
432 429 obektivy Объективы
430 429 plenochnye-fotoapparaty Пленочные фотоаппараты
433 429 shtativy-monopody Штативы / моноподы
441 429 teleskopy-binokli Телескопы / бинокли
73 429 tsifrovye-fotoapparaty Цифровые фотоаппараты
431 429 videokamery Видеокамеры
55 37 games Игры и игровые приставки
484 55 aksessuary Аксессуары
1161 55 igry-dlya-pc Игры для PC
102 55 igry-dlya-pristavok Игры для приставок
101 55 pristavki Приставки
390 37 personal-care Индивидуальный уход
391 390 britvy-epilyatory-mashinki-dlya-strizhki Бритвы, эпиляторы, машинки для стрижки
392 390 feny-ukladka-volos Фены, укладка волос
394 390 prochaya-tehnika-dlya-individualnogo-uhoda Прочая техника для индивидуального ухода
393 390 vesy Весы
395 37 climate Климатическое оборудование
38 37 computers Компьютеры
454 38 aksessuary Аксессуары
84 38 drugoe Другое
458 38 komplektuyuschie Комплектующие
83 38 monitory Мониторы
78 38 nastolnye Настольные
80 38 noutbuki Ноутбуки
466 38 periferiynye-ustroystva Периферийные устройства
81 38 planshetnye-kompyutery Планшетные компьютеры
480 38 rashodnye-materialy Расходные материалы
453 38 servery Серверы
476 38 vneshnie-nakopiteli Внешние накопители
1431 37 other Прочая электроника
383 37 home-appliances Техника для дома
389 383 filtry-dlya-vody Фильтры для воды
76 383 prochaya-tehnika-dlya-doma Прочая техника для дома
384 383 pylesosy Пылесосы
387 383 shveynye-mashiny-i-overloki Швейные машины и оверлоки
386 383 stiralnye-mashiny Стиральные машины
385 383 utyugi Утюги
388 383 vyazalnye-mashiny Вязальные машины
369 37 kitchen-appliances Техника для кухни
373 369 elektrochayniki Электрочайники
378 369 hlebopechki Хлебопечки
370 369 holodilniki Холодильники
374 369 kofevarki-kofemolki Кофеварки / кофемолки
375 369 kuhonnye-kombayny-i-izmelchiteli Кухонные комбайны и измельчители
371 369 mikrovolnovye-pechi Микроволновые печи
376 369 parovarki Пароварки, мультиварки
372 369 plity-pechi Плиты / печи
380 369 posudomoechnye-mashiny Посудомоечные машины
382 369 prochaya-tehnika-dlya-kuhni Прочая техника для кухни
381 369 vytyazhki Вытяжки
44 37 phones Телефоны
442 44 aksessuary Аксессуары
85 44 mobilnye-telefony Мобильные телефоны
88 44 prochie-telefony Прочие телефоны
86 44 sim-karty-tarify-nomera Сим-карты / тарифы / номера
450 44 statsionarnye-telefony Стационарные телефоны
420 37 tv-video Тв / видеотехника
424 420 aksessuary-dlya-tv-videotehniki Аксессуары для ТВ/Видеотехники
421 420 dvd-pleery Медиа проигрыватели
428 420 prochaya-tv-videotehnika Прочая тв / видеотехника
426 420 sputnikovoe-tv Спутниковое тв
75 420 televizory Телевизоры
903 0 hobbies Хобби, отдых и спорт
53 903 antiques Антиквариат / коллекции
622 53 antikvarnaya-mebel Антикварная мебель
623 53 bukinistika Букинистика
626 53 kollektsionirovanie Коллекционирование
631 53 podelki-rukodelie Поделки / рукоделие
625 53 predmety-iskusstva Предметы искусства
624 53 zhivopis Живопись
54 903 tickets Билеты
485 903 records CD / DVD / пластинки / кассеты
1425 903 other Другое
49 903 books Книги / журналы
45 903 musical-instruments Музыкальные инструменты
509 45 aksessuary-dlya-muzykalnyh-instrumentov Аксессуары для музыкальных инструментов
497 45 duhovye-instrumenty Духовые инструменты
489 45 gitary Гитары
493 45 kombousiliteli Комбоусилители
90 45 pianino-fortepiano-royali Пианино / фортепиано / рояли
1429 45 prochee Прочее
495 45 sintezatory Синтезаторы
1505 45 skripki Скрипки
499 45 studiynoe-oborudovanie Студийное оборудование
498 45 udarnye-instrumenty Ударные инструменты
573 903 sports Спорт / отдых
584 573 atletika-fitnes Атлетика / фитнес
605 573 edinoborstva-boks Единоборства / бокс
603 573 futbol Футбол
597 573 igry-s-raketkoy Игры с ракеткой
582 573 konki Коньки
40 573 lyzhi-snoubordy Лыжи / сноуборды
607 573 nastolnye-igry Настольные игры
596 573 ohota-rybalka Охота / рыбалка
608 573 prochie-vidy-sporta Прочие виды спорта
1449 573 radioupravlyaemye-modeli Радиоуправляемые модели
583 573 rolikovye-konki Роликовые коньки
1451 573 sportivnoe-pitanie Спортивное питание
590 573 tovari-dlya-turizma Товары для туризма
574 573 velo Вело
602 573 vodnye-vidy-sporta Водные виды спорта
891 0 fashion Мода и стиль
98 891 accessories Аксессуары
553 98 bizhuteriya Бижутерия
893 98 drugie-aksessuary Другие аксессуары
552 98 sumki Сумки
557 98 yuvelirnye-izdeliya Ювелирные изделия
97 891 wedding Для свадьбы
554 97 svadebnye-aksessuary Свадебные аксессуары
895 97 svadebnye-platya Свадебные платья
52 891 beauty Красота / здоровье
99 52 kosmetika Косметика
568 52 parfyumeriya Парфюмерия
572 52 prochie-tovary-dlya-krasoty-i-zdorovya Прочие товары для красоты и здоровья
569 52 sredstva-po-uhodu Средства по уходу
571 52 tovary-dlya-invalidov Товары для инвалидов
1427 891 other Мода разное
556 891 watches Наручные часы
50 891 clothes Одежда/обувь
549 50 golovnye-ubory Головные уборы
548 50 muzhskaya-obuv Мужская обувь
547 50 muzhskaya-odezhda Мужская одежда
1179 50 muzhskoe-bele Мужское белье
546 50 odezhda-dlya-beremennyh Одежда для беременных
100 50 zhenskaya-obuv Женская обувь
96 50 zhenskaya-odezhda Женская одежда
1181 50 zhenskoe-bele-kupalniki Женское белье, купальники
897 891 gifts Подарки
1 0 real-estate Недвижимость
1515 1 houses Дома
330 1515 arenda-dolgosrochnaya Аренда долгосрочная
1517 1515 obmen Обмен
18 1515 prodazha Продажа
1521 1 garages Гаражи / стоянки
28 1521 arenda Аренда
21 1521 prodazha Продажа
1523 1 commercial Коммерческие помещения
11 1523 arenda Аренда
14 1523 prodazha Продажа
1511 1 apartments Квартиры
1147 1511 arenda-dolgosrochnaya Аренда долгосрочная
1513 1511 obmen Обмен
13 1511 prodazha Продажа
1563 1 daily-rent Посуточная аренда
1567 1563 dachi Дома / Дачи
1564 1563 hostel Хостелы
1566 1563 kvartira Квартиры
1565 1563 oteli Гостиницы / Отели
1568 1563 sanatorii Санатории / Дома отдыха
1519 1 land Земля
1533 1519 arenda Аренда
10 1519 prodazha Продажа
1153 0 exchange Обмен
1151 0 free Отдам даром
6 0 jobs Работа
133 6 restaurants Бары / рестораны
149 6 secretarial Cекретариат / АХО
136 6 part-time Частичная занятость
183 6 domestic-staff Домашний персонал
151 6 other Другие сферы занятий
147 6 it ИТ / телеком / компьютеры
137 6 beauty-fitness Красота / фитнес / спорт
154 6 culture Культура / искусство
145 6 marketing-design Маркетинг / реклама / дизайн
134 6 medicine Медицина / фармация
1165 6 students Начало карьеры / Студенты
1159 6 real-estate Недвижимость
141 6 education Образование
152 6 security Охрана / безопасность
143 6 manufacturing Производство / энергетика
144 6 retail-sales Розничная торговля / Продажи
1163 6 household-services Сервис и быт
150 6 construction Строительство
140 6 transport-logistics Транспорт / логистика
132 6 tourism Туризм / отдых / развлечения
148 6 law-accounting Юриспруденция и бухгалтерия
3 0 transport Транспорт
225 3 buses Автобусы
111 3 car-parts Автозапчасти и аксессуары
317 111 aksessuary-dlya-avto Аксессуары для авто
310 111 avtozapchasti Автозапчасти
271 111 avtozvuk Автозвук
325 111 gps-navigatory-avtoregistratory GPS-навигаторы / авторегистраторы
272 111 transport-na-zapchasti Транспорт на запчасти
110 3 other Другой транспорт
222 3 trucks Грузовые автомобили
108 3 cars Легковые автомобили
969 108 audi Audi
1558 108 baic Baic
973 108 bmw BMW
1555 108 byd BYD
983 108 chevrolet Chevrolet
991 108 daewoo Daewoo
1557 108 denza Denza
1133 108 drugie Другие
1007 108 fiat Fiat
1009 108 ford Ford
1559 108 gac GAC
1117 108 gaz ГАЗ
1551 108 haval Haval
1023 108 hyundai Hyundai
1550 108 isuzu Isuzu
1121 108 izh ИЖ
1552 108 jac JAC
1037 108 kia Kia
1045 108 lexus Lexus
1053 108 mazda Mazda
1055 108 mercedes Mercedes
1063 108 mitsubishi Mitsubishi
1123 108 moskvich Москвич
1553 108 nio Nio
1065 108 nissan Nissan
1069 108 opel Opel
1556 108 ora ORA
1562 108 peugeot Peugeot
1549 108 porsche Porsche
1561 108 skoda Skoda
1560 108 tesla Tesla
1107 108 toyota Toyota
1131 108 uaz УАЗ
1115 108 vaz ВАЗ
1109 108 volkswagen Volkswagen
1554 108 xpeng Xpeng
1119 108 zaz ЗАЗ
109 3 motorcycles Мото
266 109 kvadrotsikly Квадроциклы
265 109 mopedy-skutery Мопеды / скутеры
326 109 moto-prochee Мото - прочее
264 109 mototsikly Мотоциклы
1545 3 motorcycle-parts Мотозапчасти и аксессуары
318 1545 moto-aksessuary Мото аксессуары
1547 1545 motoekipirovka Мотоэкипировка
311 1545 motozapchasti Мотозапчасти
261 3 trailers Прицепы
316 3 other-parts Прочие запчасти
304 3 farm-machinery Сельхозтехника
270 3 tires-wheels Шины, диски и колёса
1535 270 avtoshiny Автошины
1539 270 diski Диски
1541 270 kolesa-v-sbore Колеса в сборе
1543 270 kolpaki Колпаки
1537 270 motoshiny Мотошины
273 3 special-machinery Спецтехника
253 3 water Водный транспорт
314 3 machinery-parts Запчасти для спец / с.х. техники
7 0 services Бизнес и услуги
112 7 auto Авто / мото услуги
767 7 finance Финансовые услуги / партнерство
193 7 beauty-health Красота / здоровье
204 7 nannies-carers Няни / сиделки
47 7 equipment Оборудование
203 7 education-sport Образование / Спорт
836 7 repair Обслуживание, ремонт техники
1493 836 bytovaya-tehnika Бытовая техника
1499 836 foto-video-audio-tehnika Фото / видео / аудио техника
1501 836 klimaticheskaya-tehnika Климатическая техника
1497 836 kompyuternaya-tehnika-igrovye-pristavki Компьютерная техника / игровые приставки
1495 836 mobilnye-ustroystva-telefoniya Мобильные устройства / телефония
1503 836 postavka-remont-obsluzhivanie-oborudovaniya Поставка / ремонт / обслуживание оборудования
1491 836 remont-i-ustanovka-sputnikovogo-tv Ремонт и установка спутникового ТВ
192 7 transportation Перевозки / аренда транспорта
1509 7 other Прочие услуги
42 7 business-sale Продажа бизнеса
813 7 rental Прокат товаров
196 7 entertainment Развлечения / Искусство / Фото / Видео
773 7 advertising Реклама / полиграфия / маркетинг / интернет
188 7 construction Строительство / ремонт / уборка
198 188 bytovoy-remont-uborka Уборка / Вывоз мусора / Дезинфекция
823 188 dizayn-arhitektura Дизайн / архитектура
828 188 elektrika Электрика
829 188 gotovye-konstruktsii Готовые конструкции
825 188 okna-dveri-balkony Изготовление и установка окон и дверей
824 188 otdelka-remont Отделка / ремонт
826 188 santehnika-kommunikatsii Сантехника / коммуникации
822 188 stroitelnye-uslugi Cтроительные услуги
827 188 ventilyatsiya-konditsionirovanie Вентиляция / кондиционирование
726 7 raw-materials Сырьё / материалы
190 7 tourism Туризм
195 7 pets Услуги для животных
194 7 translation Услуги переводчиков / набор текста
191 7 legal Юридические услуги
35 0 animals Животные
367 35 aquarium Аквариумистика
120 35 lost-found Бюро находок
66 35 other Другие животные
365 35 rodents Грызуны
65 35 cats Кошки
364 35 birds Птицы
368 35 farm-animals Сельхоз животные
64 35 dogs Собаки
67 35 pet-supplies Зоотовары
247 35 breeding Вязка
256 35 free Животные даром
"""


class Node(NamedTuple):
    """A category: its canonical path ("transport/cars/chevrolet") and its published name."""

    path: str
    name: str


def _read(tree: str) -> dict[int, Node]:
    nodes: dict[int, Node] = {}
    for line in tree.splitlines():
        category_id, parent_id, slug, name = line.split(" ", 3)
        parent = nodes.get(int(parent_id))
        path = f"{parent.path}/{slug}" if parent else slug
        nodes[int(category_id)] = Node(path, name)
    return nodes


CATEGORIES = _read(_TREE)
