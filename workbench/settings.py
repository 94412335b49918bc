"""Settings, all from the environment; `workbench.engagements.checks` stops the start on a bad value with a hint.

Nothing set means the embedded defaults: SQLite, a folder beside the project, django-q2 on the database.
"""

from contextlib import suppress
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
if env.bool("READ_ENV_FILE", default=True):
    environ.Env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=False)
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
SECRET_KEY = env.str("SECRET_KEY", default="insecure-key-for-a-laptop-set-SECRET_KEY-on-a-server")
# Keys that encrypt stored credentials: the first encrypts, all decrypt (rotation). None: derived from SECRET_KEY.
CREDENTIAL_KEYS = env.list("CREDENTIAL_KEYS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "workbench.administration.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "workbench",  # before django_q: its `qcluster` stands in for theirs
    "django_q",
    "workbench.engagements",
    "connectors",
    "mapping",
    "loads",
    "reports",
    "workbench.pipeline",
    "workbench.hypercare",
    "workbench.privacy",
    "workbench.portal",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "workbench.security.LimitedRequests",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "workbench.security.ContentSecurityPolicy",
]

ROOT_URLCONF = "workbench.urls"
WSGI_APPLICATION = "workbench.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'workbench.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Writers queue, not fail: a transaction takes the write lock when it begins, not half way. sqlite:///FILE?timeout=5 waits less.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
        **DATABASES["default"].get("OPTIONS", {}),
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Landed records, staged rows, before-images and outcomes lie here; a folder, or file:///a/shared/mount.
STORE_URL = env.str("STORE_URL", default=str(VAR_DIR / "store"))
# Folders with further fonts for PDF documents, for scripts that the bundled ones don't have (Chinese, Japanese, Korean, Thai, ...).
DOCUMENT_FONTS = env.list("DOCUMENT_FONTS", default=[])
DOCUMENTS_AT_ONCE = env.bool("DOCUMENTS_AT_ONCE", default=True)

# A task takes chunks for at most WORK_SECONDS, then queues itself; it is only redelivered after TASK_RETRY_S.
WORK_SECONDS = env.int("WORK_SECONDS", default=45)
REDIS_URL = env.str("REDIS_URL", default="")
Q_CLUSTER = {
    "name": "workbench",
    "workers": env.int("TASK_WORKERS", default=2),
    "timeout": env.int("TASK_TIMEOUT_S", default=120),
    "retry": env.int("TASK_RETRY_S", default=180),
    "max_attempts": env.int("TASK_MAX_ATTEMPTS", default=5),
    # What a task took isn't all given back to the system: a worker that took so much makes room for a new one.
    "max_rss": env.int("TASK_MAX_RSS_MB", default=400) * 1024,
    "poll": 0.2,
    "catch_up": False,
    "save_limit": 1000,
    "ack_failures": True,
    "label": "Tasks",
}
Q_CLUSTER |= {"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "portal:sign_in"
LOGIN_REDIRECT_URL = "portal:home"
LOGOUT_REDIRECT_URL = "portal:sign_in"

# smtp+tls://user:password@host:587 sends invitations; without it their links are shown to whoever invites.
EMAIL_URL = env.str("EMAIL_URL", default="")
if EMAIL_URL:
    try:
        globals().update(env.email_url("EMAIL_URL"))
    except (ImproperlyConfigured, ValueError) as error:
        raise ImproperlyConfigured("EMAIL_URL can't be read. Write it as smtp+tls://user:password@host:587.") from error
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="workbench@localhost")

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = ["workbench.formats"]
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
with suppress(OSError):  # makes VAR_DIR too; where it can't, a system check says why
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# Behind TLS unless told otherwise; `make serve` and `make demo` set HTTPS=off for 127.0.0.1.
HTTPS = env.bool("HTTPS", default=True)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="WARNING")},
}


BLUES = {
    "50": "#eff7fb",
    "100": "#e3eff7",
    "200": "#c2dff0",
    "300": "#91c7e3",
    "400": "#57a8d0",
    "500": "#2b8cc4",
    "600": "#0b5c86",
    "700": "#084766",
    "800": "#063a54",
    "900": "#052f44",
    "950": "#031e2c",
}


def _of_superusers(title: str, icon: str, link: str) -> dict:
    return {"title": title, "icon": icon, "link": reverse_lazy(link), "permission": lambda request: request.user.is_superuser}


