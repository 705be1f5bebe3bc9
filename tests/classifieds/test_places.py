"""Canonical names of cities and regions."""

import json
from collections import Counter

import pytest

from classifieds.models import Listing
from classifieds.places import (
    CITIES,
    DISTRICTS,
    canonical_city,
    canonical_district,
    canonical_place,
    canonical_region,
)
from marketplace.loading.ingest import ingest
from tests import payloads


class TestCanonicalCity:
    @pytest.mark.parametrize(
        "name",
        [
            "Ташкент",
            "Toshkent",
            "Тошкент",
            "Tashkent",
            "ТАШКЕНТ",
            " ташкент ",
            "г. Ташкент",
            "г.Ташкент",
            "город Ташкент",
            "Tashkent shahri",
            "Toshkent shahri",
            "Тошкент шаҳри",
            "Тошкент ш.",
            "Tashkent City",
            "Ташкент, Чиланзарский район",
            "Мирабад",
        ],
    )
    def test_the_capital_by_any_name(self, name):
        assert canonical_city(name) == "Tashkent"

    @pytest.mark.parametrize(
        ("name", "city"),
        [
            ("Бухоро", "Bukhara"),
            ("Buxoro", "Bukhara"),
            ("Farg'ona", "Fergana"),
            ("Fargʻona", "Fergana"),
            ("Farg‘ona", "Fergana"),
            ("Farg`ona", "Fergana"),
            ("Фарғона", "Fergana"),
            ("Қўқон", "Kokand"),
            ("Самарқанд", "Samarkand"),
            ("Жиззах", "Jizzakh"),
            ("Джизак", "Jizzakh"),
            ("Янгийўл", "Yangiyul"),
            ("Каттакурган", "Kattakurgan"),
            ("Гиждуван", "Gijduvan"),
            ("Нурафшан (Тойтепа)", "Nurafshon"),
            ("Зангиата", "Zangiata"),
        ],
    )
    def test_other_cities(self, name, city):
        assert canonical_city(name) == city

    @pytest.mark.parametrize("city", CITIES, ids=lambda city: city.name)
    def test_every_name_of_every_city(self, city):
        names = [city.name, city.name_ru, city.name_uz, city.name_uz.upper()]

        assert {canonical_city(name) for name in names} == {city.name}
        assert {canonical_city(f"г. {city.name_ru}"), canonical_city(f"{city.name_uz} shahri")} == {
            city.name
        }

    @pytest.mark.parametrize(
        ("name", "latin"),
        [
            ("Бостанлык", "Bostanlyk"),
            ("БОСТАНЛЫК", "Bostanlyk"),
            ("Қўштепа", "Qo'shtepa"),
            ("Qo’shtepa", "Qo'shtepa"),
            ("Lubieszów", "Lubieszów"),
            ("Bielsko-Biała", "Bielsko-Biała"),
            ("г.", "G."),
        ],
    )
    def test_unknown_place_keeps_its_name_in_latin_letters(self, name, latin):
        assert canonical_city(name) == latin

    @pytest.mark.parametrize("name", [None, "", "  "])
    def test_an_empty_name_is_none(self, name):
        assert canonical_city(name) is None
        assert canonical_region(name) is None

    def test_real_pages_name_known_cities_only(self):
        pages = ["olx/olx-uz-cars-2025-12.json"]
        pages += [f"olx/olx-uz-rent-tashkent-2022-10/page_{i:02}.json.gz" for i in range(1, 16)]
        places = [
            (ad["location"]["cityName"], ad["location"]["regionName"])
            for page in pages
            for ad in payloads.read_json(page)["listing"]["listing"]["ads"]
        ]

        counts = Counter(canonical_place(*place) for place in places)

        assert len(places) == 832
        assert counts["Tashkent", "Tashkent City"] == 699
        assert counts["Samarkand", "Samarkand Region"] == 50
        assert counts["Khanka", "Khorezm Region"] == 2
        assert counts["Terenozek", "Syrdarya Region"] == 3
        assert len(counts) == 27
        assert all(canonical_place(city, None)[1] for city, _ in places)


