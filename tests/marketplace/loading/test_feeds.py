"""Reading YML feeds: heads, encodings, damage, and what a parser must not do."""

import pytest

from marketplace.exceptions import SourceError
from marketplace.loading.formats import documents

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


class TestText:
    @pytest.mark.parametrize(
        ("xml", "text"),
        [
            ("Text<br/>more", "Text more"),
            ("a<!-- x -->b", "ab"),
            ("a<?php x ?>b", "ab"),
            ("<![CDATA[a <b> & c]]>", "a <b> & c"),
            ("x<![CDATA[ & ]]>y", "x & y"),
            ("one <b>two</b>, <I>three</I>", "one two , three"),
            ("<p>one</p>\n<p>two<br/>three</p>", "one \n two three"),
            ("x <offer id='6'/> y", "x y"),
            ("a\n b", "a\n b"),
        ],
    )
    def test_is_whole(self, tmp_path, xml, text):
        entries = read(tmp_path, feed(f'<offer id="1"><name>{xml}</name></offer>'))

        assert offers(entries) == [{"@id": "1", "name": [text]}]

    def test_fields_within_a_field_are_no_text(self, tmp_path):
        outlets = '\n<outlet id="1"/><!-- x --><outlet>2</outlet>'
        xml = f'<offer id="1"><outlets>{outlets}</outlets></offer>'

        assert offers(read(tmp_path, feed(xml))) == [
            {"@id": "1", "outlets": [{"outlet": [{"@id": "1"}, "2"]}]}
        ]

    def test_entities_of_html_are_read_where_a_dtd_may_declare_them(self, tmp_path):
        doctype = '<!DOCTYPE yml_catalog SYSTEM "shops.dtd">\n'
        xml = '<offer id="1"><name>a&nbsp;b &mdash; &oops;</name></offer>'
        broken = '<offer id="2"><name>a & b</name></offer>'

        for text in (xml, f"{xml}{broken}{xml}"):
            found = offers(read(tmp_path, feed(text, doctype=doctype)))
            assert {offer["name"][0] for offer in found} == {"a\xa0b \u2014 &oops;"}
            assert len(found) == text.count("oops")

    def test_the_shops_name_may_hold_a_comment(self, tmp_path):
        text = feed(OFFER.format(id=1)).replace("сад", "с<!-- x -->ад")

        assert read(tmp_path, text)[-1].document["yml_catalog"]["name"] == "Дом & сад"

    def test_comments_in_an_offer_are_not_those_of_the_feed(self, tmp_path):
        entries = read(tmp_path, feed('<offer id="1"><name>a<!-- x -->b</name></offer>'))

        assert entries[-1].document["yml_catalog"]["comment"] == "supplier = house"


class TestNesting:
    def test_an_offer_in_an_offer_is_a_part_of_it(self, tmp_path):
        nested = '<offer id="3"><offer id="8"/><offer id="9"/></offer>'

        assert offers(read(tmp_path, feed(OFFER.format(id=1) + nested)))[1:] == [
            {"@id": "3", "offer": [{"@id": "8"}, {"@id": "9"}]}
        ]

    def test_a_feed_may_have_a_namespace(self, tmp_path):
        text = feed('<offer id="1"><g:price>5</g:price><price>6</price></offer>' * 2).replace(
            "<yml_catalog", '<yml_catalog xmlns="urn:yml" xmlns:g="urn:g"'
        )

        for damaged in (text, text.replace("</offers>", '<offer id="2">&</offer></offers>')):
            entries = read(tmp_path, damaged)
            assert offers(entries) == [{"@id": "1", "{urn:g}price": ["5"], "price": ["6"]}] * 2
            assert entries[-1].document is None or damaged == text
            assert entries[0].document["category"] == {"@id": "1", "#text": "Всё"}


class TestBlank:
    @pytest.mark.parametrize(
        "blank", [b"\n", b" \r\n\t", b"\xef\xbb\xbf", b"\n\xef\xbb\xbf", b"\n" * 100_000]
    )
    def test_before_a_feed_is_skipped(self, tmp_path, blank):
        path = tmp_path / "feed.xml"
        path.write_bytes(blank + feed(OFFER.format(id=1)).encode())

        entries = list(documents.read(str(path), 1 << 20))

        assert [offer["@id"] for offer in offers(entries)] == ["1"]


NESTED = '<offer id="3"><offer id="8"/><offer id="9"/></offer>'
COMMENT = '<!-- <offer id="7"><name>x</name></offer> -->'


