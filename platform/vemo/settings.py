"""The site's one settings file, driven by the environment. What each variable does: docs/operators.md."""

import os
import secrets
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any
from unicodedata import normalize

import environ
from csp.constants import NONE, SELF
from django.conf.locale import LANG_INFO

from labeling.fetching.addresses import BadNetwork, Network, networks
from labeling.fetching.buckets import BadProfile, profiles

BASE_DIR = Path(__file__).resolve().parents[2]
env = environ.Env()

VEMO_HOME = Path(env("VEMO_HOME", default=str(BASE_DIR / "var"))).resolve()
"""Everything the embedded default writes: database, queue, media, snapshots, runs."""
VEMO_HOME.mkdir(parents=True, exist_ok=True)


def _own_secret_key() -> str:
    """A key of this installation's own, made on the first start and readable by its owner only."""
    path = VEMO_HOME / "secret.key"
    if not path.exists():
        # Written aside and linked: of processes that start together one wins, and none reads half a key.
        own = path.with_name(f"secret.key-{secrets.token_hex(8)}")
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(50))
            with suppress(FileExistsError):
                os.link(own, path)
        finally:
            own.unlink()
    return path.read_text()


DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="") or _own_secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "vemo.accounts",
    "labeling",
    "training",
    "vemo.pages",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # After who it is: the language of a person's profile goes before the browser's.
    "vemo.accounts.language.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "vemo.urls"
WSGI_APPLICATION = "vemo.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "signin"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
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


# ---- database ----------------------------------------------------------------------------------------------
def _database(url: str) -> dict[str, Any]:
    """The URL as Django's settings. No message repeats any of it: it holds a password."""
    scheme = url.partition(":")[0]
    if scheme not in ("sqlite", "postgres", "postgresql"):
        raise environ.ImproperlyConfigured(
            "DATABASE_URL begins with neither postgres:// nor sqlite:///. "
            "Write postgres://user:password@host:5432/name or sqlite:////folder/file.sqlite3."
        )
    try:
        return dict(env.db_url_config(url))
    except ValueError:
        raise environ.ImproperlyConfigured(
            "DATABASE_URL cannot be read. The port must be a number, and special characters of the password "
            "are written as %XX (a slash is %2F, an @ is %40)."
        ) from None


DATABASES = {
    "default": _database(env("DATABASE_URL", default="") or f"sqlite:///{VEMO_HOME / 'vemo.sqlite3'}")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # Every write transaction takes the write lock at its start: no deadlock by upgrading a read lock.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
PREPARED_STATEMENTS = env.bool("PREPARED_STATEMENTS", default=True)
"""The vote queue's statements are planned once per PostgreSQL connection. Not behind a pooler that hands each
transaction another connection."""

# ---- queue -------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="embedded://")
EMBEDDED_BROKER_ROOT = VEMO_HOME / "broker"
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# The row in our database is the truth, and the sweeper finds what a dead worker left: a message may go early.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
HEARTBEAT_TIMEOUT_S = env.int("HEARTBEAT_TIMEOUT_S", default=60)
"""Work whose heartbeat is older than this is taken for dead and queued again."""
SWEEP_EVERY_S = env.int("SWEEP_EVERY_S", default=15)
MAX_ATTEMPTS = env.int("MAX_ATTEMPTS", default=5)
"""Work whose worker died this often fails instead of being queued once more."""
CELERY_BEAT_SCHEDULE = {
    "sweep dead work": {"task": "labeling.tasks.sweep_work", "schedule": SWEEP_EVERY_S},
    "return expired leases": {"task": "labeling.tasks.return_expired_leases", "schedule": 60},
    "look at watched sources again": {"task": "labeling.tasks.look_again", "schedule": 20},
    "look at licences again": {
        "task": "labeling.tasks.check_licences",
        "schedule": 3600,
        "options": {"queue": "ingest"},
    },
    "remove forgotten uploads": {"task": "labeling.tasks.remove_forgotten_uploads", "schedule": 3600},
}

# ---- files -------------------------------------------------------------------------------------------------
STORAGE_URL = env("STORAGE_URL", default=f"file://{VEMO_HOME / 'storage'}")
"""file:///folder, or s3://bucket/prefix?endpoint_url=…&region_name=… (keys from AWS_* variables)."""


def _storage(url: str) -> dict[str, object]:
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        if not rest.startswith("/"):
            raise environ.ImproperlyConfigured("STORAGE_URL names no whole path; write file:///folder.")
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": rest}}
    if scheme == "s3":
        from urllib.parse import parse_qsl

        path, _, query = rest.partition("?")
        bucket, _, prefix = path.partition("/")
        if not bucket:
            raise environ.ImproperlyConfigured("STORAGE_URL names no bucket; write s3://bucket/prefix.")
        options: dict[str, object] = {"bucket_name": bucket, "location": prefix, **dict(parse_qsl(query))}
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {**options, "default_acl": None}}
    raise environ.ImproperlyConfigured(f"STORAGE_URL starts with {scheme}://; use file:// or s3://.")