UNFOLD = {
    "SITE_TITLE": "Migration Workbench",
    "SITE_HEADER": "Migration Workbench",
    "SITE_SUBHEADER": "to Dynamics 365 Sales",
    "SITE_SYMBOL": "move_up",
    "COLORS": {"primary": BLUES},  # the portal's accent and its neighbours
    "DASHBOARD_CALLBACK": "workbench.pipeline.dashboard.dashboard",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: static("workbench/admin.css")],
    "SCRIPTS": [lambda request: static("workbench/tables.js")],
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "title": "Engagement",
                "items": [
                    {"title": "Engagements", "icon": "handshake", "link": reverse_lazy("admin:engagements_engagement_changelist")},
                    {"title": "Connections", "icon": "cable", "link": reverse_lazy("admin:engagements_connection_changelist")},
                    {"title": "Sign-offs", "icon": "verified", "link": reverse_lazy("admin:engagements_signoff_changelist")},
                    {"title": "Invitations", "icon": "person_add", "link": reverse_lazy("admin:engagements_invitation_changelist")},
                    {"title": "History", "icon": "history", "link": reverse_lazy("admin:engagements_auditentry_changelist")},
                ],
            },
            {
                "title": "Discovery",
                "separator": True,
                "items": [
                    {"title": "Datasets", "icon": "database", "link": reverse_lazy("admin:connectors_dataset_changelist")},
                    {"title": "Source objects", "icon": "inventory_2", "link": reverse_lazy("admin:mapping_sourceobject_changelist")},
                    {"title": "Event types", "icon": "bolt", "link": reverse_lazy("admin:mapping_eventtype_changelist")},
                    {"title": "Journeys", "icon": "route", "link": reverse_lazy("admin:reports_journeys")},
                    {"title": "Source fields", "icon": "bar_chart", "link": reverse_lazy("admin:mapping_sourcefield_changelist")},
                    {"title": "Findings", "icon": "fact_check", "link": reverse_lazy("admin:mapping_discoveryfinding_changelist")},
                ],
            },
            {
                "title": "Plan",
                "separator": True,
                "items": [
                    {"title": "Object maps", "icon": "account_tree", "link": reverse_lazy("admin:mapping_objectmap_changelist")},
                    {"title": "Field maps", "icon": "swap_horiz", "link": reverse_lazy("admin:mapping_fieldmap_changelist")},
                    {"title": "Split matrix", "icon": "call_split", "link": reverse_lazy("admin:mapping_splitrule_changelist")},
                    {"title": "Owners", "icon": "badge", "link": reverse_lazy("admin:mapping_ownermatch_changelist")},
                    {"title": "Plan versions", "icon": "layers", "link": reverse_lazy("admin:mapping_planversion_changelist")},
                ],
            },
            {
                "title": "Loading",
                "separator": True,
                "items": [
                    {"title": "Schema plans", "icon": "schema", "link": reverse_lazy("admin:loads_schemaplan_changelist")},
                    {"title": "Schema removals", "icon": "delete_sweep", "link": reverse_lazy("admin:loads_schemaremoval_changelist")},
                    {"title": "Runs", "icon": "play_circle", "link": reverse_lazy("admin:loads_run_changelist")},
                    {"title": "Exceptions", "icon": "report", "link": reverse_lazy("admin:loads_ledgerentry_changelist")},
                    {"title": "Edited rows", "icon": "compare_arrows", "link": reverse_lazy("admin:loads_conflict_changelist")},
                    {"title": "Gone at the source", "icon": "person_off", "link": reverse_lazy("admin:loads_departed_changelist")},
                    {"title": "Crosswalk", "icon": "compare_arrows", "link": reverse_lazy("admin:loads_crosswalk_changelist")},
                    {"title": "Documents", "icon": "description", "link": reverse_lazy("admin:reports_document_changelist")},
                ],
            },
            {
                "title": "Hypercare",
                "separator": True,
                "items": [
                    {"title": "Tickets", "icon": "confirmation_number", "link": reverse_lazy("admin:hypercare_ticket_changelist")},
                    {"title": "Calendars", "icon": "event", "link": reverse_lazy("admin:hypercare_hypercarecalendar_changelist")},
                ],
            },
            {
                "title": "People and tasks",
                "separator": True,
                "items": [
                    {"title": "Erasures", "icon": "person_remove", "link": reverse_lazy("admin:privacy_erasure_changelist")},
                    {"title": "Purges", "icon": "delete_forever", "link": reverse_lazy("admin:privacy_purge_changelist")},
                    _of_superusers("Users", "person", "admin:auth_user_changelist"),
                    _of_superusers("Queued tasks", "pending", "admin:django_q_ormq_changelist"),
                    _of_superusers("Failed tasks", "error", "admin:django_q_failure_changelist"),
                ],
            },
        ],
    },
}
