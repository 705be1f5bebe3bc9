"""The entry point of WSGI servers."""

import os
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")


class Utf8Request(WSGIRequest):
    """A request whose parameters are decoded as UTF-8, regardless of its Content-Type's charset.

    Django accepts any codec of Python as the charset. Codecs such as "hex" and "idna" raise an
    error before a view or middleware can respond.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(
            meta.get("CONTENT_TYPE", "")
        )


application = get_wsgi_application()
application.request_class = Utf8Request