STORAGES = {
    "default": _storage(STORAGE_URL),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
RUNS_ROOT = Path(env("RUNS_ROOT", default=str(VEMO_HOME / "runs")))
"""Run folders (config, curves, checkpoints). Shared by the gpu workers and the web processes."""
SNAPSHOT_CACHE_ROOT = Path(env("SNAPSHOT_CACHE_ROOT", default=str(VEMO_HOME / "snapshot-cache")))
"""Local copies of snapshots that live in S3, for training."""
WORK_ROOT = Path(env("WORK_ROOT", default=str(VEMO_HOME / "work")))
"""Where a worker makes big files before they go to the storage; leftovers of dead attempts are swept by the next."""
STATIC_URL = "static/"
STATIC_ROOT = Path(env("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [Path(__file__).parent / "static"]
# `make run` and the demo serve static files straight from the tree; a deployment collects them first.
WHITENOISE_USE_FINDERS = env.bool("STATIC_FROM_TREE", default=not STATIC_ROOT.exists())
if WHITENOISE_USE_FINDERS:
    # Nothing was collected, on purpose; whitenoise would say so at every start.
    warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}

# ---- vision ------------------------------------------------------------------------------------------------
YUNET_FETCHED = VEMO_HOME / "models" / "face_detection_yunet_2023mar.onnx"
"""Where `manage.py fetch_yunet` puts it."""
YUNET_MODEL = env("YUNET_MODEL", default=str(YUNET_FETCHED) if YUNET_FETCHED.is_file() else "")
"""Path of a YuNet .onnx file for cv2.FaceDetectorYN; empty: only the cascade is offered."""
VISION_THREADS = env.int("VISION_THREADS", default=0)
"""Threads of one search for faces; 0: one per core."""
MAX_IMAGE_PIXELS = env.int("MAX_IMAGE_PIXELS", default=100_000_000)
MAX_MEDIA_BYTES = env.int("MAX_MEDIA_BYTES", default=4 * 1024**3)
MAX_ZIP_BYTES = env.int("MAX_ZIP_BYTES", default=20 * 1024**3)
"""Most bytes a zip may unpack to, all members together."""


# ---- fetching from the network -------------------------------------------------------------------------------
def _networks(name: str) -> tuple[Network, ...]:
    try:
        return networks(env.list(name, default=[]))
    except BadNetwork as error:
        raise environ.ImproperlyConfigured(f"{name}: {error}") from None


FETCH_ALLOW_ADDRESSES = _networks("FETCH_ALLOW_ADDRESSES")
"""Networks that may be fetched from though they are not public, at any port: an own file server."""
FETCH_REFUSE_ADDRESSES = _networks("FETCH_REFUSE_ADDRESSES")
"""Networks never fetched from, besides those that are not public: an own network with public addresses."""
FETCH_MAX_S = env.float("FETCH_MAX_S", default=3600.0)
FETCH_PER_SECOND = env.float("FETCH_PER_SECOND", default=2.0)
"""Requests to one host, of one ingest."""
if FETCH_MAX_S <= 0 or FETCH_PER_SECOND <= 0:
    raise environ.ImproperlyConfigured("FETCH_MAX_S and FETCH_PER_SECOND are numbers above 0.")
FETCH_USER_AGENT = env("FETCH_USER_AGENT", default="VEMO/0.1")
CHECK_LICENCES_PER_HOUR = env.int("CHECK_LICENCES_PER_HOUR", default=20)
"""So many pages of media are looked at again each hour, for a licence that has changed; 0: none."""
if CHECK_LICENCES_PER_HOUR < 0:
    raise environ.ImproperlyConfigured("CHECK_LICENCES_PER_HOUR is a whole number from 0 on.")
FLICKR_API_KEY = env("FLICKR_API_KEY", default="")
FLICKR_API_URL = env("FLICKR_API_URL", default="https://api.flickr.com/services/rest/")
FLICKR_PER_SECOND = 1.0
"""Calls of the API: Flickr allows 3,600 an hour."""
GOOGLE_API_KEY = env("GOOGLE_API_KEY", default="")
GOOGLE_CX = env("GOOGLE_CX", default="")
"""The id of a programmable search engine that searches the whole web for pictures."""
GOOGLE_API_URL = env("GOOGLE_API_URL", default="https://www.googleapis.com/customsearch/v1")
try:
    S3_PROFILES = profiles(env("S3_PROFILES", default=""))
except BadProfile as error:
    raise environ.ImproperlyConfigured(f"S3_PROFILES: {error}") from None
"""The storages whose buckets can be sources, by name: the only ones, and the only place of their keys."""
S3_FIRST_PAUSE_S = 1.0
"""Before a storage that is busy is asked again; the pauses double."""
YOUTUBE_MAX_DURATION_S = env.float("YOUTUBE_MAX_DURATION_S", default=4 * 3600.0)
YOUTUBE_BYTES_PER_S = env.int("YOUTUBE_BYTES_PER_S", default=0)
"""The fastest a video is fetched; 0: as fast as it comes."""
YOUTUBE_PAUSE_S = env.float("YOUTUBE_PAUSE_S", default=1.0)
"""Between two requests that are not a video itself."""
if YOUTUBE_MAX_DURATION_S <= 0 or YOUTUBE_BYTES_PER_S < 0 or YOUTUBE_PAUSE_S < 0:
    raise environ.ImproperlyConfigured(
        "YOUTUBE_MAX_DURATION_S is above 0; _BYTES_PER_S and _PAUSE_S are 0 or more."
    )
YOUTUBE_PROXY = env("YOUTUBE_PROXY", default="")
if YOUTUBE_PROXY and not YOUTUBE_PROXY.startswith(("http://", "socks5h://")):
    raise environ.ImproperlyConfigured("YOUTUBE_PROXY begins with http:// or socks5h://.")
YOUTUBE_JS_RUNTIME = env("YOUTUBE_JS_RUNTIME", default="")
"""Path of deno, for yt-dlp to solve what YouTube's player asks; empty: no program is started."""
YOUTUBE_STAND_IN = env("YOUTUBE_STAND_IN", default="")
"""For trials: the address of a server whose pages are taken for YouTube's."""

# ---- what the browser and the API may name on the server's disk ----------------------------------------------
_ONLY_FROM_HERE = all(host in ("localhost", "127.0.0.1", "[::1]") for host in ALLOWED_HOSTS)
IMPORT_ROOTS = [
    Path(root)
    for root in env.list(
        "IMPORT_ROOTS",
        default=[str(VEMO_HOME / "import"), *([str(Path.home())] if _ONLY_FROM_HERE else [])],
    )
]
"""Folders a manager may ingest from by naming a path. While the site answers to this machine only, whoever
signs in sits at it: the home folder of who started the site counts too. Once ALLOWED_HOSTS names another
host, only VEMO_HOME/import does. Commands (manage.py) may read anything: who can run them has the disk already."""
EXPORT_ROOTS = env.list("EXPORT_ROOTS", default=[str(VEMO_HOME / "export")])
"""Folders, and addresses such as s3://bucket/prefix, that the browser and the API may have exports written to."""
if not all(root.startswith(("/", "s3://")) for root in EXPORT_ROOTS):
    raise environ.ImproperlyConfigured(
        "EXPORT_ROOTS are whole paths, or addresses such as s3://bucket/prefix."
    )
EXPORT_KEEP_FREE_BYTES = env.int("EXPORT_KEEP_FREE_BYTES", default=1024**3)
"""Left free on the disk an export is made on or written to: what would use it is refused before it begins."""
UPLOAD_ROOT = Path(env("UPLOAD_ROOT", default=str(VEMO_HOME / "uploads")))
"""Where files uploaded by a browser lie until they are ingested; workers must see it too."""
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", default=2 * 1024**3)
"""The largest file of a plain form; what a browser sends in pieces may have MAX_RESUMABLE_BYTES."""
MAX_RESUMABLE_BYTES = env.int("MAX_RESUMABLE_BYTES", default=100 * 1024**3)
UPLOAD_QUOTA_BYTES = env.int("UPLOAD_QUOTA_BYTES", default=200 * 1024**3)
"""What one person may have on its way or lying there without being a source yet."""
UPLOAD_KEEP_FREE_BYTES = env.int("UPLOAD_KEEP_FREE_BYTES", default=2 * 1024**3)
"""Left free on the disk of UPLOAD_ROOT whatever is sent."""
UPLOAD_KEEP_DAYS = env.float("UPLOAD_KEEP_DAYS", default=7.0)
"""Files sent that nobody has touched for so long, and that are no source, are removed."""
if min(MAX_RESUMABLE_BYTES, UPLOAD_QUOTA_BYTES, UPLOAD_KEEP_FREE_BYTES) < 0 or UPLOAD_KEEP_DAYS <= 0:
    raise environ.ImproperlyConfigured(
        "MAX_RESUMABLE_BYTES, UPLOAD_QUOTA_BYTES and UPLOAD_KEEP_FREE_BYTES are 0 or more, UPLOAD_KEEP_DAYS above 0."
    )
FILE_UPLOAD_HANDLERS = [
    "labeling.web.uploads.CappedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# ---- languages, time ---------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
"""What the sources speak, and what is spoken to who asks for a language that is not there."""
USE_I18N = True
LOCALE_PATHS = [Path(__file__).parent / "locale"]


def _languages() -> list[tuple[str, str]]:
    """English and every language with a .po, by their own names: a new one needs its file and nothing else."""
    files = sorted(LOCALE_PATHS[0].glob("*/LC_MESSAGES/django.po"))
    codes = [file.parents[1].name.replace("_", "-").lower() for file in files]
    return [(code, normalize("NFC", LANG_INFO[code]["name_local"])) for code in ("en", *codes)]


LANGUAGES = _languages()
LANGUAGE_COOKIE_NAME = "vemo_language"
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
FORMAT_MODULE_PATH = ["vemo.formats"]
NUMBER_GROUPING = 3
TIME_ZONE = env("TIME_ZONE", default="UTC")
USE_TZ = True

# ---- API ---------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # First, because the first one says how to sign in: a stranger gets 401, not 403.
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["labeling.api.parsing.StorableJSON"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.CursorPagination",
    "PAGE_SIZE": 100,
    "DEFAULT_SCHEMA_CLASS": "labeling.api.schema.WithRefusals",
    "EXCEPTION_HANDLER": "labeling.api.handler.answer",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "VEMO",
    "DESCRIPTION": "From raw media to a trained facial-expression network, and round again.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    # What is sent differs from what comes back: no read-only fields, and text that may not be empty.
    "COMPONENT_SPLIT_REQUEST": True,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_NAME_OVERRIDES": {
        "WorkState": "labeling.models.work.WorkState",
        "ItemState": "labeling.models.source.Item.State",
        "CampaignState": "labeling.models.campaign.Campaign.State",
        "LicenceDemand": "labeling.licences.DEMANDS",
        "MediaKind": "labeling.models.source.Media.Kind",
        "RightsDecisionKind": "labeling.models.rights.RightsDecision.Kind",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# ---- security ----------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
PASSWORD_BACKEND = "vemo.accounts.guessing.PasswordBackend"
AUTHENTICATION_BACKENDS = [PASSWORD_BACKEND]
SIGNIN_ATTEMPTS = env.int("SIGNIN_ATTEMPTS", default=10)
"""Wrong passwords for one name from one address, after which none is looked at; 0: any number."""
SIGNIN_LOCK_MINUTES = env.float("SIGNIN_LOCK_MINUTES", default=15.0)
"""For so long, and then they are counted from nothing."""
SESSION_COOKIE_HTTPONLY = True
HTTPS = env.bool("HTTPS", default=False)
"""The site is reached over https only (behind a proxy that sets X-Forwarded-Proto)."""
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=int(HTTPS))
"""How many proxies stand before the site, each of which appends whom it hears to X-Forwarded-For."""
if SIGNIN_ATTEMPTS < 0 or SIGNIN_LOCK_MINUTES <= 0 or TRUSTED_PROXIES < 0:
    raise environ.ImproperlyConfigured(
        "SIGNIN_ATTEMPTS and TRUSTED_PROXIES are whole numbers from 0 on, SIGNIN_LOCK_MINUTES is above 0."
    )
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    LANGUAGE_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    # What is asked for holds keys, which belong in no log.
    "loggers": {"httpcore": {"level": "INFO"}},
    "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", default="INFO")},
}

if "pytest" in sys.modules:
    # Hashing passwords slowly is for production; tests sign in hundreds of times.
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # A test must not wake the workers of the site whose environment it runs in.
    CELERY_BROKER_URL = "embedded://"
