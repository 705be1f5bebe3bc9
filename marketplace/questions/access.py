"""Which questions an account may ask: those about databases whose tables it may view."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404

from marketplace.exceptions import QuestionError
from marketplace.questions.definition import Question, get_question


def may_ask(user: Any, question: Question) -> bool:
    """Return whether an account may view a table of the question's database."""
    return bool(user.has_module_perms(question.alias))


def permitted_question(user: Any, name: str) -> Question:
    """Return a question that an account may ask.

    :raises Http404: if it does not exist, or its file is not valid
    :raises PermissionDenied: if the account may not ask it
    """
    try:
        question = get_question(name)
    except QuestionError as error:
        raise Http404(str(error)) from None
    if not may_ask(user, question):
        raise PermissionDenied
    return question
