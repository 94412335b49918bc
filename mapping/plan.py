"""The plan: what people edit becomes numbered versions of parts, each with the SHA-256 of its canonical JSON.

The engine runs versions, never the working rows, and only versions that a person confirmed; the matrix sign-off covers
`split` and `companies`, the sandbox sign-off covers every part as the sandbox run used it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import or_
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q

from connectors import landing
from connectors.models import Dataset
from mapping import consent, flattening, schema
from mapping.canonical import part_hash
from mapping.models import FieldMap, ObjectMap, OrganisationList, OwnerMatch, PlanConfirmation, PlanVersion, SplitRule
from mapping.objects import object_content
from mapping.playbooks import load_playbook
from mapping.quality import deciding as quality
from workbench.engagements import history, redaction
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement

MATRIX_PARTS = ("split", "companies")
CONSENT_OBJECTS = ("channel", "messageType", "list")
DECIDED = (FieldMap.State.CONFIRMED, FieldMap.State.LEFT)
FIELDS = ("source", "table", "column", "transform", "options", "new_column", "alias", "state", "reason")  # of a field map, with its object


class PlanChanged(WorkbenchError):
    """A stored version's content doesn't have the hash that it was stored with."""

    remedy = "Run verify_history: the database was changed behind the workbench."


def names_of(engagement: Engagement) -> dict[str, str]:
    """The names and zones this engagement uses: the playbook's defaults, overridden by the engagement's options."""
    defaults = load_playbook(engagement.platform).settings
    return {**defaults, **{key: value for key, value in engagement.options.items() if key in defaults}, "prefix": engagement.prefix}


def _split(engagement: Engagement) -> dict[str, Any]:
    rules = SplitRule.objects.filter(engagement=engagement).exclude(outcome=SplitRule.Outcome.OPEN)
    return {
        "stage_field": names_of(engagement)["lifecycle_field"],
        "matrix": {rule.stage: rule.outcome for rule in rules},
        # Into a row that was there: empty columns and our own only. Consent and lookups have rules of their own.
        "fill_rule": "empty_and_own_columns",
        # A lead can't be the customer of a deal: `account` its account where it has one, else held; `contact` after all; `held`.
        "purchasers": {"leads": names_of(engagement)["purchasing_leads"]},
    }


def _companies(engagement: Engagement) -> dict[str, Any]:
    lists = OrganisationList.objects.filter(engagement=engagement, confirmed=True)
    return {
        "prefix": names_of(engagement)["organisation_list_prefix"],
        "lists": {row.list_id: row.organisation for row in lists},
        "domain_when_no_list": True,
    }


def _consent(engagement: Engagement) -> dict[str, Any]:
    newest = landing.newest(engagement, CONSENT_OBJECTS, purpose=Dataset.Purpose.DISCOVERY)
    landed = (_Landed(newest[name].sha256, newest[name]) if name in newest else None for name in CONSENT_OBJECTS)
    return {**_consent_of(*landed), "unknown": names_of(engagement)["consent_unknown"]}


@dataclass(frozen=True, slots=True)
class _Landed:
    """A dataset, told from others by what it holds."""

    sha256: str
    dataset: Dataset = field(compare=False)


@lru_cache(maxsize=16)  # gates ask again and again whether the plan changed
def _consent_of(*landed: _Landed | None) -> dict[str, Any]:
    return consent.consent_content(*(list(landing.records(one.dataset)) if one else [] for one in landed))


def _events(engagement: Engagement) -> dict[str, Any]:
    return flattening.events_content(engagement, names_of(engagement))


def _time(engagement: Engagement) -> dict[str, Any]:
    names = names_of(engagement)
    return {"source_zone": names["source_zone"], "day_zone": names["day_zone"]}


def _owners(engagement: Engagement) -> dict[str, Any]:
    matches = OwnerMatch.objects.filter(engagement=engagement).exclude(kind=OwnerMatch.Kind.OPEN)
    return {
        "owner_field": names_of(engagement)["owner_field"],
        # A sandbox often lacks people that production has; there the owner of rows without one stands in, and only there.
        "missing_in_sandbox": "default_owner",
        # Owners lie in or below this business unit; '' stands for the application user's own.
        "business_unit": names_of(engagement).get("owner_business_unit", ""),
        "answers": {match.source_owner: match.content() for match in matches},
    }


def _maps(engagement: Engagement) -> dict[str, Any]:
    objects = ObjectMap.objects.filter(engagement=engagement, confirmed=True)
    fields = FieldMap.objects.filter(engagement=engagement).filter(state__in=DECIDED)
    # In an order of our own: databases sort text by rules of theirs.
    rows = sorted(fields.values(*FIELDS, object=F("object_name")), key=lambda row: (row["object"], row["source"], row["table"]))
    playbook, names = load_playbook(engagement.platform, engagement.prefix), names_of(engagement)
    tables = {row.object_name: row.tables for row in objects}
    return {
        "prefix": engagement.prefix,
        # What a written row would set off: `bypass` leaves custom logic and flows out, `run` lets them run.
        "quiet_load": engagement.options.get("quiet_load", "bypass"),
        # Rows whose source record was deleted or merged since they were loaded: `leave`, or `deactivate`.
        "departed": names["departed"],
        "objects": {
            rule.name: object_content(playbook, rule.name, tables[rule.name], names) for rule in playbook.objects if rule.name in tables
        },
        "fields": rows,
        "tables": schema.plan_tables(playbook, engagement.prefix, (table for of_object in tables.values() for table in of_object)),
        "columns": schema.plan_columns(rows, prefix=engagement.prefix, platform=engagement.platform, objects=tables),
    }


BUILDERS: Mapping[str, Callable[[Engagement], dict[str, Any]]] = {
    "split": _split,
    "companies": _companies,
    "consent": _consent,
    "events": _events,
    "time": _time,
    "owners": _owners,
    "maps": _maps,
    "quality": quality.content,
}
PARTS = tuple(BUILDERS)


@transaction.atomic
def revise(engagement: Engagement, parts: Iterable[str], *, actor: object) -> list[PlanVersion]:
    """The newest version of each of the parts, a new one where what people edited differs from it."""
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    newest = current(engagement)
    return [_revised(engagement, part, newest.get(part), actor) for part in parts]


def _revised(engagement: Engagement, part: str, last: PlanVersion | None, actor: object) -> PlanVersion:
    content = BUILDERS[part](engagement)
    digest = part_hash(content)
    if last and last.sha256 == digest:
        return last
    version = PlanVersion.objects.create(
        engagement=engagement,
        part=part,
        version=last.version + 1 if last else 1,
        content=content,
        sha256=digest,
        created_by=str(actor)[:150],
    )
    history.record(engagement, actor=actor, action="revised plan", subject=str(version), detail={"sha256": digest})
    return version


@transaction.atomic
def confirm(engagement: Engagement, parts: Iterable[str], *, user: User) -> list[PlanVersion]:
    """A person says that the parts as they stand now may run."""
    versions = revise(engagement, parts, actor=user)
    for version in versions:
        if not hasattr(version, "confirmation"):
            PlanConfirmation.objects.create(plan_version=version, confirmed_by=user)
            history.record(engagement, actor=user, action="confirmed plan", subject=str(version), detail={"sha256": version.sha256})
    return versions


def current(engagement: Engagement) -> dict[str, PlanVersion]:
    """The newest version of each part that has one; a version's content is read when somebody looks at it."""
    versions = PlanVersion.objects.filter(engagement=engagement).order_by("part", "version").select_related("confirmation").defer("content")
    return {version.part: version for version in versions}


