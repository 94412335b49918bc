"""The quiet load: what the decisions about custom logic mean for the headers of each write (facts of the Web API's optional parameters).

One header leaves out all custom synchronous logic, one all asynchronous, one all cloud flows; a fourth names single plug-in steps. So
decisions about one table can contradict each other: of two synchronous workflows the header can't leave out only one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.dataverse.client import Quiet
from mapping.models import DiscoveryFinding
from workbench.engagements.models import Environment

RUN, BYPASS, OFF = "run", "bypass", "off"
LOGIC, STEPS = "MSCRM.BypassBusinessLogicExecution", "MSCRM.BypassBusinessLogicExecutionStepIds"  # *assumed*: may stand together
FLOWS = "MSCRM.SuppressCallbackRegistrationExpanderJob"
DUPLICATES = "MSCRM.SuppressDuplicateDetection"
MOST_STEPS = 3  # that one request may name, unless the organisation allows up to ten
KINDS = {"sync": "CustomSync", "async": "CustomAsync"}
# Messages that aren't addressed by a table's rows -> the rows that they write.
MESSAGES = {
    "WinOpportunity": "opportunities",
    "LoseOpportunity": "opportunities",
    "AddListMembersList": "lists",
    "FulfillSalesOrder": "salesorders",
    "CommitAnnotationBlocksUpload": "annotations",
    "CommitAttachmentBlocksUpload": "activitymimeattachments",
}


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that a write of a table's rows sets off.

    kind: step, workflow, flow, duplicates. mode: sync or async, for steps and workflows. rows: the entity set, empty for every table.
    """

    kind: str
    name: str
    row_id: str
    rows: str
    mode: str
    decision: str


def headers_of(things: Iterable[Thing]) -> tuple[dict[str, str], list[str]]:
    """The headers of a write that sets these things off, and what can't be had together, in words.

    What nobody decided is left out. Where decisions contradict each other everything of that kind is left out.
    """
    found = list(things)
    headers: dict[str, str] = {}
    said, kinds = [], []
    for mode, value in KINDS.items():
        mine = [thing for thing in found if thing.kind in ("step", "workflow") and thing.mode == mode]
        steps, word = _single_steps(mine)
        if not any(thing.decision == RUN for thing in mine):
            kinds.append(value)
        elif word:
            said.append(word)
            kinds.append(value)
        elif steps:
            headers[STEPS] = ",".join(filter(None, (headers.get(STEPS), *steps)))
    if kinds:
        headers[LOGIC] = ",".join(kinds)
    flows = {thing.decision for thing in found if thing.kind == "flow"}
    if RUN not in flows:
        headers[FLOWS] = "true"
    elif flows & {BYPASS, ""}:
        headers[FLOWS] = "true"
        said.append("Cloud flows are left out all together or not at all: switch off those that shall not run, or let them all run.")
    if any(thing.kind == "duplicates" and thing.decision == RUN for thing in found):
        headers[DUPLICATES] = "false"
    return headers, said + _too_many(headers)


def _single_steps(things: list[Thing]) -> tuple[list[str], str]:
    """The steps to name where some of these shall run and others not; or why that can't be had."""
    out = [thing for thing in things if thing.decision in (BYPASS, "")]
    if any(thing.decision == RUN for thing in things) and any(thing.kind == "workflow" for thing in out):
        names = ", ".join(thing.name for thing in out if thing.kind == "workflow")
        return [], f"No header leaves out a workflow while other logic of its kind runs: switch off {names}, or let it run."
    return [thing.row_id for thing in out], ""


def _too_many(headers: dict[str, str]) -> list[str]:
    named = headers.get(STEPS, "").split(",")
    if len(named) <= MOST_STEPS:
        return []
    headers.pop(STEPS)
    headers[LOGIC] = ",".join(KINDS.values())
    return [f"A request may name {MOST_STEPS} plug-in steps to leave out, and these decisions name {len(named)}: switch some off instead."]


def things_of(environment: Environment) -> list[Thing]:
    """What discovery found in an environment that headers are about, with the decisions."""
    findings = DiscoveryFinding.objects.filter(environment=environment, asks=True, facts__has_key="kind").exclude(decision=OFF)
    return [
        Thing(
            finding.facts["kind"],
            finding.subject,
            str(finding.facts.get("id", "")),
            str(finding.facts.get("rows", "")),
            str(finding.facts.get("mode", "")),
            finding.decision,
        )
        for finding in findings
    ]


def _by_rows(things: Iterable[Thing]) -> Mapping[str, list[Thing]]:
    """Entity set -> what its writes set off; what is registered for every table stands under each, and under ''."""
    every = list(things)
    everywhere = [thing for thing in every if not thing.rows]
    return {
        rows: [thing for thing in every if thing.rows == rows] + (everywhere if rows else []) for rows in {"", *(t.rows for t in every)}
    }


def quiet_by_path(environment: Environment) -> Quiet:
    """What each write into an environment leaves out, by its path; read from the decisions once."""
    by_rows = {rows: headers_of(things)[0] for rows, things in _by_rows(things_of(environment)).items()}

    def headers(path: str) -> Mapping[str, str]:
        rows = path.lstrip("/").partition("(")[0].partition("/")[0]
        return by_rows.get(MESSAGES.get(rows, rows), by_rows[""])

    return headers


def contradictions(environment: Environment) -> list[str]:
    """Decisions of an environment that no headers can carry out together, in words."""
    found = _by_rows(things_of(environment)).items()
    return [f"{rows or 'Every table'}: {word}" for rows, things in sorted(found) for word in headers_of(things)[1]]
