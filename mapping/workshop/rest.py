"""The fields of an engagement that nobody decided about, left behind at once with one written reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.db import transaction
from django.db.models import QuerySet

from mapping.workshop import completeness, decisions
from mapping.workshop.models import FieldMap
from workbench.engagements.models import AuditEntry, Engagement


@dataclass(frozen=True, slots=True)
class Rest:
    """Open lines of field maps, and lines that would be made for fields of which no line speaks."""

    lines: Sequence[FieldMap]
    without: Sequence[FieldMap]

    @property
    def fields(self) -> int:
        """Different source fields."""
        return len({(row.object_name, row.source) for row in (*self.lines, *self.without)})

    @property
    def digest(self) -> str:
        """Tells whether the rest that a person saw is still the rest."""
        told = [(row.object_name, row.source, row.table, row.state) for row in (*self.lines, *self.without)]
        return sha256(repr(told).encode()).hexdigest()


def of(engagement: Engagement) -> Rest:
    """The rest as it is now, by object and field."""
    return Rest(list(_open(engagement).defer("candidates")), completeness.without_a_line(engagement))


def _open(engagement: Engagement) -> QuerySet[FieldMap]:
    return FieldMap.objects.filter(engagement=engagement, state__in=completeness.OPEN)


@transaction.atomic
def leave(engagement: Engagement, *, user: object, reason: str, comment: str = "") -> list[AuditEntry]:
    """Leave every field of the rest behind; one entry of the history, whose undoing opens all of them again. Raises BadInput."""
    FieldMap.objects.bulk_create(completeness.without_a_line(engagement), batch_size=500)
    return decisions.decide(_open(engagement), FieldMap.State.LEFT, user=user, reason=reason, comment=comment)
