"""Small YML feeds for tests, and functions that read them."""

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
    return list(documents.read(str(path)))


def read_failing(tmp_path, data):
    """Return the entries of a feed before the error, and the message of the error."""
    path = tmp_path / "feed.xml"
    path.write_bytes(data)
    entries = []
    with pytest.raises(SourceError) as error:
        for entry in documents.read(str(path)):
            entries.append(entry)
    return entries, str(error.value)


def feed(offers, encoding="utf-8", doctype=""):
    return FEED.format(offers=offers, encoding=encoding, doctype=doctype)


def offers(entries):
    return [
        entry.document["offer"] for entry in entries if entry.document and "offer" in entry.document
    ]
