"""Staging: from landed records and the signed plan to rows in load order, an object at a time."""

from collections.abc import Callable, Mapping
from functools import partial

from loads.destination import Destination
from loads.models import Phase, Run
from loads.staging import companies, lists, lookups, orders, persons, phases, products, records
from loads.staging.context import StagingContext
from loads.staging.decisions import Kind
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
    """Do the next part of staging; False where all objects are staged and their phases are in order.

    A part that was cut off is done again from its start.
    """
    context = StagingContext(run, destination, worker)
    order = context.order.names
    left = [name for name in order if name not in run.staged]
    if left:
        _stager(context, left[0])(context)
        return True
    if left := lookups.left(context):
        lookups.stage(context, left[0])
        return True
    phases.put_in_order(run, order)
    for name in order:  # only staging reads them
        context.decisions(name).unlink(missing_ok=True)
    return False


def _stager(context: StagingContext, object_name: str) -> Callable[[StagingContext], bool]:
    kind = context.kind_of(object_name)
    if kind == "company":
        return companies.stage
    if kind == "person":
        return persons.stage
    return partial(records.stage, object_name=object_name, kind=KINDS.get(kind) or _plain(context, object_name))


def _plain(context: StagingContext, object_name: str) -> Kind:
    """Records without anything special: one row each, and a late state where the rule has states for the table."""
    main, states = context.tables_of(object_name)[0], context.objects[object_name]["record"]["states"]
    return Kind(RecordRows, tables=(main,), late=((main, Phase.Kind.STATES),) if main in states else ())
