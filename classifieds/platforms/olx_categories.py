"""The public category tree of olx.uz. An ad has only the id of its category.

The tree is in olx_categories.txt, one category per line: id, id of the parent (0 for the first
level), slug, published name. Parents precede their children. The slugs of the first two levels are
English, because those of the platform are transliterated Russian (transport/legkovye-avtomobili).
Deeper slugs, such as brands of cars, are as published.
"""

from pathlib import Path
from typing import NamedTuple


class Node(NamedTuple):
    """A category: its canonical path ("transport/cars/chevrolet") and its published name."""

    path: str
    name: str


def _read(path: Path) -> dict[int, Node]:
    nodes: dict[int, Node] = {}
    for line in path.read_text("utf-8").splitlines():
        category_id, parent_id, slug, name = line.split(" ", 3)
        parent = nodes.get(int(parent_id))
        category_path = f"{parent.path}/{slug}" if parent else slug
        nodes[int(category_id)] = Node(category_path, name)
    return nodes


CATEGORIES = _read(Path(__file__).with_suffix(".txt"))
