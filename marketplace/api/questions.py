"""Questions by HTTP, for accounts with a token.

`GET /api/questions` lists the questions that the account may ask.
`GET /api/questions/<database>/<name>` answers one. Its parameters are those of the question, and
`format` and `limit`.
"""

from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import reverse
from ninja import Router

from marketplace.api.errors import RETRY_LATER
from marketplace.api.tokens import TokenAuthentication
from marketplace.exceptions import (
    AnswerError,
    MarketplaceError,
    ParameterError,
    QuestionError,
    RequestError,
)
from marketplace.postgresql.errors import explain
from marketplace.questions import ask, downloads, exports
from marketplace.questions.access import may_ask
from marketplace.questions.definition import Question, get_question, read_questions
from marketplace.questions.parameters import MAX_LENGTH, Parameter

router = Router(auth=TokenAuthentication(), tags=["Questions"])

#: Rows of an answer in JSON: it is held in memory. The other formats are streamed.
DEFAULT_LIMIT, MAX_LIMIT = 1000, 10_000

#: Types of parameters that are not text in the documentation → their type in JSON.
_JSON_TYPES = {"number": "number", "money": "number", "flag": "boolean"}

_READING: dict[str, tuple[str, dict[str, Any]]] = {
    "format": (
        "The format of the answer.",
        {"type": "string", "enum": list(exports.FORMATS), "default": "json"},
    ),
    "limit": (
        f"Maximum number of rows. In JSON at most {MAX_LIMIT:,}, by default {DEFAULT_LIMIT:,}; all "
        "rows in other formats.",
        {"type": "integer", "minimum": 1},
    ),
}


@router.get("", summary="List the questions", response={200: dict[str, Any]}, url_name="questions")
def question_list(request: HttpRequest) -> JsonResponse:
    """List the questions that the account may ask, with their parameters."""
    questions = [item for item in read_questions()[0].values() if may_ask(request.user, item.alias)]
    return JsonResponse({"questions": [_describe(question) for question in questions]})


def answer(request: HttpRequest, database: str, name: str) -> HttpResponseBase:
    """Answer a question."""
    if not may_ask(request.user, database):
        raise RequestError(
            403, f"The account {request.user} may not view the tables of {database[:100]}."
        )
    try:
        question = get_question(f"{database}.{name}")
    except QuestionError as error:
        raise RequestError(500 if error.path else 404, str(error)) from None
    texts = {key: str(value) for key, value in request.GET.items()}
    kind = texts.pop("format", "json")
    if kind not in exports.FORMATS:
        known = ", ".join(exports.FORMATS)
        raise RequestError(400, f"format must be one of {known}.", parameter="format")
    limit = _read_limit(texts.pop("limit", ""), kind)
    try:
        if kind != "json":
            return downloads.download(request.user, question, texts, kind, limit)
        return _as_json(question, texts, limit)
    except ParameterError as error:
        raise RequestError(400, f"{error}.", parameter=error.name) from None
    except (Error, MarketplaceError) as error:
        # Another attempt does not help a question that takes too long.
        headers = None if isinstance(error, AnswerError) else RETRY_LATER
        raise RequestError(503, explain(error), headers=headers) from error


def _read_limit(text: str, kind: str) -> int | None:
    is_json = kind == "json"
    if not text:
        return DEFAULT_LIMIT if is_json else None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise RequestError(400, "limit must be a positive integer.", parameter="limit")
    if is_json and int(text) > MAX_LIMIT:
        raise RequestError(
            400,
            f"limit must be at most {MAX_LIMIT:,} in JSON. Use format=jsonl.",
            parameter="limit",
        )
    return int(text)


def _as_json(question: Question, texts: dict[str, str], limit: int | None) -> JsonResponse:
    """Return the rows, and what they are based on."""
    with ask(question.name, limit=limit, **texts) as rows:
        content = {
            "question": question.name,
            "parameters": {
                parameter.name: parameter.as_json(rows.values[parameter.name])
                for parameter in question.parameters
            },
            "as_of": rows.as_of,
            "history_since": rows.history_since,
            "columns": [
                {"name": column.name, "type": column.type, "title": column.label}
                for column in rows.columns
            ],
            "rows": list(rows.as_dicts()),
            "row_count": rows.row_count,
            "is_truncated": rows.is_truncated,
        }
    return JsonResponse(content)


def _describe(question: Question) -> dict[str, Any]:
    return {
        "name": question.name,
        "title": question.title["en"],
        "description": question.description["en"],
        "parameters": [_describe_parameter(parameter) for parameter in question.parameters],
        "url": f"{reverse('api:questions')}/{question.name.replace('.', '/')}",
    }


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "type": parameter.type,
        "title": parameter.label,
        "default": parameter.default,
        "is_required": parameter.is_required,
        "choices": list(parameter.accepted),
        "minimum": parameter.as_json(parameter.minimum),
        "maximum": parameter.as_json(parameter.maximum),
    }


def _document(question: Question) -> None:
    """Add the path of a question, with its parameters, to the documentation of the API."""
    alias, _, name = question.name.partition(".")

    def answer_question(request: HttpRequest) -> HttpResponseBase:
        return answer(request, alias, name)

    parameters: list[dict[str, Any]] = [
        {
            "name": parameter.name,
            "in": "query",
            "required": parameter.is_required,
            "description": _description(parameter),
            "schema": _schema(parameter),
        }
        for parameter in question.parameters
    ]
    parameters += [
        {"name": key, "in": "query", "description": text, "schema": schema}
        for key, (text, schema) in _READING.items()
    ]
    router.add_api_operation(
        f"/{alias}/{name}",
        ["GET"],
        answer_question,
        operation_id=f"{alias}_{name}",
        summary=question.title["en"],
        description=question.description["en"],
        response={200: dict[str, Any]},
        openapi_extra={"parameters": parameters},
    )


def _description(parameter: Parameter) -> str:
    text = f"{parameter.label} ({parameter.type})"
    return f"{text}, such as {parameter.hint}" if parameter.hint else text


def _schema(parameter: Parameter) -> dict[str, Any]:
    """Return the JSON schema of a value, as far as the head of the question declares it."""
    schema: dict[str, Any] = {"type": _JSON_TYPES.get(parameter.type, "string")}
    if schema["type"] == "string":
        schema["maxLength"] = MAX_LENGTH
    if choices := parameter.accepted:
        schema["enum"] = list(choices)
    limits = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    schema |= {key: parameter.as_json(limit) for key, limit in limits.items() if limit is not None}
    if parameter.default:
        default = parameter.read(parameter.default)
        is_text = schema["type"] == "string"
        schema["default"] = parameter.default if is_text else parameter.as_json(default)
    return schema


for _question in read_questions()[0].values():
    _document(_question)
# Questions whose file is not valid, and names that do not exist.
router.get("/{database}/{name}", include_in_schema=False)(answer)
