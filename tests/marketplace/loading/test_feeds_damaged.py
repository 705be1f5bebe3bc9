"""Damaged YML feeds: each valid offer is read, and the damage is reported."""

import gzip

import pytest

from marketplace.loading.formats import documents
from tests.marketplace.loading.feed_samples import OFFER, feed, offers, read, read_failing

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
    def test_a_broken_offer_is_one_error(self, tmp_path, broken, between):
        rest = [COMMENT, NESTED, COMMENT, OFFER.format(id=4)]
        text = feed(between.join([OFFER.format(id=1), broken, *rest]))

        entries = read(tmp_path, text)

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3", "4"]
        [fault] = [entry for entry in entries if entry.fault]
        assert fault.raw.startswith(broken.encode())
        assert fault.place == "offer 2"
        assert fault.fault.startswith("is not XML: ")

    def test_the_error_has_a_reason(self, tmp_path):
        broken = '<offer id="2"><name>a</nam></offer>'

        [fault] = [entry for entry in read(tmp_path, feed(broken)) if entry.fault]

        assert fault.fault == "is not XML: Opening and ending tag mismatch: name line 1 and nam"
        assert fault.raw == broken.encode()

    def test_many_broken_offers_are_one_error_each(self, tmp_path):
        pair = OFFER.format(id=1) + '<offer id="2"><name>a</name>'

        entries = read(tmp_path, feed(pair * 500 + OFFER.format(id=3)))

        assert len(offers(entries)) == 501
        assert len([entry for entry in entries if entry.fault]) == 500

    def test_a_broken_category_is_one_error(self, tmp_path):
        text = feed(OFFER.format(id=1)).replace("Всё", "A & B")

        entries = read(tmp_path, text)

        assert [entry.document and entry.document.get("category") for entry in entries] == [
            None,
            {"@id": "2", "@parentId": "1", "#text": "ТВ"},
            None,
        ]
        assert [entry.place for entry in entries if entry.fault] == ["category"]
        assert entries[-1].document["yml_catalog"]["name"] == "Дом & сад"

    def test_bytes_in_another_encoding_are_one_error(self, tmp_path):
        data = feed(OFFER.format(id=1) + '<offer id="2">?</offer>' + OFFER.format(id=3)).encode()
        path = tmp_path / "feed.xml"
        path.write_bytes(data.replace(b">?<", b">\xd0<"))

        entries = list(documents.read(str(path)))

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        assert len([entry for entry in entries if entry.fault]) == 1

    def test_offers_after_the_damage_have_the_declared_encoding(self, tmp_path):
        broken = '<offer id="2"><name>a</nam></offer>'
        text = feed("\n".join([broken, OFFER.format(id=3)]), encoding="windows-1251")

        entries = read(tmp_path, text, encoding="windows-1251")

        assert offers(entries)[0]["name"] == ["№3"]

    def test_offers_before_and_after_the_damage_are_equal(self, tmp_path):
        sound, broken = OFFER.format(id=1), '<offer id="2">&</offer>'

        before = read(tmp_path, feed(sound + broken))
        behind = read(tmp_path, feed(broken + sound))

        assert before[-2].document == behind[-1].document


class TestFailure:
    """A damaged feed: the valid offers are yielded before the error."""

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
    def test_the_offers_of_a_truncated_feed_are_read(self, tmp_path, last, ids):
        text = feed("\n".join(OFFER.format(id=number) for number in (1, 2)))

        entries, error = read_failing(tmp_path, text[: text.rindex(last) + len(last)].encode())

        assert [offer["@id"] for offer in offers(entries)] == ids
        assert not [entry for entry in entries if entry.fault]
        assert "feed.xml is not valid XML at line " in error

    def test_the_offers_of_a_truncated_packed_feed_are_read(self, tmp_path):
        text = feed("".join(OFFER.format(id=number * 7919 % 10_007) for number in range(5000)))
        packed = gzip.compress(text.encode())

        entries, error = read_failing(tmp_path, packed[: len(packed) // 2])

        assert len(offers(entries)) > 1000
        assert "feed.xml is truncated or damaged: unexpected end of gzip data" in error

    @pytest.mark.parametrize("stray", ["&", "</offer>", "<ofer></offer>", "a < b"])
    def test_damage_between_offers_is_reported(self, tmp_path, stray):
        text = feed("\n".join([OFFER.format(id=1), OFFER.format(id=2), stray, OFFER.format(id=3)]))

        entries, error = read_failing(tmp_path, text.encode())

        assert [offer["@id"] for offer in offers(entries)] == ["1", "2", "3"]
        assert "feed.xml is not valid XML at line 11, column " in error
        assert error.endswith(
            "The valid offers were read (3). Fetch or correct the file, and load it again."
        )

    def test_the_place_of_the_damage_is_correct(self, tmp_path):
        text = feed(OFFER.format(id=1) + OFFER.format(id=2) + " < " + OFFER.format(id=3))
        line = next(line for line in text.splitlines() if " < " in line)

        error = read_failing(tmp_path, text.encode())[1]

        column = len(line[: line.index(" < ")].encode()) + 3
        assert f"at line 9, column {column}: " in error

    @pytest.mark.parametrize("start", ["<company>", "<currencies>"])
    def test_damage_before_the_first_offer_refuses_the_feed(self, tmp_path, start):
        text = feed(OFFER.format(id=1)).replace(start, f"&{start}")

        entries, error = read_failing(tmp_path, text.encode())

        assert offers(entries) == []
        assert "No offer was read. Fetch or correct the file" in error

    def test_a_wrongly_declared_encoding_is_reported(self, tmp_path):
        data = feed(OFFER.format(id=1), encoding="utf-8").encode("windows-1251")

        entries, error = read_failing(tmp_path, data)

        assert entries == []
        assert "feed.xml is not valid XML at line 4, column" in error
        assert "encoding" in error
