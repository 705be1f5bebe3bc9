"""Settings of the project, with values from the environment or `.env`.

The defaults suit development on one machine. `.env.example` documents the variables. Longer parts
of the settings are in `marketplace.configuration`.
"""

from datetime import timedelta
from pathlib import Path

import django_stubs_ext
from django.urls import reverse_lazy

from marketplace import registry, secret_checks
from marketplace.configuration import databases, environment, secrets
from marketplace.configuration.admin_pages import CONTENT_SECURITY_POLICY, UNFOLD  # noqa: F401
from marketplace.configuration.environment import BASE_DIR, env
from marketplace.configuration.logs import LOGGING  # noqa: F401

# Makes Django's generic classes accept type arguments at run time.
django_stubs_ext.monkeypatch()

# Django's own settings.

DEBUG = env.bool("DEBUG", default=False)

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])

CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

#: The folder of generated data: the embedded server, the secret key, reports.
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data"))).resolve()

INSTALLED_APPS = [
    # First, because its commands override those of Django with the same name.
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
    # For the static files of the documentation of the API.
    "ninja",
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
    # First, so that a locked login is rejected before the password is checked.
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
#: The target of collectstatic in the image. Without it, files are served from the packages.
STATIC_ROOT = env.str("STATIC_ROOT", default="") or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Databases.

DATABASE_ROUTERS = ["marketplace.routers.AppRouter"]

#: Seconds to wait for a server that does not answer.
DB_CONNECT_TIMEOUT = env.int("DB_CONNECT_TIMEOUT", default=3)


DATABASES = {
    alias: databases.database_entry(alias, DB_CONNECT_TIMEOUT) for alias in databases.DEFAULT_NAMES
}

#: The databases without a host, which use the embedded server.
_EMBEDDED = databases.embedded_aliases(DATABASES)

EMBEDDED_POSTGRES = bool(_EMBEDDED)

#: Bytes of the file that reserves space to start the embedded server on a full disk; 0 for none.
EMBEDDED_RESERVE = environment.embedded_reserve()

#: The last day of the demonstration's period; None for the day before its data is loaded.
DEMO_END = environment.demo_end()

if not DEBUG:
    databases.require_all_hosts(DATABASES)

# Cache: local memory, or Redis. Pages work without Redis during an outage.

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

SECRET_KEY = secrets.secret_key(DATA_DIR, is_embedded=EMBEDDED_POSTGRES)

# HTTPS and proxies.

#: Whether the site is in production: neither DEBUG nor the embedded server.
PRODUCTION = not DEBUG and not EMBEDDED_POSTGRES

#: Whether a proxy terminates TLS. All dependent settings follow from this one.
HTTPS = env.bool("HTTPS", default=PRODUCTION)

SECURE_SSL_REDIRECT = HTTPS
# The proxy sets this header and must remove it from requests of clients.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=30 * 24 * 3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS

# HSTS preloading binds a domain to HTTPS for years, which is the decision of the domain's owner.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

#: Number of proxies that append to X-Forwarded-For. With 0 the header is ignored, and the address
#: of the client is that of the connection.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)

# Login throttling with django-axes: see `marketplace.admin_site.login`.

AXES_HANDLER = "marketplace.admin_site.login.LoginThrottle"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
# Otherwise, attempts during a lock would extend it for all users behind the same address.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "marketplace.admin_site.login.account_name"
AXES_CLIENT_IP_CALLABLE = "marketplace.admin_site.login.client_address"
AXES_LOCKOUT_CALLABLE = "marketplace.admin_site.login.locked_page"
# The log contains addresses only: users sometimes type a password as the username.
AXES_SENSITIVE_PARAMETERS = ["username"]
# Successful logins would be kept forever. Expired failures are deleted at the next login.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# Monitoring.

#: Hours without a completed load of a platform after which /readyz warns.
FRESHNESS_HOURS = env.int("FRESHNESS_HOURS", default=26)

#: The token with which Prometheus reads /metrics. Without one, only this machine may.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

#: Whether the database `default` is reached through PgBouncer, whose pools /metrics then reports.
PGBOUNCER_METRICS = env.bool("PGBOUNCER_METRICS", default=False)

# Loading.

#: Records per transaction.
INGEST_BATCH_SIZE = env.int("INGEST_BATCH_SIZE", default=1000)

#: Maximum size of a record in bytes, after decompression.
INGEST_MAX_RECORD = env.int("INGEST_MAX_RECORD", default=32 * 1024 * 1024)

#: Maximum nesting depth of arrays and objects in a record.
INGEST_MAX_DEPTH = env.int("INGEST_MAX_DEPTH", default=100)


#: Thresholds of the gates, by platform: see `marketplace.loading.gates`.
INGEST_GATES = environment.ingest_gates()

#: Whether large inputs are read and parsed in a process of their own. INGEST_READ_APART is a
#: deprecated alias of the variable.
INGEST_READER_PROCESS = env.bool(
    "INGEST_READER_PROCESS", default=env.bool("INGEST_READ_APART", default=True)
)

#: Seconds for which a load retries if a database becomes unreachable.
INGEST_PATIENCE = env.int("INGEST_PATIENCE", default=300)

#: Tokens for pushing, as pairs of platform and token. A platform may have two during a change.
INGEST_TOKENS = [
    entry.strip().partition("=")[::2] for entry in env.list("INGEST_TOKENS", default=[])
]


# The web server does not run system checks, so weak secrets are rejected here.
if not DEBUG and len(_EMBEDDED) < len(DATABASES):
    secrets.require_strong_secrets(
        allowed_hosts=ALLOWED_HOSTS,
        key=SECRET_KEY,
        metrics_token=METRICS_TOKEN,
        ingest_tokens=INGEST_TOKENS,
        databases=DATABASES,
    )

#: Maximum bytes of a push: of the body as sent, after decompression, and of one line.
INGEST_API_MAX_BODY = env.int("INGEST_API_MAX_BODY", default=64 * 1024 * 1024)
INGEST_API_MAX_UNPACKED = env.int("INGEST_API_MAX_UNPACKED", default=512 * 1024 * 1024)
INGEST_API_MAX_LINE = env.int("INGEST_API_MAX_LINE", default=8 * 1024 * 1024)

#: Maximum number of documents, or of non-blank lines, in a push.
INGEST_API_MAX_RECORDS = env.int("INGEST_API_MAX_RECORDS", default=500_000)

#: Maximum CPU time of a push in seconds.
INGEST_API_MAX_CPU = env.int("INGEST_API_MAX_CPU", default=20)

#: Seconds within which the body of a push must be received.
INGEST_API_TIMEOUT = env.int("INGEST_API_TIMEOUT", default=120)

#: Concurrent pushes per process. The limit leaves threads for pages when clients are slow.
INGEST_API_CONCURRENCY = env.int("INGEST_API_CONCURRENCY", default=2)

# The archive of the price history.

#: The folder of archived months. All processes that read the price history need access to it.
ARCHIVE_DIR = Path(env.str("ARCHIVE_DIR", default="") or DATA_DIR / "archive").resolve()

#: Memory for reading and writing the archive. Larger data spills to temporary files.
ARCHIVE_MEMORY = env.str("ARCHIVE_MEMORY", default="1GB")

#: Days for which superseded files of an archived month are kept. Databases restored from an older
#: backup set need them. As long as BACKUP_DIR contains such a set, they are kept regardless.
ARCHIVE_KEEP_DAYS = env.int("ARCHIVE_KEEP_DAYS", default=90)

# Backups.

#: The folder of backup sets, preferably on another disk than the databases.
BACKUP_DIR = Path(env.str("BACKUP_DIR", default="") or DATA_DIR / "backups").resolve()

#: Folder of pg_dump and pg_restore. Empty: those on PATH and of the embedded server.
POSTGRES_BIN = env.str("POSTGRES_BIN", default="")

#: Number of days, weeks and months for which the newest backup set is kept.
BACKUP_KEEP_DAILY = env.int("BACKUP_KEEP_DAILY", default=7)
BACKUP_KEEP_WEEKLY = env.int("BACKUP_KEEP_WEEKLY", default=4)
BACKUP_KEEP_MONTHLY = env.int("BACKUP_KEEP_MONTHLY", default=6)

#: Signing keys of backup sets: the first signs, all verify. Empty: sets are not signed.
BACKUP_SIGNING_KEY = environment.signing_keys()

# The doctor.

#: Disk size in bytes of remote servers, by alias, to predict when the disks will be full.
DISK_CAPACITY = environment.disk_capacity(DATABASES)

# The admin.

LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

# Questions.

#: Seconds after which a question is stopped.
QUESTION_TIMEOUT = env.int("QUESTION_TIMEOUT", default=30)
