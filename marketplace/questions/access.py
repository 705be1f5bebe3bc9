"""Which questions an account may ask: those about databases whose tables it may view."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404

from marketplace.exceptions import QuestionError
from marketplace.questions.definition import Question, get_question


def may_ask(user: Any, alias: str) -> bool:
    """Return whether an account may ask about a database: whether it may view one of its tables."""
    return bool(user.has_module_perms(alias))


def permitted_question(user: Any, name: str) -> Question:
    """Return a question that an account may ask.

    :raises PermissionDenied: if the account may not ask about the database, whether or not the
        question exists
    :raises Http404: if it does not exist, or its file is not valid
    """
    if not may_ask(user, name.partition(".")[0]):
        raise PermissionDenied
    try:
        return get_question(name)
    except QuestionError as error:
        raise Http404(str(error)) from None