class TestDamage:
    @pytest.mark.parametrize(
        "broken",
        [
            '<offer id="2"><name>a</nam></offer>',
            '<offer id="2"><name>a & b</name></offer>',
            '<offer id="2"><name>a < b</name></offer>',
            '<offer id="2"><name>a <5 b></name></offer>',
            '<offer id="2"><name>a</offer>',
            '<offer id="2"><name>a</name>',
            '<offer id="2"><name>a</name></name></offer>',
            '<offer id="2" available=true><name>a</name></offer>',
            '<offer id="2><name>a</name></offer>',
            '<offer id="2" <name>a</name></offer>',
            '<offer id="2"><name>&nbsp;</name></offer>',
            '<offer id="2"><name a="1" a="2">a</name></offer>',
            '<offer id="2"><name>\x01</name></offer>',
            '<offer id="2"><name><![CDATA[ <offer id="5"></offer> ]]></name>&</offer>',
            f'<offer id="2">{COMMENT}&</offer>',
            '<offer id="2">' + "<a>" * 3000 + "</a>" * 3000 + "</offer>",
        ],
    )
    @pytest.mark.parametrize("between", ["\n", ""])
    def test_a_broken_offer_costs_that_offer_only(self, tmp_path, broken, between):
        rest = [COMMENT, NESTED, COMMENT, OFFER.format(id=4)]
        text = feed(between.join([OFFER.format(id=1), broken, *rest]))

        entries = read(tmp_path, text)

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3", "4"]
        [fault] = [entry for entry in entries if entry.fault]
        assert fault.raw.startswith(broken.encode())
        assert fault.place == "offer 2"
        assert fault.fault.startswith("is not XML: ")

    def test_the_fault_says_why(self, tmp_path):
        broken = '<offer id="2"><name>a</nam></offer>'

        [fault] = [entry for entry in read(tmp_path, feed(broken)) if entry.fault]

        assert fault.fault == "is not XML: Opening and ending tag mismatch: name line 1 and nam"
        assert fault.raw == broken.encode()

    def test_many_broken_offers_cost_only_themselves(self, tmp_path):
        pair = OFFER.format(id=1) + '<offer id="2"><name>a</name>'

        entries = read(tmp_path, feed(pair * 500 + OFFER.format(id=3)))

        assert len(offers(entries)) == 501
        assert len([entry for entry in entries if entry.fault]) == 500

    def test_a_broken_category_costs_that_category_only(self, tmp_path):
        text = feed(OFFER.format(id=1)).replace("Всё", "A & B")

        entries = read(tmp_path, text)

        assert [entry.document and entry.document.get("category") for entry in entries] == [
            None,
            {"@id": "2", "@parentId": "1", "#text": "ТВ"},
            None,
        ]
        assert [entry.place for entry in entries if entry.fault] == ["category"]
        assert entries[-1].document["yml_catalog"]["name"] == "Дом & сад"

    def test_bytes_of_another_encoding_cost_their_offer_only(self, tmp_path):
        data = feed(OFFER.format(id=1) + '<offer id="2">?</offer>' + OFFER.format(id=3)).encode()
        path = tmp_path / "feed.xml"
        path.write_bytes(data.replace(b">?<", b">\xd0<"))

        entries = list(documents.read(str(path), 1 << 20))

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        assert len([entry for entry in entries if entry.fault]) == 1

    def test_offers_behind_the_damage_keep_the_declared_encoding(self, tmp_path):
        broken = '<offer id="2"><name>a</nam></offer>'
        text = feed("\n".join([broken, OFFER.format(id=3)]), encoding="windows-1251")

        entries = read(tmp_path, text, encoding="windows-1251")

        assert offers(entries)[0]["name"] == ["№3"]

    def test_offers_behind_the_damage_are_as_they_are_before_it(self, tmp_path):
        sound, broken = OFFER.format(id=1), '<offer id="2">&</offer>'

        before = read(tmp_path, feed(sound + broken))
        behind = read(tmp_path, feed(broken + sound))

        assert before[-2].document == behind[-1].document


