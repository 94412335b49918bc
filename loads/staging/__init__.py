"""Staging: from landed records and the signed plan to rows in load order, an object at a time."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from loads import leases
from loads.destination import Destination
from loads.models import Phase, Run
from loads.staging import companies, documented, lists, lookups, orders, persons, phases, products, ranges, records, sums
from loads.staging.context import StagingContext
from loads.staging.decisions import Kind
from loads.staging.ranges import InRanges
from loads.staging.record_rows import RecordRows

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

    A part that was cut off is done again from its start.
    """
    context = StagingContext(run, destination, worker, partial(leases.keep, run, worker))
    order = context.order.names
    told = documented.names(context)
    left = [name for name in (*order, *told) if name not in run.staged]
    if left and left[0] in told:
        documented.stage(context, left[0])
    elif left and context.kind_of(left[0]) == "company":
        companies.stage(context)
    elif left:
        _in_ranges(context, left[0]).stage()
    elif left := lookups.left(context):
        lookups.stage(context, left[0])
    else:
        phases.put_in_order(run, [*order, *told])
        for name in order:  # only staging reads them
            context.decisions(name).unlink(missing_ok=True)
    return bool(left)


def take_sums(run: Run, destination: Destination, worker: str) -> dict[str, Any]:
    """What a staged run's records and money come to, a part further; see `loads.staging.sums`."""
    context = StagingContext(run, destination, worker, partial(leases.keep, run, worker))
    return sums.take_next(context, {name: KINDS[kind] for name in context.objects if (kind := context.kind_of(name)) in KINDS})


def stage_range(run: Run, destination: Destination, worker: str) -> bool:
    """Take a range of records that is open and stage it, beside other workers; False where there is none. Raises LeaseLost."""
    taken = ranges.take(run, worker)
    if taken is None:
        return False
    context = StagingContext(run, destination, worker, partial(ranges.keep, taken, worker))
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
