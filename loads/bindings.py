"""Bindings: the names that the plan uses, looked up in one environment, before anything loads into it."""

from collections.abc import Mapping, Sequence

from django.db import transaction

from connectors.dataverse import directory
from connectors.dataverse.client import Client
from loads.destination import Destination
from loads.models import Binding
from mapping import plan
from mapping.owners import checks, snapshot
from mapping.owners.matching import Candidates, candidates
from mapping.owners.models import OwnerMatch
from workbench.engagements import history
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Environment

Answers = Mapping[str, Mapping[str, str]]


BASE_UNIT = "base_unit"  # of the unit group that a run makes; the service makes it itself, so it is bound when it is there


def late(environment: Environment) -> dict[str, str]:
    """Name -> row id of what a run binds when a phase ends."""
    return {row.name: str(row.row_id) for row in Binding.objects.filter(environment=environment, kind=Binding.Kind.UNIT)}


def currencies_of(environment: Environment) -> dict[str, str]:
    """Row id -> ISO code of every currency."""
    rows = Binding.objects.filter(environment=environment, kind=Binding.Kind.CURRENCY, row_id__isnull=False).exclude(name="base")
    return {str(row.row_id): row.name for row in rows}


def bind_base_unit(environment: Environment, destination: Destination, schedule: str) -> None:
    """Read the base unit that the service made for a unit group, and bind it. Raises BadInput where there is none."""
    wanted = f"_uomscheduleid_value eq {schedule} and isschedulebaseuom eq true"
    rows = list(destination.client.rows("uoms", select=["uomid"], filter=wanted))
    if len(rows) != 1:
        raise BadInput(f"The unit group {schedule} has {len(rows)} base units.", remedy="Look at the unit group in the environment.")
    Binding.objects.update_or_create(
        environment=environment, kind=Binding.Kind.UNIT, name=BASE_UNIT, defaults={"row_id": rows[0]["uomid"], "problem": ""}
    )


def bind(environment: Environment, *, actor: object) -> list[Binding]:
    """Look every name of the plan up in the environment, read anew; a name without a fitting row keeps its problem in words."""
    client = Destination(environment).client
    seen, currencies = snapshot.read(environment, client), _currencies(environment, client)
    with transaction.atomic():
        snapshot.keep(environment, seen)
        rows = [*_owners(environment), *currencies]
        Binding.objects.filter(environment=environment).exclude(kind=Binding.Kind.UNIT).delete()
        Binding.objects.bulk_create(rows, batch_size=500)
        checks.refresh(environment.engagement)
        problems = {row.name: row.problem for row in rows if row.problem}  # also of those that somebody stands in for
        detail = {"names": len(rows), "problems": problems}
        history.record(environment.engagement, actor=actor, action="bound", subject=str(environment), detail=detail)
    return rows


def _owners(environment: Environment) -> list[Binding]:
    version, known = plan.current(environment.engagement).get("owners"), candidates(environment)
    if version is None or known is None:
        return []
    answers: Answers = version.content["answers"]
    asked: dict[tuple[str, str], list[str]] = {}
    for owner, one in answers.items():
        asked.setdefault((one["kind"], one["name"]), []).append(owner)
    rows = [_owner(known, *name, owners, answers) for name, owners in sorted(asked.items())]
    if not environment.is_production and version.content.get("missing_in_sandbox") == "default_owner":
        _stand_in(rows, answers)
    return rows


def _owner(known: Candidates, kind: str, name: str, owners: Sequence[str], answers: Answers) -> Binding:
    """The row of a name, among those that can own the rows of all source owners whose answer it is."""
    on_purpose = any(answers[owner].get("as") == OwnerMatch.Kind.STUB for owner in owners)
    found = known.find(OwnerMatch.Kind.STUB if on_purpose else kind, name, known.tables_for(owners))
    row_id = found.principal.row_id if found.principal else None
    return Binding(environment=known.environment, kind=kind, name=name, row_id=row_id, problem=found.problem)


def _stand_in(rows: list[Binding], answers: Answers) -> None:
    """In a sandbox the owner of rows without one stands in for users whom it lacks, as the signed owners say; `problem` keeps why."""
    default = answers.get("", {})
    found = next((row.row_id for row in rows if (row.kind, row.name) == (default.get("kind"), default.get("name"))), None)
    for row in rows:
        if row.row_id is None and row.kind == "user":
            row.row_id = found


def _currencies(environment: Environment, client: Client) -> list[Binding]:
    """The base currency as `base`, and every currency by its ISO code."""
    named = {"base": directory.base_currency(client).id} | {row.code.upper(): row.id for row in directory.currencies(client)}
    return [Binding(environment=environment, kind=Binding.Kind.CURRENCY, name=name, row_id=row) for name, row in sorted(named.items())]