class TestFailure:
    """A source that ends as failed: what could be read comes first."""

    @staticmethod
    def read(tmp_path, data):
        path = tmp_path / "feed.xml"
        path.write_bytes(data)
        found = []
        with pytest.raises(SourceError) as error:
            for entry in documents.read(str(path), 1 << 20):
                found.append(entry)
        return found, str(error.value)

    @pytest.mark.parametrize(
        ("last", "ids"),
        [
            ('<offer id="2" avai', ["1"]),
            ('<offer id="2" available="true">', ["1"]),
            ("</picture><picture>b</picture><param", ["1"]),
            ("</offer>", ["1", "2"]),
            ("</offers>", ["1", "2"]),
            ("</yml_cat", ["1", "2"]),
        ],
    )
    def test_a_feed_that_is_cut_off_gives_what_it_has_and_says_so(self, tmp_path, last, ids):
        text = feed("\n".join(OFFER.format(id=number) for number in (1, 2)))

        found, error = self.read(tmp_path, text[: text.rindex(last) + len(last)].encode())

        assert [offer["@id"] for offer in offers(found)] == ids
        assert not [entry for entry in found if entry.fault]
        assert "feed.xml is not valid XML at line " in error

    @pytest.mark.parametrize("stray", ["&", "</offer>", "<ofer></offer>", "a < b"])
    def test_damage_between_offers_is_told(self, tmp_path, stray):
        text = feed("\n".join([OFFER.format(id=1), OFFER.format(id=2), stray, OFFER.format(id=3)]))

        found, error = self.read(tmp_path, text.encode())

        assert [offer["@id"] for offer in offers(found)] == ["1", "2", "3"]
        assert "feed.xml is not valid XML at line 11, column " in error
        assert error.endswith(
            "The sound offers were read (3). Fetch or correct the file, and load it again."
        )

    def test_the_place_of_damage_is_that_in_the_file(self, tmp_path):
        text = feed(OFFER.format(id=1) + OFFER.format(id=2) + " < " + OFFER.format(id=3))
        line = next(line for line in text.splitlines() if " < " in line)

        error = self.read(tmp_path, text.encode())[1]

        column = len(line[: line.index(" < ")].encode()) + 3
        assert f"at line 9, column {column}: " in error

    @pytest.mark.parametrize("start", ["<company>", "<currencies>"])
    def test_damage_before_the_first_offer_costs_all(self, tmp_path, start):
        text = feed(OFFER.format(id=1)).replace(start, f"&{start}")

        found, error = self.read(tmp_path, text.encode())

        assert offers(found) == []
        assert "No offer was read. Fetch or correct the file" in error

    def test_a_wrongly_declared_encoding_is_named(self, tmp_path):
        data = feed(OFFER.format(id=1), encoding="utf-8").encode("windows-1251")

        found, error = self.read(tmp_path, data)

        assert found == []
        assert "feed.xml is not valid XML at line 4, column" in error
        assert "encoding" in error


class TestRefusal:
    def test_refuses_entities(self, tmp_path):
        bomb = '<!DOCTYPE yml_catalog [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'

        with pytest.raises(SourceError, match="declares XML entities and is refused"):
            read(tmp_path, feed(OFFER.format(id=1), doctype=bomb))

    def test_refuses_other_xml(self, tmp_path):
        with pytest.raises(
            SourceError, match="is not a YML feed: its root is <rss>, expected <yml_catalog>"
        ):
            read(tmp_path, "<rss><channel/></rss>")

    def test_refuses_entities_before_the_root_can_hold_them(self, tmp_path):
        bomb = '<!DOCTYPE yml_catalog [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'
        text = feed(OFFER.format(id=1), doctype=bomb).replace('date="', 'date="&b;')

        with pytest.raises(SourceError, match="declares XML entities and is refused"):
            read(tmp_path, text)

    def test_refuses_default_attributes(self, tmp_path):
        doctype = '<!DOCTYPE yml_catalog [<!ATTLIST offer a CDATA "aaaaaaaaaa">]>\n'

        with pytest.raises(SourceError, match="declares XML attributes and is refused"):
            read(tmp_path, feed(OFFER.format(id=1), doctype=doctype))

    def test_a_comment_declares_nothing(self, tmp_path):
        text = feed(OFFER.format(id=1), doctype="<!-- <!ENTITY a 'b'> -->\n")

        assert len(offers(read(tmp_path, text))) == 1


