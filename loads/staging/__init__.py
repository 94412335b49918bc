"""Staging: from landed records and the signed plan to rows in load order, an object at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any

from loads import leases
from loads.destination import Destination
from loads.models import Phase, Run
from loads.staging import companies, documented, lists, lookups, orders, persons, phases, products, ranges, records, sums
from loads.staging.context import StagingContext
from loads.staging.decisions import Kind, Money
from loads.staging.people_rows import moneys_of_people
from loads.staging.ranges import InRanges
from loads.staging.record_rows import RecordRows


class NotStaged(Exception):
    """An object can't be staged, for the error that this comes from. places: object and main table of it, then of those that need it."""

    def __init__(self, places: Sequence[tuple[str, str]]) -> None:
        """Say which."""
        super().__init__(places[0][0])
        self.places = places


class Left(Enum):
    """What is left of staging: nothing but what can't be staged; something; or what waits for ranges that other workers hold."""

    NOTHING, MORE, TO_OTHERS = range(3)


KINDS: Mapping[str, Kind] = {
    "campaign": lists.CAMPAIGNS,
    "list": lists.LISTS,
    "membership": lists.MEMBERSHIPS,
    "order": orders.ORDERS,
    "order_line": orders.ORDER_LINES,
    "product": products.PRODUCTS,
}


def stage_next(run: Run, destination: Destination, worker: str) -> Left:
    """Do the next part of staging that one worker does alone, and say what is left of it.

    It is a part of the first object that isn't in the hands of others and needs none that isn't staged. One that was cut off is done again
    from its start. Objects that can't be staged, and those that need them, are left out; while there are any, nothing that looks at all
    objects is done. run: as it is now. Raises NotStaged.
    """
    context = StagingContext(run, destination, worker, leases.keeping(run, worker))
    order = context.order.names
    told = documented.names(context)
    parked = phases.unstaged(run)
    left = [name for name in (*order, *told) if name not in run.staged and name not in parked]
    if left:
        in_ranges = set(run.staging_ranges.values_list("object_name", flat=True))
        ready = next((name for name in left if name not in in_ranges and not context.needs(name) & set(left)), None)
        if ready is None:
            return Left.TO_OTHERS
        with _naming(context, ready):
            _stage(context, ready, told)
        return Left.MORE
    if parked:
        return Left.NOTHING
    if late := lookups.left(context):
        lookups.stage(context, late[0])
        return Left.MORE
    phases.put_in_order(run, [*order, *told])
    phases.forget_indexes(run)
    for name in order:  # only staging reads them
        context.decisions(name).unlink(missing_ok=True)
    return Left.NOTHING


def _stage(context: StagingContext, object_name: str, told: Collection[str]) -> None:
    """Do the next part of an object. told: the objects that are documented only."""
    if object_name in told:
        documented.stage(context, object_name)
    elif context.kind_of(object_name) == "company":
        companies.stage(context)
    else:
        _in_ranges(context, object_name).stage()


@contextmanager
def _naming(context: StagingContext, object_name: str) -> Iterator[None]:
    """Say of an error which object it keeps from being staged, and which ones need that. Raises NotStaged."""
    try:
        yield
    except Exception as error:
        names = [object_name, *context.needed_by(object_name)]
        raise NotStaged([(name, context.main_table(name)) for name in names]) from error


def take_sums(run: Run, destination: Destination, worker: str) -> dict[str, Any]:
    """What a staged run's records and money come to, a part further; see `loads.staging.sums`."""
    context = StagingContext(run, destination, worker, leases.keeping(run, worker))
    return sums.take_next(context, {name: moneys for name in context.order.names if (moneys := _moneys(context, name))})


def _moneys(context: StagingContext, object_name: str) -> list[Money]:
    """What the records of an object are worth."""
    kind = context.kind_of(object_name)
    if kind == "person":
        return moneys_of_people(context)
    return KINDS[kind].moneys(context, object_name) if kind in KINDS else []


def stage_range(run: Run, destination: Destination, worker: str) -> bool:
    """Take a range of records that is open and stage it, beside other workers; False where there is none. Raises NotStaged."""
    taken = ranges.take(run, worker)
    if taken is None:
        return False
    context = StagingContext(run, destination, worker, leases.beat(partial(ranges.keep, taken, worker)))
    with _naming(context, taken.object_name):
        _in_ranges(context, taken.object_name).stage_range(taken.number)
    taken.delete()
    return True


def _in_ranges(context: StagingContext, object_name: str) -> InRanges:
    kind = context.kind_of(object_name)
    if kind == "person":
        return persons.Persons(context)
    return records.Records(context, object_name, KINDS.get(kind) or _plain(context, object_name))


def _plain(context: StagingContext, object_name: str) -> Kind:
    """Records without anything special: one row each, and a late state where the rule has states for the table."""
    main, states = context.tables_of(object_name)[0], context.objects[object_name]["record"]["states"]
    return Kind(RecordRows, tables=(main,), late=((main, Phase.Kind.STATES),) if main in states else ())
