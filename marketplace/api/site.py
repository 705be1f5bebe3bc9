"""The API with all its paths. It documents itself under `/api/docs`, for accounts of the admin."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Swagger

from marketplace.api import pushes, questions
from marketplace.api.errors import error_response
from marketplace.exceptions import RequestError

View: TypeAlias = Callable[..., HttpResponse]

api = NinjaAPI(
    title="Marketplace analytics",
    version="1",
    description=(
        "Scrapers push payloads with a token of their platform, and analysts ask questions with a "
        "token of their account (`python manage.py api_token`), both in the header "
        "`Authorization: Bearer TOKEN`."
    ),
    urls_namespace="api",
    # Links within buttons cannot be reached by keyboard.
    docs=Swagger(settings={"deepLinking": False}),
    docs_decorator=admin.site.admin_view,
    openapi_extra={
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}}
    },
)
api.add_router("/ingest", pushes.router)
api.add_router("/questions", questions.router)


@api.exception_handler(Exception)
def answer_error(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer an error by JSON."""
    return error_response(error)


def _explain_method(view: View) -> View:
    """Return a view that answers a method which is not allowed by JSON, like all errors."""

    @wraps(view)
    def explained(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        methods = sorted(response.headers["Allow"].split(", "))
        reason = f"{request.method} is not allowed here. Use {methods[0]}."
        return error_response(RequestError(405, reason, headers={"Allow": ", ".join(methods)}))

    return explained


@csrf_exempt
def unknown_path(request: HttpRequest) -> HttpResponse:
    """Answer 404 with the paths of the API."""
    return error_response(
        RequestError(
            404,
            f"{request.path} does not exist. Push to /api/ingest/<platform>, without a slash at "
            "the end; ask for a run at /api/ingest/runs/<id>, and questions at /api/questions. "
            "All paths: /api/docs",
        )
    )


urls = api.urls
for _pattern in cast(list[URLPattern], urls[0]):
    if _pattern.name == "api-root":
        _pattern.callback = unknown_path
    else:
        _pattern.callback = _explain_method(cast(View, _pattern.callback))
