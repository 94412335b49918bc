"""Whether every source field ends in a column or in a written reason, per object."""

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from mapping.models import SourceField
from mapping.workshop.models import FieldMap
from workbench.engagements.models import Engagement

OPEN = (FieldMap.State.PROPOSED, FieldMap.State.DEFERRED)


@dataclass(frozen=True, slots=True)
class Completeness:
    """The fields of one source object: all = moved + left + open + without a line.

    moved: at least one table takes the field and no line is open. left: every line says why not. open: a line waits for a decision, of
    which `deferred` were put off on purpose. lost: fields that no line speaks of.
    """

    object_name: str
    fields: int
    moved: int
    left: int
    open: int
    deferred: int
    lost: int

    @property
    def is_complete(self) -> bool:
        """Nothing is open or lost."""
        return not self.open and not self.lost

    @property
    def decided(self) -> int:
        """Fields with a decision."""
        return self.moved + self.left


def of(engagement: Engagement) -> list[Completeness]:
    """One line per source object with profiled fields, by name; a few set-based counts, however many fields there are."""
    counted = (
        with_decisions(SourceField.objects.filter(engagement=engagement))
        .order_by("object_name")
        .values("object_name")
        .annotate(
            fields=Count("pk"),
            lost=Count("pk", filter=Q(has_line=False)),
            open=Count("pk", filter=Q(is_open=True)),
            deferred=Count("pk", filter=Q(is_deferred=True)),
            moved=Count("pk", filter=Q(is_open=False, is_moved=True)),
            left=Count("pk", filter=Q(is_open=False, is_moved=False, has_line=True)),
        )
    )
    return [Completeness(**row) for row in counted]


def with_decisions(fields: QuerySet[SourceField]) -> QuerySet[SourceField]:
    """Source fields with `has_line`, `is_open`, `is_deferred` and `is_moved` beside them."""
    lines = FieldMap.objects.filter(engagement=OuterRef("engagement"), object_name=OuterRef("object_name"), source=OuterRef("name"))
    return fields.annotate(
        has_line=Exists(lines),
        is_open=Exists(lines.filter(state__in=OPEN)),
        is_deferred=Exists(lines.filter(state=FieldMap.State.DEFERRED)),
        is_moved=Exists(lines.filter(state=FieldMap.State.CONFIRMED)),
    )
