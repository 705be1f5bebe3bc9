"""The fast proof of a JSON text's depth never accepts a text that is too deep."""

import json

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import corpus
from marketplace.loading.formats.json_text import is_shallow

_TEXTS = st.text(alphabet='[]{}"\\ab\n', max_size=6)
_VALUES = st.recursive(
    st.one_of(_TEXTS, st.integers(), st.none()),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(_TEXTS, children, max_size=3),
    max_leaves=25,
)


def depth_of(value):
    if not isinstance(value, dict | list):
        return 0
    children = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, children), default=0)


@settings(max_examples=500, deadline=None)
@given(_VALUES, st.integers(1, 6))
def test_a_text_that_is_proven_shallow_is_shallow(value, depth):
    data = json.dumps(value, ensure_ascii=False).encode()

    assert not is_shallow(data, depth) or depth_of(value) <= depth


def test_brackets_in_strings_do_not_hide_levels():
    data = b'["]",' * 50 + b'["]"]' + b',"["]' * 50

    assert depth_of(json.loads(data)) == 51
    assert not is_shallow(data, 50)


def test_usual_payloads_are_proven_shallow():
    payloads = list(corpus.lines(range(50), corpus.FIRST))

    assert all(is_shallow(payload, 20) for payload in payloads)
    assert max(depth_of(orjson.loads(payload)) for payload in payloads) <= 20
