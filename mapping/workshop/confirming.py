"""Object maps and organisation lists, confirmed or taken back one by one or many at once, as field maps are: scope first, then undoable."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from mapping.models import ObjectMap, OrganisationList
from mapping.workshop import recorded
from mapping.workshop.recorded import Kind, Scope
from workbench.engagements.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Confirmable:
    """A kind of rows with a tick `confirmed`. becomes: what a confirmed one means, in words."""

    kind: Kind
    becomes: Callable[[Any], str]


def _tables(row: ObjectMap) -> str:
    return f"Becomes {', '.join(map(str, row.tables))}." if row.tables else "It is documented only."


def _account(row: OrganisationList) -> str:
    return f"Becomes the account {row.organisation}." if row.organisation.strip() else "It has no name, so its company would be held."


OBJECT_MAPS = Confirmable(
    Kind(ObjectMap, "objects", "maps", "object maps", texts=("cardinality", "note"), structures=("tables", "confirmed")), _tables
)
ORGANISATION_LISTS = Confirmable(
    Kind(OrganisationList, "lists", "companies", "organisation lists", texts=("organisation",), structures=("confirmed",)), _account
)


def scope(rows: QuerySet[Any], *, confirmed: bool) -> Scope:
    """Sort the rows by whether giving or taking the tick changes them."""
    found = Scope()
    for row in rows.select_related("engagement"):
        (found.unchanged if row.confirmed == confirmed else found.changes).append(row)
    return found


@transaction.atomic
def confirm(of: Confirmable, rows: QuerySet[Any], *, confirmed: bool, user: object, comment: str = "") -> list[AuditEntry]:
    """Give or take the tick of every row; one entry of the history per engagement, which names each that changed."""
    changes = scope(rows.select_for_update(of=("self",)), confirmed=confirmed).changes
    before = {row.pk: of.kind.values(row) for row in changes}
    for row in changes:
        row.confirmed = confirmed
    action = f"confirmed {of.kind.noun}" if confirmed else f"took back {of.kind.noun}"
    return recorded.keep(of.kind, changes, before, user=user, action=action, detail={"comment": comment.strip()})
