"""LOGGING: errors with a traceback and rejected requests go to stderr."""

from typing import Any

#: Without DEBUG, Django itself does not log requests to stderr. These handlers write errors with
#: a traceback and rejected requests. They omit responses such as the 503 of /readyz, which repeat.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "production": {"()": "django.utils.log.RequireDebugFalse"},
        "traceback": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: bool(record.exc_info),
        },
    },
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "errors": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["production", "traceback"],
            "level": "ERROR",
        },
        "rejected": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["production"],
            "level": "WARNING",
        },
    },
    "loggers": {
        "django.request": {"handlers": ["errors"]},
        "django.security": {"handlers": ["rejected"]},
    },
}