class TestCanonicalRegion:
    @pytest.mark.parametrize(
        ("name", "region"),
        [
            ("Ташкентская область", "Tashkent Region"),
            ("Toshkent viloyati", "Tashkent Region"),
            ("Тошкент вилояти", "Tashkent Region"),
            ("Tashkent region", "Tashkent Region"),
            ("город Ташкент", "Tashkent City"),
            ("Toshkent shahri", "Tashkent City"),
            ("Tashkent", "Tashkent City"),
            ("Tashkent City", "Tashkent City"),
            ("Андижанская область ", "Andijan Region"),
            ("Самаркандская обл.", "Samarkand Region"),
            ("Samarqand vil.", "Samarkand Region"),
            ("Фарғона вилояти", "Fergana Region"),
            ("Farg‘ona viloyati", "Fergana Region"),
            ("Сурхондарё вилояти", "Surkhandarya Region"),
            ("Қашқадарё вилояти", "Kashkadarya Region"),
            ("Сирдарё вилояти", "Syrdarya Region"),
            ("Хоразм вилояти", "Khorezm Region"),
            ("Khorezm", "Khorezm Region"),
            ("Навоийская область", "Navoi Region"),
            ("Жиззах вилояти", "Jizzakh Region"),
            ("Каракалпакстан", "Karakalpakstan"),
            ("Республика Каракалпакстан", "Karakalpakstan"),
            ("Qoraqalpog‘iston Respublikasi", "Karakalpakstan"),
            ("Republic of Karakalpakstan", "Karakalpakstan"),
            ("Lubuskie", "Lubuskie"),
        ],
    )
    def test_published_names(self, name, region):
        assert canonical_region(name) == region

    def test_regions_of_the_state_auctions(self):
        published = payloads.read_json("procurement/uzex-regions-intercepted.json")

        regions = {canonical_region(entry["name"]) for entry in published["response_data"]}

        assert len(regions) == 14
        assert all(
            name in ("Karakalpakstan", "Tashkent City") or name.endswith(" Region")
            for name in regions
        )


class TestCanonicalPlace:
    @pytest.mark.parametrize(
        ("city", "region", "place"),
        [
            ("Ташкент", "Ташкентская область", ("Tashkent", "Tashkent City")),
            ("Кибрай", "Ташкентская область", ("Kibray", "Tashkent Region")),
            ("Самарканд", None, ("Samarkand", "Samarkand Region")),
            ("Янгибазар", "Хорезмская область", ("Yangibazar", "Khorezm Region")),
            (None, "Хорезмская область", (None, "Khorezm Region")),
            (None, None, (None, None)),
            # Towns share names, so the published region takes precedence.
            ("Карши", "Сурхандарьинская область", ("Karshi", "Surkhandarya Region")),
        ],
    )
    def test_region_of_a_city(self, city, region, place):
        assert canonical_place(city, region) == place


class TestCities:
    def test_are_in_the_country_and_have_a_region(self):
        for city in CITIES:
            assert 37 < city.latitude < 46
            assert 55 < city.longitude < 74
            assert canonical_region(city.region) == city.region

    def test_each_is_listed_once_with_the_regional_centers(self):
        names = [city.name for city in CITIES]

        assert len(names) == len(set(names))
        assert len({city.region for city in CITIES}) == 14


