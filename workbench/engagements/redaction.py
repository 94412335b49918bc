"""Taking what names people out of rows that are written once: the history, signatures, versions of the plan.

A row keeps its own hashes, so that the chain holds and whoever has a copy of what was signed can still show it. What stands in the row
since has a hash too (`redacted_hash`), and the entry of the history that tells of the redaction covers all of those: so no redacted row can
be changed, and no other one pass for redacted.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import rfc8785
from django.apps import apps
from django.db.models import Q

from workbench.engagements.models import AuditEntry, Engagement, Redactable


def redact(row: Redactable, **left: Any) -> bool:
    """Leave this in the fields that name people; whether anything changed. Raises ValueError for another field."""
    if others := set(left) - set(row.OF_PEOPLE):
        raise ValueError(f"Not to be redacted: {sorted(others)}.")
    if all(getattr(row, name) == value for name, value in left.items()):
        return False
    for name, value in left.items():
        setattr(row, name, value)
    row.redacted_hash = standing_hash(row)
    type(row)._base_manager.filter(pk=row.pk).update(**left, redacted_hash=row.redacted_hash)
    return True


def standing_hash(row: Redactable) -> str:
    """SHA-256 of the canonical JSON (RFC 8785) of what stands in the fields that name people."""
    return hashlib.sha256(rfc8785.dumps({name: getattr(row, name) for name in row.OF_PEOPLE})).hexdigest()


def models_of() -> list[type[Redactable]]:
    """The models whose rows can be redacted, in an order that stays."""
    return sorted((model for model in apps.get_models() if issubclass(model, Redactable)), key=lambda model: model._meta.label)


def redacted_rows(engagement: Engagement) -> Iterator[Redactable]:
    """Every redacted row of an engagement, in an order that stays."""
    for model in models_of():
        rows = model._base_manager.filter(Q(engagement=engagement)).exclude(redacted_hash="")
        yield from rows.order_by("pk").iterator(chunk_size=500)


def told(engagement: Engagement) -> dict[str, Any]:
    """What the entry of the history says of a redaction: how many rows are redacted by now, and one hash over all of theirs."""
    digest, rows = hashlib.sha256(), 0
    for row in redacted_rows(engagement):
        digest.update(f"{row._meta.label} {row.pk} {row.redacted_hash}\n".encode())
        rows += 1
    return {"rows": rows, "sha256": digest.hexdigest()}


def breaks(engagement: Engagement) -> Iterator[str]:
    """Where redacted rows aren't what the newest entry that tells of a redaction says, in words; nothing where they are."""
    for row in redacted_rows(engagement):
        if standing_hash(row) != row.redacted_hash:
            what = f"Entry {row.number}" if isinstance(row, AuditEntry) else f"{row}"
            yield f"{what} was changed after it was redacted."
    now = told(engagement)
    entries = AuditEntry.objects.filter(engagement=engagement, detail__has_key="redacted").order_by("-number")
    newest = entries.first()
    if now["rows"] and newest is None:
        yield f"{now['rows']} rows are redacted, and no entry tells of it; a purge or an erasure that isn't finished leaves them so."
    elif newest and newest.detail["redacted"] != now:
        yield f"The redacted rows aren't those that entry {newest.number} tells of."


def holds(row: Redactable, *, matches: bool) -> bool:
    """Whether a row says what it was written with, or what a redaction left of that. matches: whether its content has its own hash."""
    return standing_hash(row) == row.redacted_hash if row.redacted_hash else matches
