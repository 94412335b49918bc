"""The append-only, hash-chained history of an engagement: who changed or decided what, and when.

What names people may be taken out of an entry (`redaction`); its hash stays, so that the chain holds, and it is verified by another one.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import rfc8785
from django.db import transaction

from workbench.engagements import redaction
from workbench.engagements.models import AuditEntry, Engagement

GENESIS = "0" * 64


def entry_hash(entry: AuditEntry) -> str:
    """SHA-256 over the canonical JSON (RFC 8785) of everything in the entry but its own hash."""
    content = {
        "engagement": entry.engagement.slug,
        "number": entry.number,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
        "previous_hash": entry.previous_hash,
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


@transaction.atomic
def record(engagement: Engagement, *, actor: object, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> AuditEntry:
    """Append one entry. The engagement's row is locked, so that two writers can't take the same number."""
    locked = Engagement.objects.select_for_update().get(pk=engagement.pk)
    last = AuditEntry.objects.filter(engagement=locked).order_by("-number").first()
    entry = AuditEntry(
        engagement=locked,
        number=last.number + 1 if last else 1,
        at=datetime.now(UTC),
        actor=str(actor)[:150],
        action=action,
        subject=subject[:200],
        detail=dict(detail or {}),
        previous_hash=last.hash if last else GENESIS,
    )
    entry.hash = entry_hash(entry)
    entry.save()
    return entry


def breaks(engagement: Engagement) -> Iterator[str]:
    """Every place where the chain doesn't hold, in words; nothing where it does."""
    previous, expected = GENESIS, 1
    for entry in AuditEntry.objects.filter(engagement=engagement).select_related("engagement").order_by("number").iterator():
        if entry.number != expected:
            yield f"Entry {expected} is missing."
        if entry.previous_hash != previous:
            yield f"Entry {entry.number} doesn't follow the entry before it."
        if not entry.redacted_hash and entry_hash(entry) != entry.hash:
            yield f"Entry {entry.number} was changed after it was written."
        previous, expected = entry.hash, entry.number + 1
    yield from redaction.breaks(engagement)
