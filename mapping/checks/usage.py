"""Checks of what is hardly used: fields that few records fill, objects of which the source has no record. Whether they are worth moving is
the customer's to say, and what they say is carried out in the maps.

Source: learn.microsoft.com/power-platform, workflow-complex-data-migration: columns used by under 5 % of records, and unused tables, are
put to the business.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from django.db.models import Q, QuerySet

from connectors.base import Finding
from mapping import plan
from mapping.checks.registry import Check, Choice, Decision, register
from mapping.counts import counts
from mapping.fieldprofiles import why_unused
from mapping.models import DiscoveryFinding, FieldMap, ObjectMap, SourceField
from mapping.playbooks import Playbook, load_playbook
from mapping.workshop import completeness
from workbench.engagements.models import Engagement, Role

GROUP = "Worth moving"
SPARSE = 0.05  # of its object's records
SPARSE_FIELDS, UNUSED_OBJECTS = "sparse_fields", "unused_objects"
KEEP, LEAVE = "keep", "leave"
LEFT = "Few records fill it; the customer decided to leave it behind."
BACK = "Few records fill it; the customer decided to move it all the same."
ALWAYS = ("person", "company", "membership")  # kinds of objects that are what they are, or that no dataset counts


def findings(engagement: Engagement) -> Iterator[Finding]:
    """What is hardly used, by the newest profiles and counts. Fields that came after the signature are questions of their own already."""
    playbook = load_playbook(engagement.platform, engagement.prefix)
    yield from _sparse_fields(engagement, playbook)
    yield from _unused_objects(engagement, playbook)


def _sparse_fields(engagement: Engagement, playbook: Playbook) -> Iterator[Finding]:
    """One finding per field that a map would move. Payload keys aren't among them: each event has its own, and a budget bounds them."""
    names, asked = plan.names_of(engagement), _asked(engagement)
    for name in completeness.moving(engagement):
        fields = list(_listed(engagement).filter(object_name=name))
        parents, ruled = {one.name.rpartition(".")[0] for one in fields}, playbook.read_by_rules(name, names)
        for one in () if playbook.record(name).payload else fields:
            left = playbook.why_left(name, one.name) or why_unused(one, parents)
            if one.fill < SPARSE and not left and one.name not in ruled and asked(name, one.name):
                share = f"{100 * one.fill:.1f}" if one.fill >= 0.001 else "less than 0.1"
                evidence = f"Filled in {one.filled:,} of {one.rows:,} records, {share} %."
                facts = {"object": name, "field": one.name}
                yield Finding(SPARSE_FIELDS, "warning", evidence, subject=f"{name}.{one.name}", facts=facts)


def _listed(engagement: Engagement) -> QuerySet[SourceField]:
    """Fields that the signature stands for, all before there is one."""
    fields, until = SourceField.objects.filter(engagement=engagement), completeness.listed_until(engagement)
    return fields.filter(first_seen_at__lte=until) if until else fields


def _asked(engagement: Engagement) -> Callable[[str, str], bool]:
    """Whether a field is still to be asked about: not where people left it behind for other reasons."""
    lines = FieldMap.objects.filter(engagement=engagement)
    moving = lines.exclude(state=FieldMap.State.LEFT) | lines.filter(reason=LEFT)
    known, moved = (set(rows.values_list("object_name", "source")) for rows in (lines, moving))
    return lambda name, source: (name, source) not in known or (name, source) in moved


def _unused_objects(engagement: Engagement, playbook: Playbook) -> Iterator[Finding]:
    """One finding per object that would get tables and has no record, or that was left behind for that."""
    known, left = counts(engagement), _left_objects(engagement)
    lists = {rule.object: rule.of for rule in playbook.listed}
    rows = {row.object_name: row for row in ObjectMap.objects.filter(engagement=engagement)}
    for rule in playbook.objects:
        counted, row = known.get(lists.get(rule.name, rule.name)), rows.get(rule.name)
        if counted and not counted.records and row and rule.kind not in ALWAYS and (row.tables or rule.name in left):
            yield Finding(UNUSED_OBJECTS, "warning", f"The source has no record of it: {rule.title}.", subject=rule.name)


def _left_objects(engagement: Engagement) -> set[str]:
    found = DiscoveryFinding.objects.filter(engagement=engagement, check_name=UNUSED_OBJECTS, decision=LEAVE)
    return set(found.values_list("subject", flat=True))


