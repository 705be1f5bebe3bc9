"""The pages: the admin is the front page. Beside it there is the API for scrapers.

`/healthz`, `/readyz` and `/metrics` are answered before any page: see `marketplace.middleware`.
"""

from django.contrib import admin
from django.urls import path, re_path

from marketplace import api

urlpatterns = [
    path("api/ingest/runs/<str:name>", api.run, name="api_run"),
    path("api/ingest/<str:platform>", api.push, name="api_push"),
    re_path("^api(?:/|$)", api.nowhere),
    path("", admin.site.urls),
]

handler400 = "marketplace.pages.bad_request"
handler403 = "marketplace.pages.permission_denied"
handler404 = "marketplace.pages.not_found"
handler500 = "marketplace.pages.server_error"
