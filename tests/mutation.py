"""Random damage to documents, and shorter documents, for tests that load them many times."""

import json

JUNK = ["null", "true", "0", "-1", "1.5", "1e300", "9" * 30, "1e999", "NaN"]
JUNK += ['""', '" "', '"x"', '"-5"', '"2025-13-01"', '"/product/a-1/"']
JUNK += ["[]", "{}", "[1]", "[null]", '[{"a": 1}]', '{"a": 1}', '{"a": {}}']


def mutate(document, generator):
    """Return a copy with one to three values replaced or removed, at any depth.

    :param generator: a seeded random.Random, so that a failure is reproducible
    """
    copy = json.loads(json.dumps(document))
    for _ in range(generator.randint(1, 3)):
        node = copy
        while node:
            key = generator.choice(list(node) if isinstance(node, dict) else range(len(node)))
            if not isinstance(node[key], dict | list) or not node[key] or generator.random() < 0.3:
                node[key] = json.loads(generator.choice(JUNK))
                if isinstance(node, dict) and generator.random() < 0.2:
                    del node[key]
                break
            node = node[key]
    return copy


def shorten(document):
    """Return a document with shorter lists, because it is loaded many times."""
    for limit in (20, 8, 4, 2):
        document = _cut(document, limit)
        if len(json.dumps(document)) < 40_000:
            break
    return document


def _cut(value, limit):
    if isinstance(value, list):
        return [_cut(entry, limit) for entry in (value[:2] if len(value) > limit else value)]
    if isinstance(value, dict):
        items = list(value.items())
        is_list = len(items) > limit and all(isinstance(entry, dict) for _, entry in items)
        return {key: _cut(entry, limit) for key, entry in (items[:2] if is_list else items)}
    return value
