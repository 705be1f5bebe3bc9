"""JSON lines: a stream of bytes is split into lines, and each line is checked."""

from collections.abc import Iterable, Iterator

from marketplace.exceptions import RecordLimitError, RequestError
from marketplace.loading.formats import json_text
from marketplace.push.request_body import Limits

#: Blank lines in a body. More may be an attempt to occupy the server.
_MAX_BLANK_LINES = 10_000

_BOM = b"\xef\xbb\xbf"


class JsonLines:
    """The lines of a body. Each is a JSON object, an array of objects, or blank.

    :param document_count: the number of documents in the lines that were yielded
    """

    def __init__(self, blocks: Iterable[bytes], limits: Limits) -> None:
        self._blocks = blocks
        self._limits = limits
        self.document_count = 0

    def lines(self) -> Iterator[bytes]:
        """Yield the lines, including blank ones.

        :raises RequestError: if a line is not valid or too long, if there are too many lines or
            documents, or if there is no document
        """
        blank_count = 0
        for number, line in enumerate(self._split(), 1):
            if line.strip():
                self.document_count += _count_documents(line, number)
            else:
                blank_count += 1
            if blank_count > _MAX_BLANK_LINES:
                raise RequestError(
                    400,
                    f"The body has more than {_MAX_BLANK_LINES:,} blank lines. Remove them.",
                    number,
                )
            # A line may be an array of many documents or of none, so both are bounded.
            if max(self.document_count, number - blank_count) > self._limits.records:
                raise self._too_many_documents(number)
            yield line
        if not self.document_count:
            raise RequestError(
                400, "The body contains no documents. Send one JSON object on each line."
            )

    def _split(self) -> Iterator[bytes]:
        incomplete, number, size = b"", 1, 0
        for block in self._blocks:
            size += len(block)
            if size > self._limits.decompressed:
                raise RequestError(
                    413,
                    f"The body has more than {self._limits.decompressed:,} bytes when it is "
                    "decompressed. Send it in several requests, or raise INGEST_API_MAX_UNPACKED.",
                )
            *lines, rest = block.split(b"\n")
            if lines:
                lines[0] = incomplete + lines[0]
                incomplete = b""
            for line in lines:
                yield self._check(line, number)
                number += 1
            incomplete = self._check(incomplete + rest, number)
        if incomplete:
            yield incomplete

    def _check(self, line: bytes, number: int) -> bytes:
        """Return a line, or the start of one, without a byte order mark."""
        if len(line) > self._limits.line:
            raise RequestError(
                413,
                f"Line {number} has more than {self._limits.line:,} bytes. Send one document on "
                "each line, or raise INGEST_API_MAX_LINE.",
                number,
            )
        return line.removeprefix(_BOM) if number == 1 else line

    def _too_many_documents(self, number: int) -> RequestError:
        return RequestError(
            413,
            f"The body has more than {self._limits.records:,} documents. Send it in several "
            "requests, or raise INGEST_API_MAX_RECORDS.",
            number,
        )


def _count_documents(line: bytes, number: int) -> int:
    """Return the number of documents in a line.

    :raises RequestError: if it is neither an object nor an array of objects
    """
    try:
        value = json_text.parse(line)
    except ValueError as error:
        is_limit = isinstance(error, RecordLimitError)
        advice = "" if is_limit else " Send one JSON document on each line."
        text = f"Line {number} {json_text.explain(error)}.{advice}"
        raise RequestError(400, text, number) from None
    documents = value if isinstance(value, list) else [value]
    for document in documents:
        if not isinstance(document, dict):
            raise RequestError(
                400,
                f"Line {number} is of type {type(document).__name__}, expected an object.",
                number,
            )
    return len(documents)
