"""The application users of a run: which of them may share the load, and how fast each calls, told and heard by all workers."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from connectors.dataverse import directory
from connectors.dataverse.client import Client, environment_url
from loads.destination import Destination
from loads.models import Caller, Phase, Run
from loads.tuning import DONE
from mapping import plan
from mapping.checks.rights import SPECIAL
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Connection, Environment

ALIVE = timedelta(seconds=15)  # a machine that said nothing for so long calls no more
SHOWN = 5


def check(run: Run) -> list[dict[str, Any]]:
    """Who may load, kept in `Run.users`: the environment's own user first, then those that share the load.

    {"connection", "name", "user_id", "left_out"}. A further user that can't sign in, or may do less than the first, is left out, with
    words that say why; that is no error of the run. Raises what the first one's sign-in raises.
    """
    environment = run.environment
    further = list(environment.further_connections.order_by("pk"))
    first = Client.from_connection(environment.connection)
    me = str(first.who_am_i()["UserId"]).lower()
    users = [_user(environment.connection, me, "")]
    if further:
        needed, held = _needed(run, first), directory.privilege_depths(first, me)
        for connection in further:
            user_id, left_out = _looked_at(connection, environment, needed, held)
            if not left_out and (same := next((one["name"] for one in users if one["user_id"] == user_id), "")):
                left_out = f"It is the same application user as {same}, whose limits it would share."
            users.append(_user(connection, user_id, left_out))
    Run.objects.filter(pk=run.pk).update(users=users)
    run.users = users
    return users


def _user(connection: Connection, user_id: str, left_out: str) -> dict[str, Any]:
    return {"connection": connection.pk, "name": connection.name, "user_id": user_id, "left_out": left_out}


def _needed(run: Run, client: Client) -> list[str]:
    """The privileges that the run's tables take, deleting included, and those beyond tables."""
    objects = plan.content_of(run.engagement, run.parts)["maps"]["objects"].values()
    tables = sorted({table for content in objects for table in content["tables"]})
    rights = (*directory.LOADING, "Delete")
    of_tables = directory.table_privileges(client, tables)
    return [*dict.fromkeys(found[right] for found in of_tables.values() for right in rights if right in found), *SPECIAL]


def _looked_at(connection: Connection, environment: Environment, needed: Collection[str], held: Mapping[str, str]) -> tuple[str, str]:
    """(user id, why it is left out) of a further user; '' where it can't be told, or where it isn't."""
    if environment_url(connection.base_url) != environment_url(environment.connection.base_url):
        return "", f"Its connection leads to {environment_url(connection.base_url)}, which is another environment."
    try:
        client = Client.from_connection(connection)
        user_id = str(client.who_am_i()["UserId"]).lower()
        missing = directory.behind(held, directory.privilege_depths(client, user_id), needed)
    except WorkbenchError as error:
        return "", f"{error} {error.remedy}"
    if not missing:
        return user_id, ""
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return user_id, f"It may do less than {environment.connection.name}: {', '.join(missing[:SHOWN])}{more}. Give it the same role."


def left_out(run: Run) -> frozenset[int]:
    """Connections whose user doesn't share the load of this run."""
    return frozenset(one["connection"] for one in run.users if one["left_out"])


class Callers:
    """What a worker tells of its machine's application users, and hears of them from others."""

    def __init__(self, run: Run, destination: Destination, worker: str) -> None:
        """Nothing is told yet. worker: node:pid:..."""
        self._run, self._destination, self._node = run, destination, worker.partition(":")[0][:80]

    def tell(self) -> None:
        """Keep how fast each user calls, why, and until when the service wants it to wait."""
        for connection, client in self._destination.users.items():
            governor = client.governor
            governor.catch_up()  # for the threads that call
            held_s = governor.held_s()
            values = {
                "at_once": governor.at_once,
                "hint": governor.hint,
                "said": governor.said,
                "waits_for": governor.underway,
                "held_until": Now() + timedelta(seconds=held_s) if held_s else None,
                "at": Now(),
            }
            caller, _ = Caller.objects.get_or_create(run=self._run, connection_id=connection, node=self._node)
            Caller.objects.filter(pk=caller.pk).update(**values, refused=F("refused") + governor.untold())

    def hear(self) -> None:
        """Share the hint with the other machines that call."""
        users = self._destination.users
        told = Caller.objects.filter(at__gt=Now() - ALIVE, connection__in=list(users)).exclude(node=self._node)
        others: dict[int, set[str]] = defaultdict(set)
        for caller in told:
            others[caller.connection_id].add(caller.node)
        for connection, client in users.items():
            client.governor.share(1 + len(others[connection]))


def users_content(run: Run) -> list[dict[str, Any]]:
    """Per application user, over all machines: {"user", "at_once", "hint", "refused", "machines", "held_until", "said", "left_out"}."""
    told: dict[int, list[Caller]] = defaultdict(list)
    for caller in run.callers.select_related("connection"):
        told[caller.connection_id].append(caller)
    names = {callers[0].connection_id: callers[0].connection.name for callers in told.values()}
    checked = {one["connection"]: one for one in run.users}
    return [
        _of_user(
            checked[pk]["name"] if pk in checked else names[pk],
            told.get(pk, []),
            checked[pk]["left_out"] if pk in checked else "",
        )
        for pk in dict.fromkeys([*checked, *told])
    ]


def _of_user(name: str, callers: list[Caller], why_not: str) -> dict[str, Any]:
    newest = max(callers, key=lambda caller: caller.at, default=None)
    last = [caller for caller in callers if newest and caller.at > newest.at - ALIVE]
    held = max((caller.held_until for caller in last if caller.held_until), default=None)
    return {
        "user": name,
        "at_once": sum(caller.at_once for caller in last),
        "hint": newest.hint if newest else None,
        "refused": sum(caller.refused for caller in callers),
        "machines": len(last),
        "held_until": held.isoformat() if held else None,
        "said": why_not or (newest.said if newest else "It wasn't needed."),
        "left_out": bool(why_not),
    }


def tables_content(run: Run) -> list[dict[str, Any]]:
    """Per phase and kind of call: {"object", "table", "calls", "rows_per_call", "said"}; calls: what is done in them, in words."""
    return [
        {"object": phase.object_name, "table": phase.table, "calls": calls_of(phase, kind), **tuned}
        for phase in run.phases.exclude(table="")
        for kind, tuned in phase.tuning.items()
    ]


def calls_of(phase: Phase, kind: str) -> str:
    """What is done in calls of a kind, in words."""
    return f"rows {DONE[kind]}" if kind in DONE else phase.get_kind_display().lower()


def content(run: Run) -> dict[str, Any]:
    """What was chosen and why: users (see `users_content`) and tables (see `tables_content`)."""
    return {"users": users_content(run), "tables": tables_content(run)}
