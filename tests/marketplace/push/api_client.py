"""Values and helpers of the tests of the push API."""

from django.apps import apps

from marketplace.loading import chunks

TOKEN = "uzum-token-of-the-tests"
LINES = b'{"payload": {"data": {"id": 1}}}\n\n[{"id": 2}, {"id": 3}]\n'


def runs(alias="ecommerce"):
    """Return all runs of a database."""
    return list(apps.get_model(alias, "LoadRun").objects.order_by("pk"))


def stored_lines(run, alias="ecommerce"):
    """Return the lines of a run that are stored in its chunks."""
    return [line.raw for line in chunks.read(alias, run.pk)]
