"""URLs: the admin site begins with the overview, questions have pages under `/questions/`, and the
API is under `/api/`.

`/healthz`, `/readyz` and `/metrics` are answered by `marketplace.admin_site.middleware`.
"""

from django.contrib import admin
from django.urls import path, re_path

from marketplace.admin_site import front_page, review
from marketplace.api import site
from marketplace.questions import views

urlpatterns = [
    path("api/", site.urls),
    re_path("^api(?:/|$)", site.unknown_path),
    *front_page.urls,
    *review.urls,
    *views.urls(),
    path("", admin.site.urls),
]

handler400 = "marketplace.admin_site.error_pages.bad_request"
handler403 = "marketplace.admin_site.error_pages.permission_denied"
handler404 = "marketplace.admin_site.error_pages.not_found"
handler500 = "marketplace.admin_site.error_pages.server_error"
