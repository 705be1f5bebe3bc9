"""Write answers to files: CSV, JSON, JSON lines, XLSX and Parquet, in constant memory."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import Any, BinaryIO, cast

import xlsxwriter
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error
from django.utils import timezone

from marketplace.exceptions import AnswerError, MarketplaceError
from marketplace.postgresql.errors import explain
from marketplace.questions.answers import Answer

#: Maximum number of rows of a worksheet, apart from the header.
MAX_SHEET_ROWS = 1_048_575

#: Bytes of a part of a streamed file.
_PART_BYTES = 1 << 16

#: A cell that begins with one of these could be read as a formula by a spreadsheet program.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(answer: Answer, kind: str, file: BinaryIO) -> None:
    """Write all rows of an answer to a file.

    :param kind: one of FORMATS
    """
    if kind == "xlsx":
        _write_xlsx(answer, file)
    else:
        for part in _STREAMS[kind](answer):
            file.write(part)


@dataclass(frozen=True)
class Stream:
    """The bytes of a file, in parts. `close` ends it, also if no part was read.

    :ivar mark: returns a last line for a reason for which the file is incomplete
    """

    parts: Iterator[bytes]
    close: Callable[[], None]
    mark: Callable[[str], bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        """Yield the parts, and close the stream after the last one or an error."""
        try:
            yield from self.parts
        except (Error, MarketplaceError) as error:
            # A server that does not send in chunks ends a response in the same way if it failed.
            if self.mark:
                yield self.mark(f"The file is incomplete: {explain(error)}")
            raise
        finally:
            self.close()


def stream(answer: Answer, kind: str, *, needs_all: bool) -> Stream:
    """Return the bytes of a file with all rows of an answer. Close it.

    A workbook is written to a temporary file first. Rows of the other formats are read while they
    are sent: if that fails, the iterator raises the error.

    :param kind: one of FORMATS
    :param needs_all: whether a workbook must have all rows
    :raises AnswerError: if it must, and there are more rows than the limit of the answer
    """
    if kind in _STREAMS:
        return Stream(_STREAMS[kind](answer), answer.close, _MARKS.get(kind))
    file = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 # the stream closes it
    with answer:
        _write_xlsx(answer, file)
    if needs_all and answer.is_truncated:
        file.close()
        raise AnswerError(
            f"The answer has more than {answer.row_count:,} rows, the limit of the site for "
            f"{kind.upper()}. Export it as CSV, or run: python manage.py ask"
        )
    file.seek(0)
    return Stream(iter(partial(file.read, _PART_BYTES), b""), file.close)


@contextmanager
def complete_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file that gets its name only if the context ends without an error.

    :raises AnswerError: if the file cannot be created in its folder
    """
    if not path.parent.is_dir():
        raise AnswerError(f"The folder {path.parent} does not exist. Create it first.")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise AnswerError(f"The file {path} cannot be written. Choose another --output.")
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield cast(BinaryIO, file.file)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _plain(value: Any) -> Any:
    """Return a value for a cell: text that looks like a formula gets an apostrophe."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value


def _stream_csv(answer: Answer) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.name for column in answer.columns])
    for row in answer:
        writer.writerow(map(_plain, row))
        if text.tell() > _PART_BYTES:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _stream_json_lines(answer: Answer) -> Iterator[bytes]:
    for row in answer.as_dicts():
        line = json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)
        yield f"{line}\n".encode()


def _stream_json(answer: Answer) -> Iterator[bytes]:
    """Yield an array of objects."""
    before = b"[\n"
    for line in _stream_json_lines(answer):
        yield before + line.rstrip()
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def _write_xlsx(answer: Answer, file: BinaryIO) -> None:
    """Write a workbook; after MAX_SHEET_ROWS rows, the next worksheet begins."""
    options = {"constant_memory": True, "remove_timezone": True, "strings_to_formulas": False}
    with xlsxwriter.Workbook(file, options | _DATES) as workbook:
        for number, rows in enumerate(_sheets(answer), 1):
            sheet = workbook.add_worksheet(
                f"{answer.question.name.partition('.')[2][:25]} {number}"
            )
            sheet.write_row(0, 0, [column.name for column in answer.columns])
            for position, row in enumerate(rows, 1):
                sheet.write_row(position, 0, map(_cell, row))


_DATES = {"default_date_format": "yyyy-mm-dd hh:mm", "strings_to_urls": False}


def _sheets(answer: Answer) -> Iterator[Iterator[Any]]:
    """Yield the rows of each worksheet; one without rows if there are none."""
    rows = iter(answer)
    first = next(rows, None)
    yield islice(chain(() if first is None else (first,), rows), MAX_SHEET_ROWS)
    for row in rows:
        yield islice(chain((row,), rows), MAX_SHEET_ROWS)


def _cell(value: Any) -> Any:
    """Return a value that a spreadsheet can hold. Times are in TIME_ZONE."""
    if isinstance(value, datetime):
        return timezone.localtime(value)
    return _plain(value)


def _stream_parquet(answer: Answer) -> Iterator[bytes]:
    # Importing these takes a tenth of the time of a command that does not need them.
    from pyarrow import parquet

    from marketplace.questions import arrow

    schema = arrow.schema_of(answer.description)
    buffer = io.BytesIO()
    # The end of the file, without which it cannot be read, is written if all rows were.
    with parquet.ParquetWriter(buffer, schema, compression="zstd") as writer:
        for batch in arrow.to_batches(iter(answer), schema):
            writer.write_batch(batch)
            yield _take(buffer)
    yield _take(buffer)


def _take(buffer: io.BytesIO) -> bytes:
    """Return the content of a buffer, and empty it."""
    part = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return part


def _mark_csv(reason: str) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([reason])
    return text.getvalue().encode()


def _mark_json_lines(reason: str) -> bytes:
    return json.dumps({"error": reason}, ensure_ascii=False).encode() + b"\n"


#: Formats whose files can be read without their end → the function that returns a last line.
_MARKS = {"csv": _mark_csv, "jsonl": _mark_json_lines}

#: Format → the function that yields the bytes of a file.
_STREAMS: dict[str, Callable[[Answer], Iterator[bytes]]] = {
    "csv": _stream_csv,
    "json": _stream_json,
    "jsonl": _stream_json_lines,
    "parquet": _stream_parquet,
}

FORMATS = (*_STREAMS, "xlsx")
