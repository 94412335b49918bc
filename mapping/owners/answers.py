"""Answers given, checked against the environments before they are kept, and taken back; one owner at a time or many at once."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from mapping.owners import checks
from mapping.owners.matching import Candidates, candidates_of
from mapping.owners.models import OwnerAnswer, OwnerMatch
from mapping.owners.snapshot import key_of
from workbench.engagements import history
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Membership, Role

SIGNERS = (Role.DYNAMICS_ADMIN, Role.APPROVER)
AT_ONCE = 500  # rows of one statement
NAMED = 50  # owners that an entry of the history names


class OwnerDoesNotFit(BadInput):
    """The answer can't own the rows in production, or where the environments differ, in the sandbox."""

    remedy = "Choose another user or an owner team, or have the Dynamics admin mend it there and read the users again."


class MustBeSigned(WorkbenchError):
    """A disabled user is to own rows, and nobody of the customer stands for it."""

    remedy = "Have the customer's Dynamics admin or approver answer this owner in the portal and sign for it."


class ScopeChanged(WorkbenchError):
    """The owners that the page listed aren't those that would be answered now."""

    remedy = "Look at the list again; it shows what would change now."


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says of one or more owners. name: e-mail or domain name of a user, or a team's name; '' with the kind `open`."""

    kind: str
    name: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The owners that an answer would be given to. digest: of exactly these with what they say now, for the page to send back."""

    matches: Sequence[OwnerMatch]
    digest: str

    @property
    def records(self) -> int:
        """Records of all these owners."""
        return sum(match.records for match in self.matches)

    @property
    def answered(self) -> int:
        """How many have an answer that would be replaced."""
        return sum(match.kind != OwnerMatch.Kind.OPEN for match in self.matches)


def scope(matches: QuerySet[OwnerMatch]) -> Scope:
    """What an answer to these owners would change."""
    found = list(matches.order_by("-records", "source_owner", "pk"))
    told = "|".join(sorted(f"{match.pk}:{match.kind}:{match.answer}" for match in found))
    return Scope(found, hashlib.sha256(told.encode("utf-8", "replace")).hexdigest())


@transaction.atomic
def give(
    engagement: Engagement, matches: QuerySet[OwnerMatch], answer: Answer, *, by: User, shown: str | None = None, signed: bool = False
) -> uuid.UUID:
    """Give one answer to all these owners of the engagement; returns the batch by which it can be taken back.

    shown: the digest of the scope that the person saw. signed: the person stands for a disabled user's owning rows.
    Raises OwnerDoesNotFit, MustBeSigned, ScopeChanged, BadInput. Nothing is kept then.
    """
    asked = scope(matches.filter(engagement=engagement).select_for_update(of=("self",)))
    if shown is not None and asked.digest != shown:
        raise ScopeChanged("The owners changed while the page was open.")
    known = _known(engagement, answer, asked.matches)
    named = _checked(answer, asked.matches, known)
    signer = _signer(engagement, answer, by, signed)
    batch = _keep(asked.matches, named, signer, by)
    _judge(engagement, asked.matches, known)
    _record(engagement, asked.matches, named, batch, by, "answered owners")
    return batch


def _known(engagement: Engagement, answer: Answer, matches: Sequence[OwnerMatch]) -> list[Candidates]:
    """Whoever of the environments the answer can mean; everybody where the owner of rows without one changes, who stands in for others."""
    if any(not match.source_owner for match in matches):
        return candidates_of(engagement)
    default = _default_of(matches) if matches else None
    return candidates_of(engagement, {key_of(answer.name), key_of(default.answer if default else "")})


def _checked(answer: Answer, matches: Sequence[OwnerMatch], known: Sequence[Candidates]) -> Answer:
    """The answer with its name trimmed. Raises OwnerDoesNotFit, BadInput."""
    name, kind = answer.name.strip(), answer.kind
    if kind not in OwnerMatch.Kind.values or not matches:
        raise BadInput("There is no such answer, or no owner to give it to.", remedy="Choose owners and an answer.")
    if (kind == OwnerMatch.Kind.OPEN) != (not name):
        raise BadInput("An answer is a kind and a name.", remedy="Write the user's e-mail or domain name, or the team's name.")
    if kind != OwnerMatch.Kind.OPEN:
        for problem in problems(answer, matches, known):
            raise OwnerDoesNotFit(problem)
    return Answer(kind, name, answer.note.strip())


def problems(answer: Answer, matches: Sequence[OwnerMatch], known: Iterable[Candidates]) -> list[str]:
    """Why the answer can't be given to these owners, per environment in words; empty where it can, or where nothing was read yet."""
    owners = [match.source_owner for match in matches]
    given = [OwnerMatch(source_owner=owner, kind=answer.kind, answer=answer.name.strip()) for owner in owners]
    default = next((one for one in given if not one.source_owner), None) or _default_of(matches)
    found: dict[str, str] = {}
    for one in given:
        for kind, problem in checks.problems_of(one, known, default).items():
            found.setdefault(kind, f"{answer.name.strip()} can't own these rows in {kind}: {problem}")
        if found:
            break
    return list(found.values())