def move_fields(engagement: Engagement, rows: Sequence[DiscoveryFinding], was: Mapping[int, str], user: object) -> None:
    """Leave the maps of fields behind that the customer doesn't want, and propose those again that they want after all."""
    from mapping.workshop import decisions  # with it come the destination's columns, which few processes need

    lines = FieldMap.objects.filter(engagement=engagement)
    if leaving := _of_fields([row for row in rows if row.decision == LEAVE]):
        decisions.decide(lines.filter(leaving).exclude(state=FieldMap.State.LEFT), FieldMap.State.LEFT, user=user, reason=LEFT)
    if coming := _of_fields([row for row in rows if row.decision != LEAVE and was[row.pk] == LEAVE]):
        left = lines.filter(coming, state=FieldMap.State.LEFT, reason=LEFT)
        decisions.decide(left, FieldMap.State.PROPOSED, user=user, reason=BACK)


def carry_out_again(engagement: Engagement, *, actor: object) -> None:
    """Leave lines behind, too, that were proposed after the customer decided about their fields."""
    decided = DiscoveryFinding.objects.filter(engagement=engagement, check_name=SPARSE_FIELDS, decision=LEAVE)
    move_fields(engagement, list(decided), {}, actor)


def _of_fields(rows: Sequence[DiscoveryFinding]) -> Q:
    """The lines of the fields that findings are about; empty for none."""
    fields: dict[str, list[str]] = {}
    for row in rows:
        fields.setdefault(row.facts["object"], []).append(row.facts["field"])
    found = Q()
    for name, sources in fields.items():
        found |= Q(object_name=name, source__in=sources)
    return found


def move_objects(engagement: Engagement, rows: Sequence[DiscoveryFinding], was: Mapping[int, str], user: object) -> None:
    """Have objects make no rows that the customer doesn't want, and make them again where they want them after all."""
    from mapping.workshop import confirming, recorded  # see above

    names, rules = plan.names_of(engagement), {rule.name: rule for rule in load_playbook(engagement.platform, engagement.prefix).objects}
    tables: dict[str, list[str]] = {row.subject: [] for row in rows if row.decision == LEAVE}
    tables |= {row.subject: list(rules[row.subject].tables_by(names)) for row in rows if row.decision != LEAVE and was[row.pk] == LEAVE}
    changed = list(ObjectMap.objects.filter(engagement=engagement, object_name__in=tables).select_related("engagement"))
    for row in changed:
        row.tables = tables[row.object_name]
    recorded.change_many(confirming.OBJECT_MAPS.kind, changed, user=user, action="changed object maps")


register(
    Check(
        SPARSE_FIELDS, "Fields that few records fill", "source", GROUP, "Fields that less than one record in twenty fills.",
        Decision(
            "Hardly anybody uses these fields. Are they worth moving?",
            (
                Choice(KEEP, "Move them", "Each goes where its map says."),
                Choice(LEAVE, "Leave them behind", "Their values stay at the source; that is the reason written beside each field."),
            ),
            Role.APPROVER, KEEP, sandbox=True,
        ),
        carry_out=move_fields,
    ),
    Check(
        UNUSED_OBJECTS, "Objects without records", "source", GROUP, "Objects that would get columns, and of which there is nothing.",
        Decision(
            "There is nothing of these to move. Shall their tables be prepared all the same?",
            (
                Choice(KEEP, "Prepare them", "What there is of it by then moves."),
                Choice(LEAVE, "Leave them out", "It makes no rows, and no columns are made for it."),
            ),
            Role.APPROVER, KEEP, sandbox=True,
        ),
        carry_out=move_objects,
    ),
)  # fmt: skip


def usage_content(engagement: Engagement) -> dict[str, int]:
    """{"fields", "fields_left", "objects", "objects_left", "open"}: what was put to the customer as hardly used, and what they said."""
    found = DiscoveryFinding.objects.filter(engagement=engagement, asks=True)
    fields, objects = found.filter(check_name=SPARSE_FIELDS), found.filter(check_name=UNUSED_OBJECTS)
    return {
        "fields": fields.count(),
        "fields_left": fields.filter(decision=LEAVE).count(),
        "objects": objects.count(),
        "objects_left": objects.filter(decision=LEAVE).count(),
        "open": (fields | objects).filter(decision="").count(),
    }
