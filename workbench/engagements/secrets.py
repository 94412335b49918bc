"""Credentials at rest: encrypted with Fernet, the first key encrypting and every key decrypting, so that keys rotate."""

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from workbench.engagements.errors import WorkbenchError


class SecretUnreadable(WorkbenchError):
    """A stored credential was encrypted with a key that this server doesn't have."""

    remedy = "Put the old key back at the end of CREDENTIAL_KEYS, or enter the credential again."


def cipher() -> MultiFernet:
    """The cipher for stored credentials, from CREDENTIAL_KEYS or, where none is set, from SECRET_KEY."""
    keys = settings.CREDENTIAL_KEYS or [base64.urlsafe_b64encode(hashlib.sha256(settings.SECRET_KEY.encode()).digest()).decode()]
    return MultiFernet([Fernet(key) for key in keys])


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database and plain in Python."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in; empty text stays empty."""
        return cipher().encrypt(value.encode()).decode() if value else value

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        """Decrypt on the way out. Raises SecretUnreadable."""
        if not value:
            return value
        try:
            return cipher().decrypt(value.encode()).decode()
        except InvalidToken as error:
            raise SecretUnreadable("A stored credential can't be decrypted with the keys that are set.") from error
