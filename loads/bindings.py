"""Bindings: the names that the plan uses, looked up in one environment, before anything loads into it."""

from collections.abc import Mapping, Sequence

from django.db import transaction

from connectors.dataverse import directory
from loads.destination import Destination
from loads.models import Binding
from mapping import plan
from mapping.owners import checks, snapshot
from mapping.owners.matching import Candidates, candidates
from mapping.owners.models import OwnerMatch
from workbench.engagements import history
from workbench.engagements.models import Environment

Answers = Mapping[str, Mapping[str, str]]


def bind(environment: Environment, *, actor: object) -> list[Binding]:
    """Look every name of the plan up in the environment, read anew; a name without a fitting row keeps its problem in words."""
    client = Destination(environment).client
    seen, currency = snapshot.read(environment, client), directory.base_currency(client)
    with transaction.atomic():
        snapshot.keep(environment, seen)
        rows = _owners(environment)
        rows.append(Binding(environment=environment, kind="currency", name="base", row_id=currency.id))
        Binding.objects.filter(environment=environment).delete()
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
