"""The panels of questions on the overview and on the pages of rows.

A page has the address of each panel, and the browser loads its answer afterwards. A question that
is slow, or whose database is down, affects its own panel only.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from marketplace.questions.access import may_ask
from marketplace.questions.definition import read_questions


def panels_for(request: HttpRequest, page: str, obj: Any = None) -> Iterator[dict[str, str]]:
    """Yield the title and addresses of the panels of a page that the account may see.

    :param obj: the row whose page it is
    """
    for question in read_questions()[0].values():
        if not may_ask(request.user, question.alias):
            continue
        for number, panel in enumerate(question.panels, 1):
            texts = panel.texts_for(obj) if panel.page == page else None
            if texts is None:
                continue
            url = reverse("question", args=(question.alias, question.short_name))
            yield {
                "title": question.title["en"],
                "url": f"{url}?{urlencode(texts)}",
                "panel_url": f"{url}?{urlencode(texts | {'panel': number})}",
            }
