"""Drift: in what the two environments differ where a load meets it, so that the sandbox run proves less than it seems to.

What an environment had at its last look is kept in the store, and production is compared with what the sandbox had.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from connectors import store
from connectors.base import Finding
from connectors.dataverse.columns import Column
from mapping.checks.columns import mapped
from mapping.checks.look import Look
from mapping.checks.registry import Choice, Decision, check
from mapping.models import DiscoveryFinding
from workbench.engagements.models import Environment, Role

GROUP = "Drift between sandbox and production"
ONE_ORGANISATION = "one organisation"
NAMED = 12
OWN = ("MigrationWorkbench", "Default", "Active")  # our own solution, and those that every environment has
Snapshot = dict[str, Any]


def snapshot(look: Look) -> Snapshot:
    """What is compared.

    {"organisation": id, "columns": {table: {column: {...}}}, "solutions": {name: version}, "currencies": {code: precision}}.
    """
    rows = look.rows("solutions", ["uniquename", "version"])
    return {
        "organisation": look.me.get("OrganizationId"),
        "columns": {name: {c.name: _shape(c) for c in table.columns.values()} for name, table in look.tables.items()},
        "solutions": {row["uniquename"]: row.get("version") or "" for row in rows if not row["uniquename"].startswith(OWN)},
        "currencies": {currency.code: currency.precision for currency in look.currencies},
    }


def _shape(column: Column) -> dict[str, Any]:
    return {
        "kind": column.kind,
        "length": column.max_length,
        "required": column.required,
        "options": {str(value): label for value, label in sorted(column.options.items())},
        "secured": column.secured,
    }


def path_of(environment: Environment) -> Path:
    """Where the snapshot of an environment lies."""
    return store.folder(environment.engagement.slug, "snapshots") / f"{environment.kind}.json"


@check("drift_kept", "Snapshot", GROUP, "Keeps what the environment has, to be compared with the other one.")
def keep_snapshot(look: Look) -> Iterator[Finding]:
    """No finding: what was read is kept for the comparison."""
    store.write(path_of(look.environment), orjson.dumps(snapshot(look), option=orjson.OPT_SORT_KEYS))
    yield from ()


@check(
    "drift", "Differences", GROUP, "Columns of the loaded tables, solutions, currencies, and what a row would set off.",
    Decision(
        "The sandbox run proves nothing about what differs. What happens?",
        (
            Choice("accept", "Go on as it is", "Production differs here from what the sandbox run showed; its first rows are checked."),
            Choice("align", "Align the environments", "The two are made alike, then both are looked at again.", holds=True),
        ),
        Role.DYNAMICS_ADMIN, "accept",
    ),
    last=True,
)  # fmt: skip
def drift(look: Look) -> Iterator[Finding]:
    """Production against the sandbox's last snapshot."""
    if not look.environment.is_production:
        return
    sandbox = look.engagement.environments.filter(kind=Environment.Kind.SANDBOX).first()
    if sandbox is None or not path_of(sandbox).exists():
        yield Finding("drift", "info", "There is no sandbox to compare production with.")
        return
    theirs, ours = orjson.loads(path_of(sandbox).read_bytes()), snapshot(look)
    if ours["organisation"] and theirs.get("organisation") == ours["organisation"]:
        evidence = "Sandbox and production are one organisation: what goes into the sandbox unsigned would stand in production."
        yield Finding("drift", "blocker", evidence, "Enter the sandbox's own address in its connection.", subject=ONE_ORGANISATION)
    found = [*_columns(look, theirs["columns"], ours["columns"]), *_solutions(theirs["solutions"], ours["solutions"])]
    found += [*_currencies(theirs["currencies"], ours["currencies"]), *_set_off(sandbox, look)]
    yield from found or [Finding("drift", "info", "Sandbox and production are alike where the load meets them.")]


