"""Reading YML feeds: heads, encodings, damage, and what a parser must not do."""

import pytest

from marketplace.exceptions import SourceError
from marketplace.loading import documents

FEED = """<?xml version="1.0" encoding="{encoding}"?>
{doctype}<yml_catalog date="2026-07-03 18:10">
<shop>
<name>Дом &amp; сад</name><company>House</company><url>https://shop.example</url>
<currencies><currency id="KZT" rate="1"/></currencies>
<categories><category id="1">Всё</category><category id="2" parentId="1">ТВ</category></categories>
<offers>
<!-- supplier = house -->
{offers}
</offers>
</shop>
</yml_catalog>
"""
OFFER = (
    '<offer id="{id}" available="true"><name>№{id}</name><picture>a</picture>'
    '<picture>b</picture><param name="Вес">2</param></offer>'
)


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "feed.xml"
    path.write_bytes(text.encode(encoding))
    return list(documents.read(str(path), 1 << 20))


def feed(offers, encoding="utf-8", doctype=""):
    return FEED.format(offers=offers, encoding=encoding, doctype=doctype)


def offers(entries):
    return [
        entry.document["offer"] for entry in entries if entry.document and "offer" in entry.document
    ]


class TestFeed:
    def test_gives_each_offer_with_the_head(self, tmp_path):
        entries = read(tmp_path, feed(OFFER.format(id=1)))

        assert offers(entries) == [
            {
                "@id": "1",
                "@available": "true",
                "name": ["№1"],
                "picture": ["a", "b"],
                "param": [{"@name": "Вес", "#text": "2"}],
            }
        ]
        assert entries[-1].document["yml_catalog"] == {
            "date": "2026-07-03 18:10",
            "name": "Дом & сад",
            "company": "House",
            "url": "https://shop.example",
            "currencies": [{"@id": "KZT", "@rate": "1"}],
            "comment": "supplier = house",
        }

    def test_gives_categories_before_offers(self, tmp_path):
        entries = read(tmp_path, feed(OFFER.format(id=1)))

        assert [entry.document.get("category") for entry in entries] == [
            {"@id": "1", "#text": "Всё"},
            {"@id": "2", "@parentId": "1", "#text": "ТВ"},
            None,
        ]

    def test_reads_the_declared_encoding(self, tmp_path):
        entries = read(
            tmp_path, feed(OFFER.format(id=1), encoding="windows-1251"), encoding="windows-1251"
        )

        assert offers(entries)[0]["name"] == ["№1"]

    def test_finds_comments_before_the_root(self, tmp_path):
        text = feed(OFFER.format(id=1)).replace(
            "<yml_catalog", "<!-- Updated: now -->\n<yml_catalog"
        )

        assert "Updated: now" in read(tmp_path, text)[-1].document["yml_catalog"]["comment"]

    def test_does_not_resolve_an_external_dtd(self, tmp_path):
        dtd = tmp_path / "shops.dtd"
        dtd.write_text("<!ENTITY secret 'read'><!ELEMENT shop EMPTY>")
        doctype = f'<!DOCTYPE yml_catalog SYSTEM "{dtd.as_uri()}">\n'

        entries = read(tmp_path, feed(OFFER.format(id=1), doctype=doctype))

        assert [offer["@id"] for offer in offers(entries)] == ["1"]


class TestDamage:
    def test_a_broken_offer_costs_that_offer_only(self, tmp_path):
        broken = '<offer id="2"><name>a</nam></offer>'
        text = feed("\n".join([OFFER.format(id=1), broken, OFFER.format(id=3)]))

        entries = read(tmp_path, text)

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        [fault] = [entry for entry in entries if entry.fault]
        assert fault.raw == broken.encode()
        assert fault.place == "offer 2"

    def test_offers_behind_the_damage_keep_the_declared_encoding(self, tmp_path):
        broken = '<offer id="2"><name>a</nam></offer>'
        text = feed("\n".join([broken, OFFER.format(id=3)]), encoding="windows-1251")

        entries = read(tmp_path, text, encoding="windows-1251")

        assert offers(entries)[0]["name"] == ["№3"]

    def test_a_feed_that_is_cut_off_gives_what_it_has_and_says_so(self, tmp_path):
        text = feed("\n".join(OFFER.format(id=n) for n in (1, 2)))
        path = tmp_path / "feed.xml"
        path.write_bytes(text.encode()[: text.encode().index(b'<offer id="2"') + 40])
        found = []

        with pytest.raises(SourceError, match=r"feed\.xml is not valid XML at line"):
            for entry in documents.read(str(path), 1 << 20):
                found.append(entry)

        assert [offer["@id"] for offer in offers(found)] == ["1"]


class TestRefusal:
    def test_refuses_entities(self, tmp_path):
        bomb = '<!DOCTYPE yml_catalog [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'

        with pytest.raises(SourceError, match="declares XML entities and is refused"):
            read(tmp_path, feed(OFFER.format(id=1), doctype=bomb))

    def test_refuses_other_xml(self, tmp_path):
        with pytest.raises(SourceError, match="is no YML feed: its root is <rss>"):
            read(tmp_path, "<rss><channel/></rss>")
