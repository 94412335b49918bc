"""What stands at the destination of the schema that was provisioned: whose it is, whether it is empty, what depends on it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from connectors.dataverse import removing, solutions
from connectors.dataverse.client import Client
from connectors.dataverse.errors import RowMissing
from connectors.dataverse.metadata import read_table
from connectors.dataverse.removing import Dependent, Ids
from loads.destination import Destination
from loads.models import SchemaPlan
from loads.provisioning import KEY, PUBLISHER, SOLUTION, TABLE, solution_name
from loads.removal.models import SchemaRemoval
from workbench.engagements.models import Environment

LOOKUP, YES_NO = "Lookup", "Boolean"
# What must be gone before what: a key before its column, a lookup before the table that it leads to, columns before their table, all before
# their solution.
ORDER = {KEY: 0, LOOKUP: 0, TABLE: 2, SOLUTION: 3, PUBLISHER: 4}
COLUMNS = 1


@dataclass(frozen=True, slots=True)
class Component:
    """Something that a schema plan named. made: by this engagement, by the plans; else it was there before."""

    kind: str
    table: str
    column: str
    made: bool

    @property
    def name(self) -> str:
        """As outcomes and the history name it."""
        return name_of(self.kind, self.table, self.column)


def name_of(kind: str, table: str, column: str) -> str:
    """contact.mwb_sourceid, table mwb_event, solution MigrationWorkbenchNorthwind."""
    return f"{kind.lower()} {table or column}" if kind in (TABLE, SOLUTION, PUBLISHER) else f"{table}.{column}"


@dataclass(frozen=True, slots=True)
class Found:
    """A component as it stands there. rows: how many hold a value, up to `removing.MOST`; of a table all; None where none can.

    ids: those by which others' dependencies name it. held: whether our solution holds it. address: what a solution, a publisher or a
    relationship is deleted by. others: what else a holder holds.
    """

    component: Component
    held: bool = True
    rows: int | None = None
    dependents: Sequence[Dependent] = ()
    ids: frozenset[str] = frozenset()
    address: str = ""
    others: Collection[str] = ()


@dataclass
class Survey:
    """Reads of one environment."""

    environment: Environment
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is read before the first use."""
        self.client = Destination(self.environment).client

    @cached_property
    def solution(self) -> Mapping[str, Any]:
        """Our solution; empty where it is gone."""
        return solutions.find_solution(self.client, solution_name(self.environment))

    @cached_property
    def held(self) -> set[str]:
        """Ids of what our solution holds."""
        return removing.components_of(self.client, self.solution["solutionid"]) if self.solution else set()

    def of(self, components: Iterable[Component]) -> Iterator[Found]:
        """Those components that are there, tables' after each other, each as it stands now."""
        by_table: dict[str, list[Component]] = {}
        for component in components:
            by_table.setdefault(component.table, []).append(component)
        for table, named in by_table.items():
            yield from self._in_table(table, named) if table else self._holders(named)

    def _in_table(self, table: str, named: Sequence[Component]) -> Iterator[Found]:
        try:
            ids = removing.ids_of(self.client, table)
        except RowMissing:
            return
        for component in named:
            if component.kind == TABLE or component.column in (ids.keys if component.kind == KEY else ids.columns):
                yield self._placed(component, ids)

    def _placed(self, component: Component, ids: Ids) -> Found:
        if component.kind == TABLE:
            return Found(component, ids.table in self.held, ids=ids.parts)
        if component.kind == KEY:
            return Found(component, bool(self.held & {ids.table, ids.keys[component.column]}), ids=frozenset((ids.keys[component.column],)))
        schema_name, tie = ids.ties.get(component.column, ("", "")) if component.kind == LOOKUP else ("", "")
        own = frozenset(filter(None, (ids.columns[component.column], tie)))
        # *assumed*: a solution that holds a whole table holds its columns without naming them.
        return Found(component, bool(self.held & {ids.table, *own}), ids=own, address=schema_name)

    def _holders(self, named: Sequence[Component]) -> Iterator[Found]:
        publisher = solutions.find_publisher(self.client, self.environment.engagement.prefix)
        for component in named:
            if component.kind == SOLUTION and self.solution:
                yield Found(component, address=self.solution["solutionid"], others=self.held)
            elif component.kind == PUBLISHER and publisher.get("uniquename") == component.column:
                others = solutions.solutions_of(self.client, publisher["publisherid"])
                yield Found(component, address=publisher["publisherid"], others=others)

    def counted(self, found: Sequence[Found]) -> list[Found]:
        """With the rows that hold a value and with what depends on each, as far as it is ours."""
        measured, by_table = list(found), dict[str, list[int]]()
        for place, one in enumerate(found):
            if one.component.table and one.component.made and one.held:
                by_table.setdefault(one.component.table, []).append(place)
        for table, places in by_table.items():
            for place, one in zip(places, self._measured(table, [found[place] for place in places]), strict=True):
                measured[place] = one
        return measured

    def _measured(self, name: str, found: Sequence[Found]) -> Iterator[Found]:
        """Of one table."""
        table, ids = read_table(self.client, name), removing.ids_of(self.client, name)
        columns = [one for one in found if one.component.kind not in (TABLE, KEY)]
        counts = removing.rows_with(self.client, table, [table.columns[one.component.column] for one in columns])
        rows = {one.component.column: count for one, count in zip(columns, counts, strict=True)}
        asked = [one for one in found if one.component.kind != KEY]  # nothing is built upon a key
        upon = removing.dependents(
            self.client,
            [
                (removing.TABLE, ids.table) if one.component.kind == TABLE else (removing.COLUMN, ids.columns[one.component.column])
                for one in asked
            ],
        )
        dependents = dict(zip((one.component for one in asked), upon, strict=True))
        for one in found:
            count = removing.rows_of(self.client, table) if one.component.kind == TABLE else rows.get(one.component.column)
            others = [other for other in dependents.get(one.component, ()) if other.id not in one.ids]
            yield replace(one, rows=count, dependents=others)


