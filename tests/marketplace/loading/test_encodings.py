"""The encoding of Cyrillic text is detected, or the text is refused. It is never misread."""

import random
from collections import Counter

import pytest

from marketplace.loading.formats.encodings import CYRILLIC, detect

SENTENCES = [
    "Чайник электрический, 1,7 л, белый",
    "Мужская футболка из хлопка, размер XL",
    "Продаётся квартира в центре города, рядом с метро и парком.",
    "Новый телефон в коробке, полный комплект. Торг уместен!",
    "Женские кроссовки белого цвета",
    "Объём 5 л, мощность 2000 Вт, гарантия 1 год",
    "Ёлка искусственная «Сказка» — 180 см",
    "ДЕТСКАЯ КОЛЯСКА В ХОРОШЕМ СОСТОЯНИИ",
    "Янги телефон сотилади, нархи келишилади",
    "Тошкент шахри, Чилонзор тумани",
    "Болалар учун кийим ва пойабзал",
    "Уч хонали квартира ижарага берилади, евроремонт килинган",
    "Эркаклар костюми, 52 размер, олий сифат",
    "Ноутбук Asus, 15 дюймов, SSD 512 ГБ",
]
WORDS = sorted({word for sentence in SENTENCES for word in sentence.split()})
ENCODINGS = ("utf-8", *CYRILLIC)


def outcome(text, encoding):
    raw = text.encode(encoding, "ignore")
    if raw.isascii():
        return "found"
    detected = detect(raw)
    if not detected:
        return "refused"
    return "found" if raw.decode(detected) == raw.decode(encoding) else "wrong"


def tables(size):
    chosen = random.Random(size)
    for _ in range(25):
        rows = (" ".join(chosen.sample(WORDS, 4)) for _ in range(size))
        yield "\n".join(f"{number};{row}" for number, row in enumerate(rows))


class TestDetect:
    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_is_never_wrong(self, encoding):
        texts = [*WORDS, *map(str.upper, WORDS), *SENTENCES, *tables(1), *tables(5), *tables(50)]

        outcomes = Counter(outcome(text, encoding) for text in texts)

        assert outcomes["wrong"] == 0

    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_detects_most_encodings_from_a_few_rows(self, encoding):
        outcomes = Counter(outcome(text, encoding) for text in [*SENTENCES, *tables(5)])

        assert outcomes["found"] > 9 * outcomes["refused"]

    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_detects_the_encoding_of_whole_tables(self, encoding):
        assert {outcome(text, encoding) for text in tables(50)} == {"found"}
        assert outcome("\n".join(SENTENCES), encoding) == "found"

    def test_refuses_other_alphabets_in_single_byte_encodings(self):
        assert detect("1;Kraków, ul. Świętokrzyska, żółć".encode("windows-1250")) == ""

    def test_detects_utf_8_from_a_few_letters_of_another_script(self):
        assert detect("1;Kraków — 5 €".encode()) == "utf-8"

    @pytest.mark.parametrize("text", ["★", "✓ ok", "smile 😀", "café", "5 m²", "→"])
    def test_detects_utf_8_from_one_multibyte_character(self, text):
        assert detect(text.encode()) == "utf-8"
