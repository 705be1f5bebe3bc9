"""URLs: the admin site is the front page, questions have pages under `/questions/`, and the API is
under `/api/`.

`/healthz`, `/readyz` and `/metrics` are answered by `marketplace.admin_site.middleware`.
"""

from django.contrib import admin
from django.urls import path, re_path

from marketplace.admin_site import review
from marketplace.api import site
from marketplace.questions import views

urlpatterns = [
    path("api/", site.urls),
    re_path("^api(?:/|$)", site.unknown_path),
    *review.urls,
    *views.urls(),
    path("", admin.site.urls),
]

handler400 = "marketplace.admin_site.error_pages.bad_request"
handler403 = "marketplace.admin_site.error_pages.permission_denied"
handler404 = "marketplace.admin_site.error_pages.not_found"
handler500 = "marketplace.admin_site.error_pages.server_error"
