"""Keyed hashes in the place of ids and addresses: the same name gives the same one, and nobody without the key can try names out.

The key is a random one of the engagement, encrypted with the installation's keys as credentials are. So a new SECRET_KEY or a new first key
of CREDENTIAL_KEYS changes no pseudonym, and where the old key is missing nothing is done (SecretUnreadable): erased people don't come back
unnoticed. Two engagements have different pseudonyms of one person.
"""

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from workbench.engagements.models import Engagement, ErasedName, PseudonymKey

PREFIX = "hmac:"
_PSEUDONYM = re.compile(r"hmac:[0-9a-f]{64}")
_ROW_VERSION = 0xF  # no id of a row has it; so a row's pseudonym is known by it
_VERSION_AT, _VERSION_BITS = 76, 0xF << 76


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Makes the pseudonyms of one engagement. Everything can be done again: a pseudonym, and nothing, stay as they are."""

    key: bytes = field(repr=False)

    def of(self, text: str) -> str:
        """`hmac:` and 64 hexadecimal digits; exact: another case is another name."""
        if not text or is_pseudonym(text):
            return text
        return PREFIX + hmac.digest(self.key, text.encode("utf-8", "surrogatepass"), "sha256").hex()

    def of_row(self, row_id: UUID) -> UUID:
        """The pseudonym of a row's id, an id itself. Ids that we gave are SHA-1 of source ids, which anybody could try out."""
        if row_id.int & _VERSION_BITS == _ROW_VERSION << _VERSION_AT:
            return row_id
        digest = int.from_bytes(hmac.digest(self.key, b"row:" + row_id.bytes, "sha256")[:16])
        return UUID(int=digest & ~_VERSION_BITS | _ROW_VERSION << _VERSION_AT)

    def of_bytes(self, content: bytes) -> bytes:
        """32 bytes that tell equal contents from others."""
        return hmac.digest(self.key, b"content:" + content, "sha256")


def is_pseudonym(text: str) -> bool:
    """Whether a text is a pseudonym already."""
    return _PSEUDONYM.fullmatch(text) is not None


@transaction.atomic
def pseudonyms_of(engagement: Engagement) -> Pseudonyms:
    """The engagement's pseudonyms; the first call makes their key. Raises SecretUnreadable."""
    found = PseudonymKey.objects.filter(engagement=engagement).first()
    if found is None:
        Engagement.objects.select_for_update().get(pk=engagement.pk)
        found, _ = PseudonymKey.objects.get_or_create(engagement=engagement, defaults={"key": secrets.token_hex(32)})
    return Pseudonyms(bytes.fromhex(found.key))


@dataclass(frozen=True, slots=True)
class Erased:
    """The register of people who were erased from an engagement: pseudonyms of their ids and addresses."""

    names: frozenset[str] = frozenset()
    pseudonyms: Pseudonyms | None = None

    def __bool__(self) -> bool:
        """Whether anybody is on it."""
        return bool(self.names)

    def has(self, keys: Iterable[str | None]) -> bool:
        """Whether one of these ids and addresses is on it: as it is written, in lower case, or as a pseudonym."""
        pseudonyms = self.pseudonyms
        if not self.names or pseudonyms is None:
            return False
        forms = {form for key in keys if key for form in (key, key.strip().lower())}
        return any(pseudonyms.of(form) in self.names for form in forms)


NOBODY = Erased()


def erased_from(engagement: Engagement) -> Erased:
    """The engagement's register as it is now. Raises SecretUnreadable."""
    names = frozenset(ErasedName.objects.filter(engagement=engagement).values_list("pseudonym", flat=True))
    return Erased(names, pseudonyms_of(engagement)) if names else NOBODY