class TestLarge:
    """What is too large for a parser costs itself only; what is around the offers is skipped."""

    TEXT = "lorem ipsum " * 200_000

    @pytest.mark.parametrize(
        "large",
        [
            f"<name>{TEXT}</name>",
            f"<name><![CDATA[{TEXT}</offer>]]></name>",
            f'<name a="{TEXT}">x</name>',
            f"<name>x</name><!-- {TEXT} <offer id='9'> -->",
        ],
        ids=["text", "section", "attribute", "comment"],
    )
    def test_an_offer_is_a_fault_alone(self, tmp_path, settings, large):
        settings.INGEST_MAX_RECORD = 1 << 20
        xml = [OFFER.format(id=1), f'<offer id="2">{large}</offer>', OFFER.format(id=3)]

        entries = read(tmp_path, feed("".join(xml)))

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        [fault] = [entry for entry in entries if entry.fault]
        assert fault.place == "offer 2"
        assert fault.fault.startswith("has 2,4")
        assert "more than INGEST_MAX_RECORD (1,048,576)" in fault.fault
        assert len(fault.raw) == 1024

    def test_an_offer_within_the_limit_is_whole(self, tmp_path):
        xml = [OFFER.format(id=1), f"<offer id='2'><name>{self.TEXT}</name></offer>"]

        entries = read(tmp_path, feed("".join(xml)))

        assert offers(entries)[1]["name"] == [self.TEXT.strip()]
        assert not [entry for entry in entries if entry.fault]

    def test_an_offer_of_too_many_elements_is_a_fault_alone(self, tmp_path):
        large = "<offer id='2'>" + "<param/>" * 200_000 + "</offer>"

        entries = read(tmp_path, feed(OFFER.format(id=1) + large + OFFER.format(id=3)))

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        [fault] = [entry.fault for entry in entries if entry.fault]
        assert fault == "has more than 200,000 elements and attributes"

    @pytest.mark.parametrize(
        "between",
        [
            f"<!-- {TEXT} <offer id='9'></offer> -->",
            f"<?x {TEXT}?>",
            f"<junk>{TEXT}</junk>",
            f"<junk><![CDATA[{TEXT} <offer>]]></junk>",
        ],
        ids=["comment", "instruction", "text", "section"],
    )
    def test_what_stands_between_offers_is_skipped(self, tmp_path, between):
        xml = OFFER.format(id=1) + between + OFFER.format(id=2)

        for text in (feed(xml), feed(xml).replace("<name>", f"{between}<name>", 1)):
            entries = read(tmp_path, text)
            assert [offer["@id"] for offer in offers(entries)] == ["1", "2"]
            assert not [entry for entry in entries if entry.fault]
            assert entries[-1].document["yml_catalog"]["name"] == "Дом & сад"

    def test_a_large_tag_between_offers_ends_the_source(self, tmp_path):
        xml = f'{OFFER.format(id=1)}\n<junk a="{self.TEXT}"/>{OFFER.format(id=2)}'

        found, error = TestFailure.read(tmp_path, feed(xml).encode())

        assert [offer["@id"] for offer in offers(found)] == ["1"]
        assert "at line 10, column 1: a tag is larger than 1,048,576 bytes" in error
        assert "The sound offers were read (1)" in error

    def test_damage_behind_it_has_its_place(self, tmp_path):
        xml = f"{OFFER.format(id=1)}\n<!-- {self.TEXT}\n\n -->\n & {OFFER.format(id=2)}"

        found, error = TestFailure.read(tmp_path, feed(xml).encode())

        assert [offer["@id"] for offer in offers(found)] == ["1", "2"]
        assert "is not valid XML at line 13, column 3: " in error

    def test_an_offer_that_never_ends_is_told(self, tmp_path):
        text = feed(f"{OFFER.format(id=1)}\n<offer id='2'><name>{self.TEXT}")

        found, error = TestFailure.read(tmp_path, text[: text.rindex(" ")].encode())

        assert [offer["@id"] for offer in offers(found)] == ["1"]
        assert "at line 10, column 1: </offer> is missing" in error

    def test_sections_that_never_end_are_looked_at_once(self, tmp_path):
        broken = "<offer id='2'>" + "<![CDATA[" * 100_000 + "</offer>"

        entries = read(tmp_path, feed(OFFER.format(id=1) + broken + OFFER.format(id=3)))

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        assert [entry.place for entry in entries if entry.fault] == ["offer 2"]


class TestDepth:
    def test_elements_are_nested_as_deeply_as_json_may_be(self, tmp_path, settings):
        settings.INGEST_MAX_DEPTH = 12

        def nested(number, depth):
            return f'<offer id="{number}">' + "<z>" * depth + "</z>" * depth + "</offer>"

        entries = read(tmp_path, feed(nested(1, 5) + nested(2, 6) + nested(3, 1)))

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        [fault] = [entry.fault for entry in entries if entry.fault]
        assert fault.startswith("is nested more than 12 levels deep (INGEST_MAX_DEPTH); raise ")
