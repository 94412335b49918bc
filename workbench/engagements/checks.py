"""System checks: a wrong setting stops the start with a hint, before a record moves."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

SETTINGS = "settings"  # the tag of checks that a process without pages needs too
INSECURE_KEY = "insecure-key-for-a-laptop-set-SECRET_KEY-on-a-server"


@register(SETTINGS)
def task_times(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """A queue that redelivers before its timeout runs one task twice; django-q2's own defaults do."""
    q = settings.Q_CLUSTER
    found: list[CheckMessage] = []
    if not 0 < (q.get("timeout") or 0) < q.get("retry", 60):
        found.append(Error("TASK_RETRY_S is not above TASK_TIMEOUT_S.", hint="Raise TASK_RETRY_S.", id="workbench.E001"))
    if not 0 < settings.WORK_SECONDS < (q.get("timeout") or 0):
        found.append(Error("WORK_SECONDS is not below TASK_TIMEOUT_S.", hint="Lower WORK_SECONDS.", id="workbench.E002"))
    if not 0 < q.get("max_attempts", 0) <= 20:
        found.append(Error("TASK_MAX_ATTEMPTS is not between 1 and 20.", hint="0 would mean for ever.", id="workbench.E003"))
    return found


@register(SETTINGS)
def credential_keys(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Each key must be one that Fernet takes."""
    found: list[CheckMessage] = []
    for number, key in enumerate(settings.CREDENTIAL_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            hint = "Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            found.append(Error(f"CREDENTIAL_KEYS: key {number} is not a Fernet key.", hint=hint, id="workbench.E004"))
    return found


@register(SETTINGS)
def folder_of_the_defaults(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """VAR_DIR is a folder that can be written."""
    hint = "Set VAR_DIR to a folder that this user may write."
    try:
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [Error(f"VAR_DIR: {settings.VAR_DIR} can't be made a folder: {error.strerror}.", hint=hint, id="workbench.E008")]
    if not os.access(settings.VAR_DIR, os.W_OK | os.X_OK):
        return [Error(f"VAR_DIR: {settings.VAR_DIR} can't be written.", hint=hint, id="workbench.E008")]
    return []


@register(SETTINGS)
def store(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """The store is a folder or a file:// address; it must be writable, or creatable."""
    parts = urlsplit(settings.STORE_URL)
    if parts.scheme not in ("", "file"):
        hint = "Use a folder or file:///a/mounted/folder."
        return [Error(f"STORE_URL has the scheme {parts.scheme}://.", hint=hint, id="workbench.E005")]
    folder = Path(parts.path)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        return [Error(f"STORE_URL: {folder} is not a folder.", hint="Name a folder that can be made.", id="workbench.E006")]
    return []


@register(Tags.security, deploy=True)
def keys_on_a_server(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """On a server the keys are set, and credentials have one of their own."""
    found: list[CheckMessage] = []
    if settings.SECRET_KEY == INSECURE_KEY:
        found.append(Error("SECRET_KEY is the one for laptops.", hint="Set SECRET_KEY to 50 random characters.", id="workbench.E007"))
    if not settings.CREDENTIAL_KEYS:
        message = "CREDENTIAL_KEYS is empty: credentials are encrypted with SECRET_KEY."
        found.append(Warning(message, hint="Set CREDENTIAL_KEYS.", id="workbench.W001"))
    return found
