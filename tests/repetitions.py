"""Numbers of repetitions of a test: a few in `make pytest`, all in `make soak`."""

import os

import pytest


def repeated(short, long, variable=""):
    """Return the numbers 0, 1, … as parameters; those from `short` on are marked slow.

    :param long: how many there are in `make soak`
    :param variable: environment variable that replaces `long`
    """
    count = int(os.environ.get(variable) or long)
    return [
        pytest.param(number, marks=[pytest.mark.slow] if number >= short else [])
        for number in range(count)
    ]


def short_and_long(short, long, variable=""):
    """Return two parameters, for a test that repeats something itself; the second is slow."""
    count = int(os.environ.get(variable) or long)
    return [pytest.param(short, id="short"), pytest.param(count, id="long", marks=pytest.mark.slow)]