def _columns(look: Look, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[Finding]:
    """Per table what differs; a mapped column that only the sandbox has stops production."""
    have, prefix = mapped(look), f"{look.engagement.prefix}_"
    for table in sorted({*theirs, *ours}):
        sandbox, production = ({n: c for n, c in side.get(table, {}).items() if not n.startswith(prefix)} for side in (theirs, ours))
        gone = sorted(name for name in sandbox.keys() - production.keys() if (table, name) in have)
        if gone:
            evidence = f"Production lacks these columns of {table}, to which fields are mapped: {', '.join(gone)}."
            yield Finding(
                "drift", "blocker", evidence, "Make them in production, or map the fields elsewhere.", subject=f"{table} mapped columns"
            )
        said = [*_only("only in the sandbox", sandbox, production), *_only("only in production", production, sandbox)]
        said += [
            f"{name}: {words}" for name in sorted(sandbox.keys() & production.keys()) for words in _differs(sandbox[name], production[name])
        ]
        if said:
            yield Finding("drift", "warning", f"{_listed(said)}.", subject=f"columns of {table}", rests_on={"said": said})


def _only(words: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = sorted(one.keys() - other.keys())
    return [f"{words}: {', '.join(names)}"] if names else []


def _differs(sandbox: Mapping[str, Any], production: Mapping[str, Any]) -> Iterator[str]:
    for key, words in (("kind", "type"), ("length", "length"), ("required", "required level"), ("secured", "secured")):
        if sandbox[key] != production[key]:
            yield f"{words} {sandbox[key]} in the sandbox, {production[key]} in production"
    if sandbox["options"] != production["options"]:
        missing = [label for value, label in production["options"].items() if value not in sandbox["options"]]
        extra = [label for value, label in sandbox["options"].items() if value not in production["options"]]
        told = [f"only in production {', '.join(missing)}"] * bool(missing) + [f"only in the sandbox {', '.join(extra)}"] * bool(extra)
        yield f"options differ ({'; '.join(told) or 'other labels'})"


def _solutions(theirs: Mapping[str, str], ours: Mapping[str, str]) -> Iterator[Finding]:
    said = [*_only("only in the sandbox", theirs, ours), *_only("only in production", ours, theirs)]
    said += [
        f"{n}: {theirs[n]} in the sandbox, {ours[n]} in production" for n in sorted(theirs.keys() & ours.keys()) if theirs[n] != ours[n]
    ]
    if said:
        yield Finding("drift", "warning", f"{_listed(said)}.", subject="solutions", rests_on={"said": said})


def _currencies(theirs: Mapping[str, int], ours: Mapping[str, int]) -> Iterator[Finding]:
    said = [*_only("only in the sandbox", theirs, ours), *_only("only in production", ours, theirs)]
    if said:
        yield Finding("drift", "warning", f"{_listed(said)}.", subject="currencies", rests_on={"said": said})


def _set_off(sandbox: Environment, look: Look) -> Iterator[Finding]:
    """What a row would set off in one of the two only: the sandbox's last findings, and what this look found."""
    rows = DiscoveryFinding.objects.filter(environment=sandbox, asks=True, check_name__startswith="quiet_")
    seen = [finding for finding in look.seen.findings if finding.check.startswith("quiet_") and finding.severity != "info"]
    names = [set(rows.values_list("subject", flat=True)), {finding.subject for finding in seen}]
    said = [*_only("only in the sandbox", dict.fromkeys(names[0]), dict.fromkeys(names[1]))]
    said += _only("only in production", dict.fromkeys(names[1]), dict.fromkeys(names[0]))
    if said:
        yield Finding("drift", "warning", f"{_listed(said)}.", subject="what a row sets off", rests_on={"said": said})


def _listed(said: list[str]) -> str:
    more = len(said) - NAMED
    told = "; ".join(said[:NAMED]) + (f"; and {more} more" if more > 0 else "")
    return f"O{told[1:]}" if told.startswith("only") else told
