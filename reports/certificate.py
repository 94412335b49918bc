"""The certificate of a signature: who signed what, when and from where, with the hashes by which anyone can check it."""

from collections.abc import Mapping
from typing import Any

from loads.models import Run
from reports.books.certificate import book
from reports.documents import write_book, write_json
from reports.models import Document
from workbench.engagements import redaction
from workbench.engagements.models import AuditEntry, Engagement, Role, SignOff
from workbench.engagements.signoffs import STATEMENTS, content_hash

KIND = "certificate"


def content(signoff: SignOff) -> dict[str, Any]:
    """A signature as data, with the content that was signed, so that its hash can be computed again by whoever has this file.

    role: the one that signing asks for, whatever the person's roles are now. holds: whether the stored content still has the signed hash,
    or where what names people was taken out of it (redacted), the hash of what was left.
    """
    signer = signoff.signed_by
    earlier = SignOff.objects.filter(engagement=signoff.engagement, kind=signoff.kind, pk__lte=signoff.pk)
    return {
        "engagement": signoff.engagement.name,
        "slug": signoff.engagement.slug,
        "kind": signoff.kind,
        "what": signoff.get_kind_display(),
        "number": earlier.count(),
        "statement": STATEMENTS[signoff.kind],
        "signer": {
            "name": signer.get_full_name() or signer.get_username(),
            "user": signer.get_username(),
            "email": signer.email,
            "role": str(Role.APPROVER.label),
        },
        "signed_at": signoff.signed_at.isoformat(),
        "address": signoff.address,
        "note": signoff.note,
        "content_sha256": signoff.content_sha256,
        "holds": redaction.holds(signoff, matches=content_hash(signoff.content) == signoff.content_sha256),
        "redacted": bool(signoff.redacted_hash),
        "covers": signoff.covers,
        "history": _entry(signoff),
        "content": signoff.content,
    }


def _entry(signoff: SignOff) -> Mapping[str, Any] | None:
    """The entry of the history that recorded the signature; None where somebody removed it."""
    entries = AuditEntry.objects.filter(engagement=signoff.engagement, action=f"signed {signoff.kind}", at__gte=signoff.signed_at)
    entry = entries.filter(detail__content_sha256=signoff.content_sha256).order_by("number").first()
    return {"number": entry.number, "hash": entry.hash, "at": entry.at.isoformat()} if entry else None


def signatures(engagement: Engagement) -> list[SignOff]:
    """All signatures of an engagement, the oldest first, so that the newest is written last."""
    found = SignOff.objects.filter(engagement=engagement).select_related("engagement", "signed_by")
    return list(found.order_by("signed_at", "pk"))


def run_of(signoff: SignOff) -> Run | None:
    """The run that was signed, beside whose documents the certificate stands; None where it is of the engagement."""
    return Run.objects.filter(engagement=signoff.engagement, key=signoff.content.get("run", "")).first()


def write(signoff: SignOff) -> Document:
    """The certificate as JSON."""
    return write_json(signoff.engagement, KIND, content(signoff), run_of(signoff), at=signoff.signed_at)


def write_pdf(signoff: SignOff) -> Document:
    """The certificate on paper."""
    return write_book(write(signoff), book(content(signoff)), at=signoff.signed_at)