def recorded(environment: Environment) -> list[Component]:
    """What schema plans named since the environment is as it is, without what was removed since.

    A plan is kept before anything of it is made, so that what a kill left half made is known too.
    """
    since = environment.refreshed_at
    plans = SchemaPlan.objects.filter(environment=environment, **({"created_at__gt": since} if since else {}))
    removals = SchemaRemoval.objects.filter(environment=environment, finished_at__isnull=False)
    events: list[tuple[Any, SchemaPlan | SchemaRemoval]] = [(plan.created_at, plan) for plan in plans]
    events += [(removal.finished_at, removal) for removal in removals]
    known: dict[str, Component] = {}
    for _, event in sorted(events, key=lambda pair: pair[0]):
        if isinstance(event, SchemaRemoval):
            for name, came in event.outcomes.items():
                if came["outcome"] == SchemaRemoval.REMOVED:
                    known.pop(name, None)
            continue
        for step in event.steps:
            component = Component(step["kind"], step["table"], step["column"], step["action"] == "create")
            before = known.get(component.name)
            if step["action"] != "conflict" and not (before and before.made):
                known[component.name] = component
    return sorted(known.values(), key=lambda one: (ORDER.get(one.kind, COLUMNS), one.table, one.column))


def plan_of(environment: Environment) -> list[dict[str, Any]]:
    """Every component that is there with what becomes of it, in the order of removal; only reads. See `SchemaRemoval.components`."""
    survey = Survey(environment)
    return list(judged(survey.counted(list(survey.of(recorded(environment))))))


def judged(found: Sequence[Found]) -> Iterator[dict[str, Any]]:
    """What becomes of each, those before it being gone where they go. found: in the order of removal."""
    gone = set[str]()
    by_column = [one for one in found if one.component.table and one.component.kind != TABLE]
    for one in sorted(found, key=lambda each: ORDER.get(each.component.kind, COLUMNS)):
        upon = list(one.dependents)
        if one.component.kind == TABLE:  # who depends on a column depends on its table
            upon += [other for each in by_column if each.component.table == one.component.table for other in each.dependents]
        upon = [other for other in dict.fromkeys(upon) if other.id not in gone and other.id not in one.ids]
        reason = _why_kept(one, upon, set(one.others) - gone)
        if not reason:
            gone |= one.ids | ({one.component.column} if one.component.kind == SOLUTION else set())
        yield {
            "kind": one.component.kind,
            "table": one.component.table,
            "column": one.component.column,
            "rows": one.rows,
            "made": one.component.made and one.held,
            "dependents": removing.counted(upon),
            "verdict": SchemaRemoval.KEEP if reason else SchemaRemoval.REMOVE,
            "reason": reason,
        }


def _why_kept(one: Found, upon: Sequence[Dependent], others: Collection[str]) -> str:
    """In a sentence; empty where nothing keeps it."""
    if not one.component.made:
        return "It was there before the migration."
    if not one.held:
        return "It isn't in the migration's solution: somebody else made it anew."
    if one.rows:
        count = f"{one.rows:,}{' or more' if one.rows >= removing.MOST else ''} row{'s' * (one.rows != 1)}"
        default = ", which may be the default that rows made since then got" if one.component.kind == YES_NO else ""
        return f"It has {count}." if one.component.kind == TABLE else f"{count} hold{'s' * (one.rows == 1)} a value in it{default}."
    if upon:
        return f"Something else depends on it: {removing.counted(upon)}."
    if others:
        what = f"solution{'s' * (len(others) != 1)}" if one.component.kind == PUBLISHER else f"component{'s' * (len(others) != 1)}"
        return f"{len(others)} {what} {'are' if len(others) != 1 else 'is'} still in it."
    return ""
