"""Settings of the project: every value comes from the environment or `.env`.

The defaults fit development on one machine. `.env.example` documents each variable.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import django_stubs_ext
import environ
from csp import constants as csp
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from marketplace import registry, secret_checks

# Django's generic classes take their type arguments at run time too.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")

# Django's own settings.

DEBUG = env.bool("DEBUG", default=False)

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])

CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

#: The place where generated things live: the embedded server, the key, reports.
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data"))).resolve()

INSTALLED_APPS = [
    # First, because its commands take the place of Django's own of the same name.
    "marketplace",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_extensions",
    "axes",
    "csp",
    *registry.ALIASES,
]

MIDDLEWARE = [
    "marketplace.admin_site.middleware.MonitoringMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "marketplace.admin_site.middleware.DatabaseUnavailableMiddleware",
    "marketplace.admin_site.query_validation.QueryValidationMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "marketplace.urls"

CSRF_FAILURE_VIEW = "marketplace.admin_site.error_pages.csrf_failure"

WSGI_APPLICATION = "marketplace.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "marketplace" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTHENTICATION_BACKENDS = [
    # First: it refuses a locked login before the password is compared.
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": secret_checks.MIN_PASSWORD},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "Asia/Tashkent"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
#: Where collectstatic puts the files, in the image; elsewhere they are served from the packages.
STATIC_ROOT = env.str("STATIC_ROOT", default="") or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Databases.

DATABASE_ROUTERS = ["marketplace.routers.AppRouter"]

#: The alias and the database's default name; the variable is <ALIAS>_DB, the URL's
#: <ALIAS>_DATABASE_URL, where the control database is called MARKETPLACE.
_NAMES = {registry.CONTROL: "marketplace_db"} | {
    database.alias: database.default_name for database in registry.DATABASES
}


def _prefix(alias: str) -> str:
    return "MARKETPLACE" if alias == registry.CONTROL else alias.upper()


_DB_HOST = env.str("DB_HOST", default="")
_URLS = {alias: env.str(f"{_prefix(alias)}_DATABASE_URL", default="") for alias in _NAMES}
_HOSTS = {alias: env.str(f"{_prefix(alias)}_DB_HOST", default="") or _DB_HOST for alias in _NAMES}

#: Seconds to wait for a server that does not answer.
DB_CONNECT_TIMEOUT = env.int("DB_CONNECT_TIMEOUT", default=3)


def _database(alias: str) -> dict[str, Any]:
    if _URLS[alias]:
        config: dict[str, Any] = env.db_url_config(_URLS[alias])
        # The folder of a socket is written as %2Frun%2Fpostgresql.
        config["HOST"] = unquote(config["HOST"])
    else:
        config = {
            "NAME": env.str(f"{_prefix(alias)}_DB", default=_NAMES[alias]),
            "HOST": _HOSTS[alias],
            "PORT": env.str(f"{_prefix(alias)}_DB_PORT", default="")
            or env.str("DB_PORT", default="5432"),
            "USER": env.str(f"{_prefix(alias)}_DB_USER", default="")
            or env.str("DB_USER", default="postgres"),
            "PASSWORD": env.str(f"{_prefix(alias)}_DB_PASSWORD", default="")
            or env.str("DB_PASSWORD", default=""),
        }
    options = {
        "connect_timeout": DB_CONNECT_TIMEOUT,
        # A DBA sees in pg_stat_activity who queries.
        "application_name": f"marketplace-{alias}",
    }
    return config | {
        "ENGINE": "marketplace.postgresql",
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=0),
        "CONN_HEALTH_CHECKS": True,
        # PgBouncer in transaction mode has no server-side cursors.
        "DISABLE_SERVER_SIDE_CURSORS": env.bool("DISABLE_SERVER_SIDE_CURSORS", default=False),
        "OPTIONS": options | config.get("OPTIONS", {}),
        # Django would have every test database wait for the default one.
        "TEST": {"DEPENDENCIES": []},
    }


DATABASES = {alias: _database(alias) for alias in _NAMES}

#: The databases without a host: they live in the embedded server.
_EMBEDDED = [alias for alias, config in DATABASES.items() if not config["HOST"]]

EMBEDDED_POSTGRES = bool(_EMBEDDED)

_UNITS = {"MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def _bytes(text: str) -> int | None:
    """Return a size that is written as 128MB; 0 is 0; None if it is written otherwise."""
    number, unit = text[:-2], text[-2:].upper()
    if text == "0":
        return 0
    return int(number) * _UNITS[unit] if number.isdigit() and unit in _UNITS else None


def _reserve() -> int:
    """Return EMBEDDED_RESERVE as bytes."""
    text: str = env.str("EMBEDDED_RESERVE", default="") or "128MB"
    size = _bytes(text)
    if size is None:
        raise ImproperlyConfigured(
            f"EMBEDDED_RESERVE is {text}. Write a size such as 128MB; 0 for no reserve."
        )
    return size


#: Bytes of the file that keeps room for the embedded server to start on a full disk; 0 for none.
EMBEDDED_RESERVE = _reserve()


def _refuse_forgotten_hosts() -> None:
    """Refuse to have some databases on servers, and others in the embedded one by mistake."""
    if not _EMBEDDED or len(_EMBEDDED) == len(DATABASES):
        return
    if DEBUG or env.bool("EMBEDDED", default=False):
        return
    names = ", ".join(f"{alias} ({_prefix(alias)}_DATABASE_URL)" for alias in _EMBEDDED)
    raise ImproperlyConfigured(
        f"Some databases have a host, but these have none: {names}. Name the host in the variable "
        "in brackets, or in DB_HOST. If the embedded server on this machine is meant for them, set "
        "EMBEDDED=true."
    )


_refuse_forgotten_hosts()

# Cache: local memory, or Redis, whose outage never takes a page down.

_REDIS_HOST = env.str("REDIS_HOST", default="")

if _REDIS_HOST:
    CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"redis://{_REDIS_HOST}:{env.int('REDIS_PORT', default=6379)}/0",
            "OPTIONS": {
                "IGNORE_EXCEPTIONS": True,
                "SOCKET_CONNECT_TIMEOUT": 1,
                "SOCKET_TIMEOUT": 1,
                "PASSWORD": env.str("REDIS_PASSWORD", default="") or None,
            },
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True

# The secret key.


def _secret_key() -> str:
    """Return SECRET_KEY; on a machine that uses the embedded server, a key generated once."""
    key: str = env.str("SECRET_KEY", default="")
    if key:
        return key
    if EMBEDDED_POSTGRES:
        from marketplace.postgresql.embedded import development_secret

        return development_secret(DATA_DIR)
    return ""


SECRET_KEY = _secret_key()

# The way to the site.

#: Whether others use this site: neither a developer's pages nor the embedded server.
PRODUCTION = not DEBUG and not EMBEDDED_POSTGRES

#: Whether a proxy in front ends TLS: all that follows from it is switched by this alone.
HTTPS = env.bool("HTTPS", default=PRODUCTION)

SECURE_SSL_REDIRECT = HTTPS
# The proxy sets the header, and must drop what clients send of it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=30 * 24 * 3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS

# Preloading asks browsers' makers to keep a domain on HTTPS for years: its owner's decision.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

#: Number of proxies that append to X-Forwarded-For. 0: the header is ignored, and the client's
#: address is that of the connection.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)

# Logins are throttled by django-axes: `marketplace.admin_site.login` says how.

AXES_HANDLER = "marketplace.admin_site.login.LoginThrottle"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
# Otherwise, attempts during a lock would keep out the owner of an account behind the same address.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "marketplace.admin_site.login.account_name"
AXES_CLIENT_IP_CALLABLE = "marketplace.admin_site.login.client_address"
AXES_LOCKOUT_CALLABLE = "marketplace.admin_site.login.locked_page"
# The log names addresses. Accounts are in the table only: people type passwords there by mistake.
AXES_SENSITIVE_PARAMETERS = ["username"]
# Successful logins would be kept for ever; expired failures are deleted at the next login.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

#: The sources that a page may use. Inline scripts need the nonce of their page.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.SELF],
        # unfold's Alpine evaluates the expressions in its templates.
        "script-src": [csp.SELF, csp.NONCE, csp.UNSAFE_EVAL],
        "style-src": [csp.SELF, csp.NONCE],
        # unfold's Alpine writes the width of a list's actions into a style attribute.
        "style-src-attr": [csp.UNSAFE_INLINE],
        # Pictures of products are on the platforms' servers.
        "img-src": [csp.SELF, "data:", "https:", "http:"],
        "object-src": [csp.NONE],
        "base-uri": [csp.SELF],
        "form-action": [csp.SELF],
        "frame-ancestors": [csp.NONE],
    }
}

#: Django writes to stderr with DEBUG only. Without it, errors with a traceback and refused requests
#: are written, too; answers such as the 503 of /readyz, which repeat, are not.
LOGGING = {
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
        "refused": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["production"],
            "level": "WARNING",
        },
    },
    "loggers": {
        "django.request": {"handlers": ["errors"]},
        "django.security": {"handlers": ["refused"]},
    },
}

# Monitoring.

#: Hours after which /readyz warns that a platform was not loaded to the end.
FRESHNESS_HOURS = env.int("FRESHNESS_HOURS", default=26)

#: What Prometheus sends to read /metrics. Without one, only this machine may.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

#: Whether the admin's database is reached by PgBouncer, which then tells of its pools in /metrics.
PGBOUNCER_METRICS = env.bool("PGBOUNCER_METRICS", default=False)

# Loading.

#: Records per transaction.
INGEST_BATCH_SIZE = env.int("INGEST_BATCH_SIZE", default=1000)

#: Bytes of one record after unpacking.
INGEST_MAX_RECORD = env.int("INGEST_MAX_RECORD", default=32 * 1024 * 1024)

#: Levels of arrays and objects in one record.
INGEST_MAX_DEPTH = env.int("INGEST_MAX_DEPTH", default=100)


def _gates() -> Any:
    """Return INGEST_GATES, which is JSON."""
    text: str = env.str("INGEST_GATES", default="")
    try:
        return json.loads(text) if text else {}
    except ValueError as error:
        raise ImproperlyConfigured(
            f"INGEST_GATES is not JSON: {error}. It is {text}; .env.example shows how to write it."
        ) from None


#: What the gates let pass, by platform: see `marketplace.loading.thresholds`.
INGEST_GATES = _gates()

#: Whether large inputs are read and parsed in a process of their own. INGEST_READ_APART is a
#: deprecated alias of the variable.
INGEST_READER_PROCESS = env.bool(
    "INGEST_READER_PROCESS", default=env.bool("INGEST_READ_APART", default=True)
)

#: Seconds for which a load waits for a database that went away in the middle of it.
INGEST_PATIENCE = env.int("INGEST_PATIENCE", default=300)

#: Who may push: pairs of a platform and a token. During a change of tokens a platform has two.
INGEST_TOKENS = [
    entry.strip().partition("=")[::2] for entry in env.list("INGEST_TOKENS", default=[])
]


def _refuse_known_secrets() -> None:
    """Refuse to start a site that others use with secrets that can be guessed, or for any host.

    The server of the site runs no system checks: these must be here.
    """
    passwords = {name: value for name, value in env.ENVIRON.items() if name.endswith("_PASSWORD")}
    ours = ("REDIS", "DJANGO_SUPERUSER", *(_prefix(alias) for alias in _NAMES))
    others = [(name, value) for name, value in passwords.items() if name.startswith(ours)]
    # What stands before a token may be a token too, whose platform was forgotten.
    tokens = [("A token in INGEST_TOKENS", token) for _, token in INGEST_TOKENS]
    faults = [
        *secret_checks.find_host_faults(ALLOWED_HOSTS),
        *secret_checks.find_key_faults(SECRET_KEY),
        *secret_checks.find_secret_faults(others),
        *secret_checks.find_secret_faults(
            [("METRICS_TOKEN", METRICS_TOKEN), *tokens], secret_checks.MIN_TOKEN
        ),
    ]
    for alias, config in DATABASES.items():
        name = f"{_prefix(alias)}_DATABASE_URL" if _URLS[alias] else "DB_PASSWORD"
        faults += secret_checks.find_password_faults(name, config)
    if faults:
        raise ImproperlyConfigured("\n".join(dict.fromkeys(faults)))


# Some databases may be embedded, and others not.
if not DEBUG and len(_EMBEDDED) < len(DATABASES):
    _refuse_known_secrets()

#: Bytes of the body of one push as it is sent, and after unpacking; and of one of its lines.
INGEST_API_MAX_BODY = env.int("INGEST_API_MAX_BODY", default=64 * 1024 * 1024)
INGEST_API_MAX_UNPACKED = env.int("INGEST_API_MAX_UNPACKED", default=512 * 1024 * 1024)
INGEST_API_MAX_LINE = env.int("INGEST_API_MAX_LINE", default=8 * 1024 * 1024)

#: Documents of one push at most, and lines that are not blank.
INGEST_API_MAX_RECORDS = env.int("INGEST_API_MAX_RECORDS", default=500_000)

#: Seconds of processor time that one push may take.
INGEST_API_MAX_CPU = env.int("INGEST_API_MAX_CPU", default=20)

#: Seconds within which a push must have been received.
INGEST_API_TIMEOUT = env.int("INGEST_API_TIMEOUT", default=120)

#: Pushes that one process receives at once, so that slow ones leave threads for the pages.
INGEST_API_CONCURRENCY = env.int("INGEST_API_CONCURRENCY", default=2)

# The archive of the price history.

#: Where archived months are kept. Each process that reads the price history must reach it.
ARCHIVE_DIR = Path(env.str("ARCHIVE_DIR", default="") or DATA_DIR / "archive").resolve()

#: Memory that reading or writing the archive may take; what does not fit goes to temporary files.
ARCHIVE_MEMORY = env.str("ARCHIVE_MEMORY", default="1GB")

#: Days for which the files of a month stay after it was archived anew: databases that are restored
#: from a backup set of before name them. While BACKUP_DIR has such a set they stay anyway.
ARCHIVE_KEEP_DAYS = env.int("ARCHIVE_KEEP_DAYS", default=90)

# Backups.

#: Where backup sets are kept: best on another disk than the databases.
BACKUP_DIR = Path(env.str("BACKUP_DIR", default="") or DATA_DIR / "backups").resolve()

#: Folder of pg_dump and pg_restore. Empty: those on PATH and the embedded ones.
POSTGRES_BIN = env.str("POSTGRES_BIN", default="")

#: Of how many days, weeks and months the newest set is kept.
BACKUP_KEEP_DAILY = env.int("BACKUP_KEEP_DAILY", default=7)
BACKUP_KEEP_WEEKLY = env.int("BACKUP_KEEP_WEEKLY", default=4)
BACKUP_KEEP_MONTHLY = env.int("BACKUP_KEEP_MONTHLY", default=6)


def _signing_keys() -> list[str]:
    """Return the keys of BACKUP_SIGNING_KEY; one that can be guessed would prove nothing."""
    keys = [key.strip() for key in env.list("BACKUP_SIGNING_KEY", default=[])]
    keys = [key for key in keys if key]
    named = [("A key in BACKUP_SIGNING_KEY", key) for key in keys]
    if faults := list(secret_checks.find_secret_faults(named, secret_checks.MIN_SIGNING_KEY)):
        raise ImproperlyConfigured("\n".join(dict.fromkeys(faults)))
    return keys


#: Keys of the signatures of backup sets: the first signs, all verify. Empty: sets are not signed.
BACKUP_SIGNING_KEY = _signing_keys()

# The doctor.


def _disk_capacity() -> dict[str, int]:
    """Return DISK_CAPACITY as bytes by alias; the empty one stands for all others."""
    capacities = {}
    for entry in env.list("DISK_CAPACITY", default=[]):
        alias, _, text = entry.strip().rpartition("=")
        size = _bytes(text)
        if not size or alias not in {"", *_NAMES}:
            raise ImproperlyConfigured(
                f"DISK_CAPACITY has {entry}. Write 500GB for all servers, or ecommerce=2TB,"
                f"procurement=500GB; the databases are {', '.join(_NAMES)}."
            )
        capacities[alias] = size
    return capacities


#: Bytes of the disks of servers that are elsewhere, by alias, for the days until they are full.
DISK_CAPACITY = _disk_capacity()

# The admin.

LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

UNFOLD = {
    "SITE_TITLE": "Marketplace analytics",
    "SITE_HEADER": "Marketplace analytics",
    "SITE_SYMBOL": "monitoring",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SITE_URL": None,
    "DASHBOARD_CALLBACK": "marketplace.admin_site.front_page.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": "marketplace.admin_site.front_page.navigation"},
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": "marketplace.admin_site.front_page.favicon",
        }
    ],
    "COLORS": "marketplace.admin_site.front_page.colors",
    "STYLES": [
        "marketplace.admin_site.front_page.theme",
        "marketplace.admin_site.front_page.stylesheet",
    ],
    "SCRIPTS": ["marketplace.admin_site.front_page.script"],
}