def hashes(engagement: Engagement, parts: Iterable[str] = PARTS) -> dict[str, str]:
    """Part -> SHA-256 of what people's edits say now, whether frozen already or not."""
    return {part: part_hash(BUILDERS[part](engagement)) for part in parts}


def changed_since(engagement: Engagement) -> list[str]:
    """Parts whose working rows differ from their newest version."""
    frozen = current(engagement)
    return [part for part, digest in hashes(engagement).items() if part not in frozen or frozen[part].sha256 != digest]


def covers(versions: Iterable[PlanVersion]) -> dict[str, dict[str, Any]]:
    """{part: {"version", "sha256"}}, as sign-offs and runs record it."""
    return {version.part: {"version": version.version, "sha256": version.sha256} for version in versions}


def content_of(engagement: Engagement, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The contents of exactly these versions, each checked against its hash; of a redacted one what is left. Raises PlanChanged."""
    wanted_ones = (Q(part=part, version=wanted["version"]) for part, wanted in parts.items())
    versions = PlanVersion.objects.filter(reduce(or_, wanted_ones, Q(pk__in=())), engagement=engagement)
    stored = {version.part: version for version in versions}
    contents = {}
    for part, wanted in parts.items():
        version = stored.get(part)
        if version is None:
            raise PlanChanged(f"Version {wanted['version']} of the plan part '{part}' is gone.")
        if version.sha256 != wanted["sha256"] or not redaction.holds(version, matches=part_hash(version.content) == version.sha256):
            raise PlanChanged(f"{version} was changed after it was frozen.")
        contents[part] = version.content
    return contents
