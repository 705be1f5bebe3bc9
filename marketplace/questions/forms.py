"""The form of a question's page."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.text import capfirst

from marketplace.questions.choices import has_suggestions
from marketplace.questions.definition import Question
from marketplace.questions.parameters import Parameter

#: Periods that a page offers for the parameter `since`, and their names.
_PERIODS = (("-7d", "7 days"), ("-30d", "30 days"), ("-90d", "90 days"), ("-365d", "365 days"))


def form_field(
    question: Question, parameter: Parameter, texts: dict[str, str], invalid: str, error: str
) -> dict[str, Any]:
    """Return the template variables of a parameter's field.

    :param invalid: the name of the invalid parameter; may be empty
    :param error: what is wrong with it
    """
    choices = ("yes", "no") if parameter.type == "flag" else parameter.accepted
    return {
        "name": parameter.name,
        "label": capfirst(parameter.label),
        "value": texts.get(parameter.name, parameter.default),
        "choices": [(choice, choice.replace("_", " ")) for choice in choices],
        "is_required": parameter.is_required,
        "hint": f"such as {parameter.hint}" if parameter.hint else "",
        "error": error if parameter.name == invalid else "",
        "choices_url": _choices_url(question, parameter),
    }


def _choices_url(question: Question, parameter: Parameter) -> str:
    """Return the address that suggests values; empty if nothing is suggested."""
    if not has_suggestions(question.alias, parameter.type):
        return ""
    return reverse("choices", args=(question.alias, question.short_name, parameter.name))


def periods(question: Question, texts: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield links to the same question about other periods; none without a parameter `since`."""
    since = next((item for item in question.parameters if item.name == "since"), None)
    if since is None:
        return
    chosen = texts.get("since", since.default)
    for text, name in (*_PERIODS, *(() if since.is_required else (("", "All"),))):
        yield {
            "name": name,
            "url": f"?{urlencode(texts | {'since': text})}",
            "is_current": text == chosen,
        }
