"""Who a record is: the normalised e-mail address, the folded name, role addresses and the source's own id."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from email_validator import EmailNotValidError, validate_email

from mapping.issues import Issue, brief

EMAIL_LIMIT = 100  # of the e-mail columns of account, contact and lead

ASCII_EMAIL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff\u200b\u2060]")
# Marks that a name is written with or without, in Latin, Greek, Cyrillic, Hebrew and Arabic; those of other scripts make another letter.
ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0655\u0670]")
UNDECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"},
)


def normalise_email(raw: Any) -> tuple[str | None, Issue | None]:
    """The address as people are told apart by: trimmed, lower-cased, the domain in its ASCII form; dots and plus tags kept.

    (address, None), (None, why not), or (address, note) where control characters had to go. Domains reserved for tests are valid: the
    source's own test people must be seen, not vanish.
    """
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return None, Issue("email.missing", "email", "", "hold")
    if not isinstance(raw, str):
        return None, Issue("email.invalid", "email", brief(raw), "hold")
    text = raw.strip().lower()
    if ASCII_EMAIL.fullmatch(text) and ".xn--" not in text and "@xn--" not in text:
        return _fitting(text, None)
    bare, removed = CONTROL.subn("", text)
    address = _checked(bare.strip())
    if address is None:
        return None, Issue("email.invalid", "email", brief(raw), "hold")
    return _fitting(address, Issue("text.control_characters", "email", f"{removed} removed", "loss") if removed else None)


def _fitting(address: str, note: Issue | None) -> tuple[str | None, Issue | None]:
    length = len(address) if address.isascii() else len(address.encode("utf-16-le")) // 2
    if length > EMAIL_LIMIT:
        return None, Issue("email.too_long", "email", f"{length} of {EMAIL_LIMIT}", "reject")
    return address, note


def _checked(text: str) -> str | None:
    """The address by the library's reading of the standards, which knows international ones; None where it is none.

    A local part of more than 64 characters passes: no mail server has to take it, and the destination does.
    """
    if len(text) > 400 or "@" not in text:
        return None
    try:
        found = validate_email(text, check_deliverability=False, globally_deliverable=False, strict=False)
    except (EmailNotValidError, UnicodeError):
        return None
    domain = (found.ascii_domain or "").lower()
    named = "." in domain and domain[-1].isalpha()  # neither a bare host nor a number
    return f"{found.local_part.lower()}@{domain}" if named else None


def is_role_address(email: str, roles: Collection[str]) -> bool:
    """Whether an address belongs to a function and not to a person: its local part, without plus tag, is in `roles` (lower case)."""
    return email.partition("@")[0].partition("+")[0] in roles


def same_name(name: Any) -> str:
    """A name for telling whether two are written alike: no case, single spaces, nothing invisible. Empty for what is no text."""
    if not isinstance(name, str):
        return ""
    visible = CONTROL.sub("", " ".join(name.split())).encode("utf-8", "replace").decode()
    return " ".join(unicodedata.normalize("NFKC", visible).casefold().split())


def fold_name(name: Any) -> str:
    """A name for telling whether two may be one: as `same_name`, and no accents."""
    plain = unicodedata.normalize("NFC", ACCENTS.sub("", unicodedata.normalize("NFKD", same_name(name))))
    return " ".join(plain.translate(UNDECOMPOSED).split())


def own_id(record: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """The id that the source gave a record: the first of `keys` that holds text or a whole number of sensible length."""
    return next((text for key in keys if (text := id_text(record.get(key)))), None)


def id_text(value: Any) -> str:
    """An id as text, trimmed; empty for what is neither text nor a whole number of sensible length."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value).strip() if isinstance(value, str) or value.bit_length() < 4_096 else ""


def source_id(record: Mapping[str, Any], keys: Iterable[str], email_field: str = "email") -> str | None:
    """The source's own id, else the normalised e-mail, else None: such a record goes by its hash."""
    return own_id(record, [key for key in keys if key != email_field]) or normalise_email(record.get(email_field))[0]
