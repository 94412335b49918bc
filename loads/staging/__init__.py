"""Staging: from landed records and the signed plan to rows in load order, an object at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


KINDS: Mapping[str, Kind] = {
    "campaign": lists.CAMPAIGNS,
    "list": lists.LISTS,
    "membership": lists.MEMBERSHIPS,
    "order": orders.ORDERS,
    "order_line": orders.ORDER_LINES,
    "product": products.PRODUCTS,
}


def stage_next(run: Run, destination: Destination, worker: str) -> bool:
    """Do the next part of staging that one worker does alone; False where all objects are staged and their phases are in order.

    A part that was cut off is done again from its start. Objects that can't be staged, and those that need them, are left out; while there
    are any, nothing that looks at all objects is done. Raises NotStaged.
    """
    run.refresh_from_db(fields=["staged"])  # another worker may have staged an object before this one had the lease
    context = StagingContext(run, destination, worker, partial(leases.keep, run, worker))
    order = context.order.names
    told = documented.names(context)
    parked = phases.unstaged(run)
    left = [name for name in (*order, *told) if name not in run.staged and name not in parked]
    if left:
        with _naming(context, left[0]):
            _stage(context, left[0], told)
    elif parked:
        return False
    elif left := lookups.left(context):
        lookups.stage(context, left[0])
    else:
        phases.put_in_order(run, [*order, *told])
        for name in order:  # only staging reads them
            context.decisions(name).unlink(missing_ok=True)
    return bool(left)


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
    context = StagingContext(run, destination, worker, partial(leases.keep, run, worker))
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
    context = StagingContext(run, destination, worker, partial(ranges.keep, taken, worker))
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
