"""Signing: a signature covers exact versions of plan parts, and holds while their hashes stay the same."""

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785
from django.contrib.auth.models import User
from django.db import transaction

from workbench.engagements import gates, history
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Membership, Role, SignOff

# What a person says by signing, as the page shows it beside the box to tick.
STATEMENTS: Mapping[str, str] = {
    SignOff.Kind.MATRIX: "I have read this page. People move as it says, for the stages that it lists.",
    SignOff.Kind.SCHEMA: "I have read what would be removed from production. It may be removed, where it is still empty then.",
    SignOff.Kind.SANDBOX: "I have checked the sandbox. Production may run with exactly these versions of the plan.",
}
# What a gate may keep from being signed.
NEEDS: Mapping[str, str] = {SignOff.Kind.SANDBOX: "sandbox signature"}


class MayNotSign(WorkbenchError):
    """Only a customer approver of the engagement signs."""

    remedy = "Ask the customer's approver to sign in to the portal, or give this person the approver role."


class ChangedMeanwhile(WorkbenchError):
    """What the page showed is no longer what is stored."""

    remedy = "Read the page again and sign what it shows now."


@transaction.atomic
def sign(
    *,
    engagement: Engagement,
    kind: str,
    covers: Mapping[str, Any],
    content: Mapping[str, Any],
    user: User,
    shown_sha256: str,
    address: str | None,
    note: str = "",
) -> SignOff:
    """Record the signature of what the page showed.

    covers: {part: {"version", "sha256"}}. shown_sha256: the content's hash as the page printed it.
    Raises MayNotSign, ChangedMeanwhile, GateClosed.
    """
    if not Membership.objects.filter(engagement=engagement, user=user, role=Role.APPROVER).exists():
        raise MayNotSign(f"{user} isn't an approver of {engagement}.")
    digest = content_hash(content)
    if digest != shown_sha256:
        raise ChangedMeanwhile("The content changed after the page was opened.")
    if action := NEEDS.get(kind):
        gates.require(action, engagement)
    signoff = SignOff.objects.create(
        engagement=engagement,
        kind=kind,
        covers=dict(covers),
        content=dict(content),
        content_sha256=digest,
        signed_by=user,
        address=address,
        note=note,
    )
    history.record(
        engagement,
        actor=user,
        action=f"signed {kind}",
        subject=str(signoff),
        detail={"covers": dict(covers), "content_sha256": digest, "address": address},
    )
    return signoff


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON (RFC 8785) of what a signer is shown."""
    return hashlib.sha256(rfc8785.dumps(dict(content))).hexdigest()


def latest(engagement: Engagement, kind: str) -> SignOff | None:
    """The newest signature of this kind; what was shown is read where it is looked at."""
    return SignOff.objects.filter(engagement=engagement, kind=kind).order_by("-signed_at", "-pk").defer("content").first()


def uncovered(engagement: Engagement, kind: str, hashes: Mapping[str, str]) -> list[str]:
    """The parts of `hashes` (part -> SHA-256 now) that the newest signature of `kind` doesn't cover as they are."""
    signoff = latest(engagement, kind)
    return signoff.uncovered(hashes) if signoff else list(hashes)
