"""Invitations: a person is asked into an engagement by e-mail, and joins it once by a signed link, with a new account or their own.

An invitation never touches the account of somebody who has one: they sign in and accept. Whether an address has an account is told to
the holder of its link alone, not to who invites.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from workbench.engagements import history
from workbench.engagements.access import workable_by
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Invitation, Membership

SALT = "workbench.engagements.invitations"
VALID_FOR = timedelta(days=7)
PER_DAY = 100  # invitations of one engagement


class MayNotInvite(WorkbenchError):
    """Only engineers of the engagement invite."""

    remedy = "Ask an engineer of the engagement."


class LinkNotGood(WorkbenchError):
    """The link was never made here, or was used, revoked or replaced, or is too old. `state` says which; None for the first."""

    remedy = "Ask whoever invited you for a new link."

    def __init__(self, message: str, state: Invitation.State | None = None) -> None:
        """As WorkbenchError, with what became of the invitation."""
        super().__init__(message)
        self.state = state


class OtherAccount(WorkbenchError):
    """The invited address has an account, and somebody else is signed in, or nobody."""

    remedy = "Sign in with the account of the invited address, then open the link again."


@dataclass(frozen=True, slots=True)
class Made:
    """A new invitation with the token of its link, which can't be had again."""

    invitation: Invitation
    token: str


@transaction.atomic
def invite(engagement: Engagement, *, email: str, role: str, by: User) -> Made:
    """Ask a person into an engagement; an open invitation of the same address and role is replaced. Raises MayNotInvite, BadInput."""
    if not workable_by(by).filter(pk=engagement.pk).exists():
        raise MayNotInvite(f"{by} isn't an engineer of {engagement}.")
    email = _checked(email, role)
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    now = timezone.now()
    if Invitation.objects.filter(engagement=engagement, invited_at__gt=now - timedelta(days=1)).count() >= PER_DAY:
        raise BadInput(f"{PER_DAY} people were invited within a day.", remedy="Go on tomorrow.")
    for older in _open(engagement).filter(email=email, role=role):
        _end(older, by)
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        engagement=engagement, email=email, role=role, key=_key(secret), invited_by=by, invited_at=now, expires_at=now + VALID_FOR
    )
    history.record(engagement, actor=by, action="invited", subject=str(invitation), detail={"until": invitation.expires_at.isoformat()})
    return Made(invitation, signing.dumps(secret, salt=SALT))


@transaction.atomic
def revoke(invitation: Invitation, *, by: User) -> bool:
    """Make a link void; False where it was accepted or revoked before. Raises MayNotInvite."""
    if not workable_by(by).filter(pk=invitation.engagement_id).exists():
        raise MayNotInvite(f"{by} isn't an engineer of {invitation.engagement}.")
    locked = _open(invitation.engagement).select_for_update().filter(pk=invitation.pk).first()
    if locked is None:
        return False
    _end(locked, by)
    return True


def _open(engagement: Engagement) -> QuerySet[Invitation]:
    return Invitation.objects.filter(engagement=engagement, accepted_at=None, revoked_at=None)


def _end(invitation: Invitation, by: User) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(revoked_at=timezone.now())
    history.record(invitation.engagement, actor=by, action="revoked invitation", subject=str(invitation))


def _checked(email: str, role: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
        User.username_validator(email)
    except ValidationError as error:
        raise BadInput(f"{email} can't be a sign-in name.", remedy="Write an address of letters, digits and @ . + - _.") from error
    if len(email) > 150 or role not in dict(Invitation.ROLES):
        raise BadInput("The address is too long or the role unknown.", remedy="Choose one of the roles offered.")
    return email


def _key(secret: str) -> str:
    return salted_hmac(SALT, secret, algorithm="sha256").hexdigest()


def opened(token: str) -> Invitation:
    """The invitation of a link that is still good. Raises LinkNotGood."""
    try:
        secret = signing.loads(token, salt=SALT, max_age=VALID_FOR)
    except signing.SignatureExpired as error:
        raise LinkNotGood("This link is too old.", Invitation.State.EXPIRED) from error
    except signing.BadSignature as error:
        raise LinkNotGood("This link isn't valid.") from error
    found = Invitation.objects.select_related("engagement").filter(key=_key(str(secret))).first()
    if found is None:
        raise LinkNotGood("This link isn't valid.")
    if found.state != Invitation.State.OPEN:
        raise LinkNotGood(SAYS[found.state], found.state)
    return found


SAYS = {
    Invitation.State.ACCEPTED: "This link was used already.",
    Invitation.State.REVOKED: "This link was revoked, or replaced by a newer one.",
    Invitation.State.EXPIRED: "This link is too old.",
}


def accounts_of(email: str) -> list[User]:
    """The accounts that an address stands for, by name or by e-mail; more than one only where a superuser made them so."""
    return list(User.objects.filter(Q(username__iexact=email) | Q(email__iexact=email)))


@transaction.atomic
def accept_anew(invitation: Invitation, *, first_name: str, last_name: str, password: str, address: str | None) -> User:
    """Join with a new account. The password must have been validated. Raises LinkNotGood, OtherAccount where the address has one by now."""
    _take(invitation)
    if accounts_of(invitation.email):
        raise OtherAccount("This address has an account.")
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                invitation.email, invitation.email, password, first_name=first_name.strip(), last_name=last_name.strip()
            )
    except IntegrityError as error:
        raise OtherAccount("This address has an account.") from error
    _join(invitation, user, address, "made an account")
    return user


@transaction.atomic
def accept_as(invitation: Invitation, *, user: User, address: str | None) -> None:
    """Join with the account that the invited address has. Raises LinkNotGood, OtherAccount."""
    _take(invitation)
    if user not in accounts_of(invitation.email):
        raise OtherAccount("The invitation is for another account than the one signed in.")
    _join(invitation, user, address, "has an account")


def _take(invitation: Invitation) -> None:
    """Use the link up: of several who try at once, one succeeds."""
    now = timezone.now()
    if not _open(invitation.engagement).filter(pk=invitation.pk, expires_at__gt=now).update(accepted_at=now):
        invitation.refresh_from_db()
        raise LinkNotGood(SAYS.get(invitation.state, "This link isn't valid."), invitation.state)


def _join(invitation: Invitation, user: User, address: str | None, how: str) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(accepted_by=user)
    Membership.objects.get_or_create(engagement=invitation.engagement, user=user, role=invitation.role)
    detail = {"how": how, "address": address}
    history.record(invitation.engagement, actor=user, action="accepted invitation", subject=str(invitation), detail=detail)


def send(invitation: Invitation, link: str) -> bool:
    """Mail the link; False where no mail server is set or it doesn't take the mail, so that the link must be passed on by hand."""
    if not settings.EMAIL_URL:
        return False
    until = f"{invitation.expires_at:%d %B %Y, %H:%M} UTC"
    text = (
        f"You are invited to take part in {invitation.engagement} as {invitation.get_role_display().lower()}.\n\n"
        f"Open this link to join. It can be used once, until {until}, and is meant for you alone:\n\n{link}\n"
    )
    try:
        return bool(send_mail(" ".join(f"Invitation: {invitation.engagement}".split()), text, None, [invitation.email]))
    except (OSError, SMTPException):
        return False
