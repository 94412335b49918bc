"""Whether every source field ends in a column or in a written reason, per object."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from mapping.models import ObjectMap, PlanConfirmation, SourceField
from mapping.playbooks import load_playbook
from mapping.workshop.models import FieldMap
from workbench.engagements.models import Engagement, SignOff

OPEN = (FieldMap.State.PROPOSED, FieldMap.State.DEFERRED)
DOCUMENTED = "Its object map leads to no table: it is documented only."
LISTED = "It is listed in an inventory; nothing of it moves."
READ_WITH_OTHERS = "It makes no rows of its own: rules and inventories read it with other objects."


@dataclass(frozen=True, slots=True)
class Completeness:
    """The fields of one source object: all = moved + left + open + without a line.

    moved: at least one table takes the field and no line is open. left: every line says why not. open: a line waits for a decision, of
    which `deferred` were put off on purpose. lost: fields that no line speaks of. later: of the open and lost ones those that nobody had
    seen when the maps were confirmed and the matrix signed. reason: why the object as a whole makes no rows; then all its fields are left.
    """

    object_name: str
    fields: int
    moved: int = 0
    left: int = 0
    open: int = 0
    deferred: int = 0
    lost: int = 0
    later: int = 0
    reason: str = ""

    @property
    def is_complete(self) -> bool:
        """Nothing is open or lost."""
        return not self.open and not self.lost

    @property
    def decided(self) -> int:
        """Fields with a decision."""
        return self.moved + self.left

    @property
    def waiting(self) -> int:
        """Fields that a load waits for: without a decision, and there when the maps were confirmed and the matrix signed."""
        return self.open + self.lost - self.later


def of(engagement: Engagement) -> list[Completeness]:
    """One line per source object with profiled fields, by name; a few set-based counts, however many fields there are."""
    undecided, until, makes_rows = Q(has_line=False) | Q(is_open=True), listed_until(engagement), moving(engagement)
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
            later=Count("pk", filter=undecided & (Q(first_seen_at__gt=until) if until else Q(pk=None))),
        )
    )
    reasons = _whole(engagement)
    return [Completeness(**row) if row["object_name"] in makes_rows else _left_whole(row, reasons) for row in counted]


def moving(engagement: Engagement) -> list[str]:
    """Objects of which rows are made: those that the playbook knows and whose map leads to a table."""
    tables = dict(ObjectMap.objects.filter(engagement=engagement).values_list("object_name", "tables"))
    return [rule.name for rule in load_playbook(engagement.platform).objects if tables.get(rule.name)]


def listed_until(engagement: Engagement) -> datetime | None:
    """When the maps were first confirmed and the matrix was first signed, the later of both; None before.

    A field that is first seen afterwards is a question of its own: its values stay behind until somebody answers, and nothing waits for it.
    """
    maps = PlanConfirmation.objects.filter(plan_version__engagement=engagement, plan_version__part="maps")
    confirmed = maps.aggregate(first=Min("confirmed_at"))["first"]
    signed = SignOff.objects.filter(engagement=engagement, kind=SignOff.Kind.MATRIX).aggregate(first=Min("signed_at"))["first"]
    return max(confirmed, signed) if confirmed and signed else None


def _whole(engagement: Engagement) -> dict[str, str]:
    """Object -> why it makes no rows, where the playbook or its map says so."""
    listed = {rule.name: LISTED for rule in load_playbook(engagement.platform).datasets if rule.documented}
    mapped = ObjectMap.objects.filter(engagement=engagement, tables=[]).values_list("object_name", flat=True)
    return {**listed, **dict.fromkeys(mapped, DOCUMENTED)}


def _left_whole(row: Mapping[str, object], reasons: Mapping[str, str]) -> Completeness:
    name, fields = str(row["object_name"]), int(str(row["fields"]))
    return Completeness(name, fields, left=fields, reason=reasons.get(name, READ_WITH_OTHERS))


def with_decisions(fields: QuerySet[SourceField]) -> QuerySet[SourceField]:
    """Source fields with `has_line`, `is_open`, `is_deferred` and `is_moved` beside them."""
    lines = FieldMap.objects.filter(engagement=OuterRef("engagement"), object_name=OuterRef("object_name"), source=OuterRef("name"))
    return fields.annotate(
        has_line=Exists(lines),
        is_open=Exists(lines.filter(state__in=OPEN)),
        is_deferred=Exists(lines.filter(state=FieldMap.State.DEFERRED)),
        is_moved=Exists(lines.filter(state=FieldMap.State.CONFIRMED)),
    )


def without_a_line(engagement: Engagement) -> list[FieldMap]:
    """Open lines, not kept yet, for the fields that no line speaks of: one in each table that takes fields of their object."""
    becoming = dict(ObjectMap.objects.filter(engagement=engagement).values_list("object_name", "tables"))
    playbook = load_playbook(engagement.platform, engagement.prefix)
    lost = with_decisions(SourceField.objects.filter(engagement=engagement, object_name__in=moving(engagement))).filter(Q(has_line=False))
    return [
        FieldMap(engagement=engagement, object_name=name, source=source, table=table)
        for name, source in lost.order_by("object_name", "name").values_list("object_name", "name")
        for table in playbook.mapped_tables(name, becoming[name])
    ]
