"""Random damage to documents, for tests that adapters raise only clear errors."""

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
