"""YML feeds: elements become documents, and unsafe or foreign XML is refused."""

import pytest

from marketplace.exceptions import SourceError
from marketplace.loading.formats import documents
from tests.marketplace.loading.feed_samples import OFFER, feed, offers, read


class TestFeed:
    def test_yields_each_offer_with_the_head(self, tmp_path):
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

    def test_yields_categories_before_offers(self, tmp_path):
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

    def test_reads_comments_before_the_root(self, tmp_path):
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
    def test_includes_all_markup(self, tmp_path, xml, text):
        entries = read(tmp_path, feed(f'<offer id="1"><name>{xml}</name></offer>'))

        assert offers(entries) == [{"@id": "1", "name": [text]}]

    def test_fields_inside_a_field_are_not_text(self, tmp_path):
        outlets = '\n<outlet id="1"/><!-- x --><outlet>2</outlet>'
        xml = f'<offer id="1"><outlets>{outlets}</outlets></offer>'

        assert offers(read(tmp_path, feed(xml))) == [
            {"@id": "1", "outlets": [{"outlet": [{"@id": "1"}, "2"]}]}
        ]

    def test_html_entities_are_resolved_with_a_dtd(self, tmp_path):
        doctype = '<!DOCTYPE yml_catalog SYSTEM "shops.dtd">\n'
        xml = '<offer id="1"><name>a&nbsp;b &mdash; &oops;</name></offer>'
        broken = '<offer id="2"><name>a & b</name></offer>'

        for text in (xml, f"{xml}{broken}{xml}"):
            parsed = offers(read(tmp_path, feed(text, doctype=doctype)))
            assert {offer["name"][0] for offer in parsed} == {"a\xa0b \u2014 &oops;"}
            assert len(parsed) == text.count("oops")

    def test_the_shops_name_may_hold_a_comment(self, tmp_path):
        text = feed(OFFER.format(id=1)).replace("сад", "с<!-- x -->ад")

        assert read(tmp_path, text)[-1].document["yml_catalog"]["name"] == "Дом & сад"

    def test_comments_in_an_offer_do_not_belong_to_the_feed(self, tmp_path):
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

        entries = list(documents.read(str(path)))

        assert [offer["@id"] for offer in offers(entries)] == ["1"]


class TestRefusal:
    def test_refuses_entities(self, tmp_path):
        bomb = '<!DOCTYPE yml_catalog [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'

        with pytest.raises(SourceError, match="declares XML entities in its DOCTYPE"):
            read(tmp_path, feed(OFFER.format(id=1), doctype=bomb))

    def test_refuses_other_xml(self, tmp_path):
        with pytest.raises(
            SourceError, match="is not a YML feed: its root is <rss>, expected <yml_catalog>"
        ):
            read(tmp_path, "<rss><channel/></rss>")

    def test_refuses_entities_before_the_root(self, tmp_path):
        bomb = '<!DOCTYPE yml_catalog [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'
        text = feed(OFFER.format(id=1), doctype=bomb).replace('date="', 'date="&b;')

        with pytest.raises(SourceError, match="declares XML entities in its DOCTYPE"):
            read(tmp_path, text)

    def test_refuses_default_attributes(self, tmp_path):
        doctype = '<!DOCTYPE yml_catalog [<!ATTLIST offer a CDATA "aaaaaaaaaa">]>\n'

        with pytest.raises(SourceError, match="declares XML attributes in its DOCTYPE"):
            read(tmp_path, feed(OFFER.format(id=1), doctype=doctype))

    def test_a_comment_declares_nothing(self, tmp_path):
        text = feed(OFFER.format(id=1), doctype="<!-- <!ENTITY a 'b'> -->\n")

        assert len(offers(read(tmp_path, text))) == 1


class TestDepth:
    def test_the_limit_of_nesting_is_that_of_json(self, tmp_path, settings):
        settings.INGEST_MAX_DEPTH = 12

        def nested(number, depth):
            return f'<offer id="{number}">' + "<z>" * depth + "</z>" * depth + "</offer>"

        entries = read(tmp_path, feed(nested(1, 5) + nested(2, 6) + nested(3, 1)))

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        [fault] = [entry.fault for entry in entries if entry.fault]
        assert fault.startswith("is nested more than 12 levels deep (INGEST_MAX_DEPTH); raise ")
