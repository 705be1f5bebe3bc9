"""YML feeds with large offers, texts, comments and tags: memory stays bounded."""

import pytest

from tests.marketplace.loading.feed_samples import OFFER, feed, offers, read, read_failing


class TestLarge:
    """A large offer is one error. Large parts between offers are skipped."""

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
    def test_a_large_offer_is_one_error(self, tmp_path, settings, large):
        settings.INGEST_MAX_RECORD = 1 << 20
        xml = [OFFER.format(id=1), f'<offer id="2">{large}</offer>', OFFER.format(id=3)]

        entries = read(tmp_path, feed("".join(xml)))

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        [fault] = [entry for entry in entries if entry.fault]
        assert fault.place == "offer 2"
        assert fault.fault.startswith("has 2,4")
        assert "more than INGEST_MAX_RECORD (1,048,576)" in fault.fault
        assert len(fault.raw) == 1024

    def test_an_offer_within_the_limit_is_read(self, tmp_path):
        xml = [OFFER.format(id=1), f"<offer id='2'><name>{self.TEXT}</name></offer>"]

        entries = read(tmp_path, feed("".join(xml)))

        assert offers(entries)[1]["name"] == [self.TEXT.strip()]
        assert not [entry for entry in entries if entry.fault]

    def test_an_offer_with_too_many_elements_is_one_error(self, tmp_path):
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
            f'<junk a="{TEXT}"/>',
        ],
        ids=["comment", "instruction", "text", "section", "tag"],
    )
    def test_large_parts_between_offers_are_skipped(self, tmp_path, between):
        xml = OFFER.format(id=1) + between + OFFER.format(id=2)

        for text in (feed(xml), feed(xml).replace("<name>", f"{between}<name>", 1)):
            entries = read(tmp_path, text)
            assert [offer["@id"] for offer in offers(entries)] == ["1", "2"]
            assert not [entry for entry in entries if entry.fault]
            assert entries[-1].document["yml_catalog"]["name"] == "Дом & сад"

    def test_a_part_that_is_too_large_is_damage(self, tmp_path):
        xml = f'{OFFER.format(id=1)}\n<junk a="{self.TEXT * 5}"/>{OFFER.format(id=2)}'

        entries, error = read_failing(tmp_path, feed(xml).encode())

        assert [offer["@id"] for offer in offers(entries)] == ["1", "2"]
        assert "is not valid XML at line 10, column " in error
        assert "The valid offers were read (2)" in error

    def test_damage_after_a_large_part_has_its_place(self, tmp_path):
        xml = f"{OFFER.format(id=1)}\n<!-- {self.TEXT}\n\n -->\n & {OFFER.format(id=2)}"

        entries, error = read_failing(tmp_path, feed(xml).encode())

        assert [offer["@id"] for offer in offers(entries)] == ["1", "2"]
        assert "is not valid XML at line 13, column 3: " in error

    def test_an_offer_without_an_end_is_reported(self, tmp_path):
        text = feed(f"{OFFER.format(id=1)}\n<offer id='2'><name>{self.TEXT}")

        entries, error = read_failing(tmp_path, text[: text.rindex(" ")].encode())

        assert [offer["@id"] for offer in offers(entries)] == ["1"]
        assert "is not valid XML at line 10, column " in error

    def test_a_section_without_an_end_is_searched_once(self, tmp_path):
        broken = "<offer id='2'>" + "<![CDATA[" * 100_000 + "</offer>"

        entries = read(tmp_path, feed(OFFER.format(id=1) + broken + OFFER.format(id=3)))

        assert [offer["@id"] for offer in offers(entries)] == ["1", "3"]
        assert [entry.place for entry in entries if entry.fault] == ["offer 2"]
