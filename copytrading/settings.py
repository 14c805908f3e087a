"""Django's settings. Whatever comes from outside is read by `copytrading.env`; importing this needs no server."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import django_stubs_ext
from django.templatetags.static import static

from copytrading import env, logs

django_stubs_ext.monkeypatch()  # so that Django's generic classes can be given their model, as the types want it

ENV = env.current()
env.share_metrics(ENV.metrics_dir)
BASE_DIR = env.BASE_DIR

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug
ALLOWED_HOSTS = list(ENV.allowed_hosts)

#: The book, and beside it prices, channels, cache and broker: two instances, so that ticks are never fsynced.
LEDGER_URL = ENV.redis_url
MARKET_URL = ENV.market_redis_url
ALLOW_VOLATILE_LEDGER = ENV.allow_volatile_ledger
FEED = ENV.feed
#: Requests a second of one key or person.
API_RATE = ENV.api_rate

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "simple_history",
    "import_export",
    "django_celery_beat",
    "accounts",
    "orders",
    "workers",
]

MIDDLEWARE = [
    "accounts.api.requests.RequestContext",
    "accounts.api.intake.UnreadBody",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "accounts.admin_refusals.NotedRefusals",
    "accounts.admin_refusals.RecordAway",
]

ROOT_URLCONF = "copytrading.urls"
WSGI_APPLICATION = "copytrading.wsgi.application"
APPEND_SLASH = False

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # What belongs to no room, and what is said otherwise than unfold says it.
        "DIRS": [BASE_DIR / "copytrading" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": dj_database_url.parse(ENV.database_url, conn_max_age=60, conn_health_checks=True)}
# A PostgreSQL that has vanished from the network is given up within seconds, since trading goes on without it.
DATABASES["default"].setdefault("OPTIONS", {}).update(connect_timeout=2, tcp_user_timeout=5_000)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": MARKET_URL,
        "KEY_PREFIX": "cache",
        # Limits are counted here, and requests go on without: nobody waits long for a counter.
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.5, "SOCKET_TIMEOUT": 0.5},
    }
}

AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# As long as whoever changes terms has words for why.
SIMPLE_HISTORY_HISTORY_CHANGE_REASON_USE_TEXT_FIELD = True

LANGUAGE_CODE = "en-us"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "copytrading.formats"

STATIC_URL = "/static/"
# Served straight from the packages that bring them: nothing to collect, nothing that could be out of date.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
# Files that browsers ask for at the root of the site.
WHITENOISE_ROOT = BASE_DIR / "copytrading" / "root"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
#: A log-in ends after one shift, whatever was done in it.
LOG_IN_LASTS = timedelta(hours=12)
SESSION_COOKIE_AGE = int(LOG_IN_LASTS.total_seconds())
# Behind one proxy of ours that ends TLS: it says how and from where the request reached it.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.behind_tls
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.behind_tls else None

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "accounts.api.problems.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
    "NUM_PROXIES": 1 if ENV.behind_tls else None,
}

REST_KNOX = {
    "TOKEN_TTL": LOG_IN_LASTS,
    "AUTH_HEADER_PREFIX": "Bearer",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Order execution and copy trading",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # Names that say what they mean are not told twice.
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["accounts.api.schema.describe"],
    # Served from our own static files: no page loads anything from another host.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

CELERY_BROKER_URL = f"redis+socket://{urlsplit(MARKET_URL).path}" if MARKET_URL.startswith("unix:") else MARKET_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": "celery:"}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
UNFOLD = {
    "SITE_TITLE": "Copy trading",
    "SITE_HEADER": "Copy trading",
    "SHOW_HISTORY": False,  # pages of terms have theirs; for all others it is the audit log
    "LOGIN": {"form": "accounts.admin_log_in.LogInForm"},
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [{"rel": "icon", "href": "/favicon.ico", "type": "image/x-icon"}],
    "STYLES": [lambda request: static("accounts/admin.css")],
    "SCRIPTS": [lambda request: static("accounts/once.js")],
    "SIDEBAR": {"navigation": "copytrading.navigation.entries"},
    "DASHBOARD_CALLBACK": "orders.admin.first_page.figures",
}

LOGGING = logs.configure(ENV.log_level, ENV.log_format)