class TestCanonicalDistrict:
    @pytest.mark.parametrize(
        ("district", "names"),
        [
            ("Almazar", "Алмазарский район|Олмазор тумани|Olmazor tumani|almazar|олмазар"),
            ("Bektemir", "Бектемирский район|Бектемир тумани|Bektemir tumani|bektemir"),
            (
                "Chilanzar",
                "Чиланзарский район|Чилонзор тумани|Chilonzor tumani|chilonzor|chilanzar",
            ),
            ("Mirabad", "Мирабадский район|Миробод тумани|Mirobod tumani|mirabad|Мирабадский р-н"),
            (
                "Mirzo Ulugbek",
                "Мирзо-Улугбекский район|Мирзо Улуғбек тумани|Mirzo Ulugʻbek tumani|mirzo-ulugbek"
                "|М.Улугбекский р-н",
            ),
            (
                "Sergeli",
                "Сергелийский район|Сирғали тумани|Sirg'ali tumani|sergeli|Sergeli district",
            ),
            (
                "Shaykhantakhur",
                "Шайхантахурский район|Шайхонтоҳур тумани|Shayxontohur tumani|shaykhantakhur"
                "|shayhontohur|Шайхантаурский район",
            ),
            ("Uchtepa", "Учтепинский район|Учтепа тумани|Uchtepa tumani|uchtepa"),
            (
                "Yakkasaray",
                "Яккасарайский район|Яккасарой тумани|Yakkasaroy tumani|yakkasarai|yakkasaray",
            ),
            ("Yangihayot", "Янгихаётский район|Янгиҳаёт тумани|Yangihayot tumani|yangihayot"),
            ("Yashnabad", "Яшнабадский район|Яшнобод тумани|Yashnobod tumani|Хамзинский район"),
            ("Yunusabad", "Юнусабадский район|Юнусобод тумани|Yunusobod tumani|yunusabad"),
        ],
    )
    def test_all_spellings(self, district, names):
        assert {canonical_district(name, "Ташкент") for name in names.split("|")} == {district}
        assert canonical_district(names.split("|")[0].upper(), None) == district

    @pytest.mark.parametrize("name", ["Куйлюк-1 (Мирабадский район)", "Ташкент, Мирабадский район"])
    def test_a_district_next_to_another_place(self, name):
        assert canonical_district(name, "Ташкент") == canonical_district("Мирабадский", "Ташкент")

    @pytest.mark.parametrize("name", ["Наманган вилояти", "Наманганская область"])
    def test_a_region_is_not_a_city(self, name):
        assert canonical_city(name) is None

    def test_all_districts_of_the_capital_are_known(self):
        assert len(DISTRICTS) == 12
        assert {canonical_district(name, "Tashkent") for name in DISTRICTS} == set(DISTRICTS)

    @pytest.mark.parametrize(
        ("name", "city", "latin"),
        [
            ("Śródmieście", "Wrocław", "Śródmieście"),
            ("Железнодорожный район", "Самарканд", "Zheleznodorozhnyy"),
            ("Мирабадский район", "Самарканд", "Mirabadskiy"),
            ("Новый район", "Ташкент", "Novyy"),
            ("", "Ташкент", None),
            (None, None, None),
        ],
    )
    def test_unknown_districts_keep_their_name(self, name, city, latin):
        assert canonical_district(name, city) == latin

    @pytest.mark.django_db(databases=["classifieds"])
    def test_payloads_and_tables_have_the_same_place(self, tmp_path):
        place = {"cityName": "Ташкент", "districtName": "Яккасарайский район"}
        page = {"listing": {"listing": {"ads": [{"id": 1, "params": [], "location": place}]}}}
        (tmp_path / "page.json").write_text(json.dumps(page))
        (tmp_path / "table.csv").write_text("id,district\n2,yakkasarai\n3,\n")
        (tmp_path / "map.toml").write_text(
            '[listing]\nexternal_id = "id"\ndistrict = "district"\n'
            'city = { constant = "Tashkent" }\n'
        )

        ingest("olx", [str(tmp_path / "page.json")])
        ingest("olx", [str(tmp_path / "table.csv")], columns=str(tmp_path / "map.toml"))

        rows = Listing.objects.order_by("external_id")
        assert list(rows.values_list("district", "district_canonical")) == [
            ("Яккасарайский район", "Yakkasaray"),
            ("yakkasarai", "Yakkasaray"),
            (None, None),
        ]