def _default_of(matches: Sequence[OwnerMatch]) -> OwnerMatch | None:
    return OwnerMatch.objects.filter(engagement=matches[0].engagement_id, source_owner="").first()


def _signer(engagement: Engagement, answer: Answer, by: User, signed: bool) -> str:
    """Who stands for a disabled user, '' where none is asked for. Raises MustBeSigned."""
    if answer.kind != OwnerMatch.Kind.STUB:
        return ""
    if not signed or not Membership.objects.filter(engagement=engagement, user=by, role__in=SIGNERS).exists():
        raise MustBeSigned("A disabled user owns rows only where somebody of the customer signs for it.")
    return by.get_username()


def _keep(matches: Sequence[OwnerMatch], answer: Answer, signer: str, by: User) -> uuid.UUID:
    batch, after = uuid.uuid4(), {"kind": answer.kind, "answer": answer.name, "note": answer.note, "signed_by": signer}
    _change([(match, said(match), after) for match in matches], batch, by)
    return batch


def _change(changes: Sequence[tuple[OwnerMatch, dict[str, str], dict[str, str]]], batch: uuid.UUID, by: User) -> None:
    """Set each owner from what it said to what it says now, and keep both; owners that get the same are set together."""
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for match, _, after in changes:
        groups.setdefault(tuple(after.items()), []).append(match.pk)
        for name, value in after.items():
            setattr(match, name, value)
    for values, ids in groups.items():
        for start in range(0, len(ids), AT_ONCE):
            OwnerMatch.objects.filter(pk__in=ids[start : start + AT_ONCE]).update(**dict(values))
    given = by.get_username()
    rows = [OwnerAnswer(match=match, batch=batch, before=before, after=after, given_by=given) for match, before, after in changes]
    OwnerAnswer.objects.bulk_create(rows, batch_size=AT_ONCE)


def said(match: OwnerMatch) -> dict[str, str]:
    """What an owner's answer is, as the history of answers keeps it."""
    return {"kind": match.kind, "answer": match.answer, "note": match.note, "signed_by": match.signed_by}


def _judge(engagement: Engagement, matches: Sequence[OwnerMatch], known: Sequence[Candidates]) -> None:
    """Hold the answers against the environments; all of them where one stands in for others."""
    if any(not match.source_owner for match in matches):
        checks.refresh(engagement, known)
        return
    default = OwnerMatch.objects.filter(engagement=engagement, source_owner="").first()
    checks.keep_problems(matches, known, default)


def _record(engagement: Engagement, matches: Sequence[OwnerMatch], answer: Answer, batch: uuid.UUID, by: User, action: str) -> None:
    detail = {
        "batch": str(batch), "owners": len(matches), "records": sum(match.records for match in matches), "kind": answer.kind,
        "answer": answer.name, "note": answer.note, "first": [match.shown for match in matches[:NAMED]],
    }  # fmt: skip
    history.record(engagement, actor=by, action=action, subject=f"{len(matches)} owner{'s' * (len(matches) != 1)}", detail=detail)


@transaction.atomic
def take_back(engagement: Engagement, batch: uuid.UUID, *, by: User) -> tuple[int, int]:
    """Put back what a batch replaced, and say so in the history: (owners put back, owners left alone).

    An owner that was answered anew since stays as it is. Raises BadInput where there is no such batch.
    """
    rows = list(
        OwnerAnswer.objects.filter(batch=batch, match__engagement=engagement).select_related("match").select_for_update(of=("self",))
    )
    if not rows:
        raise BadInput("There are no such answers.", remedy="Look at the history of the owner again.")
    back = [row for row in rows if said(row.match) == row.after]
    matches, undone = [row.match for row in back], uuid.uuid4()
    _change([(row.match, row.after, row.before) for row in back], undone, by)
    if matches:
        _judge(engagement, matches, candidates_of(engagement))
        _record(engagement, matches, Answer("", "", f"Taken back: {batch}"), undone, by, "took back owners' answers")
    return len(back), len(rows) - len(back)
