"""Django's settings, made from `wavesep.web.config`."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .config import Config, read_config

CONFIG = read_config()
SECONDS_TO_WAIT = 20  # for another process that writes to SQLite


def secret_key(folder: Path) -> str:
    """Return the key that signs sessions; it is made at the first start, for its owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "secret.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        key = secrets.token_urlsafe(48)
        file.write(key)
    return key


def database(config: Config) -> dict[str, Any]:
    """Return the connection to the database."""
    if not config.database:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": config.folder / "db.sqlite3",
            "OPTIONS": {
                # a transaction locks at its start: two that read first would deadlock
                "transaction_mode": "IMMEDIATE",
                "timeout": SECONDS_TO_WAIT,
                # a commit that was reported survives a power cut
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
        }
    url = urlsplit(config.database)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.removeprefix("/"),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": url.port or "",
    }


def host_names(config: Config) -> list[str]:
    """Return the names by which browsers may call the server; others could be forged (DNS)."""
    names = ["localhost", "127.0.0.1", "[::1]", config.host, *config.hosts]
    if not config.is_local:
        name = socket.gethostname()
        with suppress(OSError):
            names += [name, *socket.gethostbyname_ex(name)[2]]
    return names


SECRET_KEY = secret_key(CONFIG.folder)
DATABASES = {"default": database(CONFIG)}
ALLOWED_HOSTS = host_names(CONFIG)
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "ninja",  # it brings the pages that show the interface, so they work offline
    "wavesep.web",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "wavesep.web.policy.content_policy",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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
AUTHENTICATION_BACKENDS = ["wavesep.web.access.LockingBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"}
    for name in ("UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
STATIC_URL = "/static/"
SERVESTATIC_USE_FINDERS = True  # files are served from the packages that bring them
ROOT_URLCONF = "wavesep.web.urls"
ASGI_APPLICATION = "wavesep.web.asgi.application"
DATA_UPLOAD_MAX_MEMORY_SIZE = CONFIG.largest_song  # the guard limits bodies before this does
FILE_UPLOAD_MAX_MEMORY_SIZE = 262_144  # bytes of a body that are not written to the disk
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = bool(CONFIG.proxy)
SESSION_COOKIE_NAME = "wavesep_session"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING_CONFIG = None  # the command that starts a process sets up its log
USE_TZ = True
TIME_ZONE = "UTC"
