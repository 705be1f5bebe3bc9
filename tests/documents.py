"""The documents of the project and the fenced blocks in them, for the tests."""

import re
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


class Block(NamedTuple):
    """A fenced block of a document, in the section of a heading of the second level."""

    section: str
    line: int
    language: str
    options: dict[str, str]
    text: str

    @property
    def is_run(self):
        return self.language in ("shell", "sql") and "needs" not in self.options


#: A comment that states an option of the block after it, such as `<!-- needs: network -->`.
OPTION = re.compile(r"<!-- (\w+): (\w+) -->")


def blocks(document):
    """Return the fenced blocks of a document, in their order."""
    found, section, options = [], "", {}
    tokens = MarkdownIt().parse(document.read_text())
    for token, content in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and token.tag == "h2":
            section = content.content
        elif token.type == "fence":
            found.append(Block(section, token.map[0] + 1, token.info, options, token.content))
        options = dict(OPTION.findall(token.content)) if token.type == "html_block" else {}
    return found


def prose(document):
    """Return the text of a document without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)


def spans(document):
    """Return what stands between backticks in the text of a document."""
    return re.findall(r"`([^`]+)`", re.sub(r"\s+", " ", prose(document)))
