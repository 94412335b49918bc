"""What every part of staging needs: the run, its plan parts as signed, the names in use, bindings and the destination."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from connectors import landing
from connectors.dataverse.files import FileRules
from connectors.models import Dataset
from loads import crosswalk, staged
from loads.destination import Destination
from loads.models import Binding, Crosswalk, Run
from mapping import plan
from mapping.consent import ConsentRules, consent_content
from mapping.forgetting import REGISTER, forgotten_by
from mapping.objects import LoadOrder, load_order
from mapping.people import PersonRules, moments_reader, person_rules
from mapping.playbooks import Playbook, load_playbook
from mapping.quality.remedies import PLACEHOLDER, records_with
from mapping.transforms import TimeRules
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement

DECIMALS = 2  # of most currencies


class NotBound(WorkbenchError):
    """The plan names an owner that this environment has no row for."""

    remedy = "Answer the owner anew, or make the user in the environment, then bind and resume."


class NotForLoading(WorkbenchError):
    """A run names a dataset that may never be loaded."""

    remedy = "Open a new run: it stages what the full extraction landed."


@dataclass(frozen=True)
class StagingContext:
    """One run being staged. beat: says that staging goes on, and keeps the lease under which it does; raises LeaseLost."""

    run: Run
    destination: Destination
    worker: str
    beat: Callable[[], None]

    @property
    def engagement(self) -> Engagement:
        """The run's engagement."""
        return self.run.engagement

    @property
    def prefix(self) -> str:
        """The publisher prefix that the plan's columns have."""
        return self.contents["maps"]["prefix"]

    @cached_property
    def contents(self) -> dict[str, dict[str, Any]]:
        """The plan parts at exactly the versions that the run uses."""
        versions = tuple(sorted((part, one["version"], one["sha256"]) for part, one in self.run.parts.items()))
        return _contents(self.engagement, versions)

    @cached_property
    def playbook(self) -> Playbook:
        """The platform's playbook."""
        return load_playbook(self.engagement.platform)

    @cached_property
    def time(self) -> TimeRules:
        """The signed zones."""
        return TimeRules.from_content(self.contents["time"])

    @cached_property
    def moment(self) -> Callable[[Any], str]:
        """Reads a source's moment in the signed zone: YYYY-MM-DDTHH:MM:SSZ, or ''."""
        return moments_reader(self.time)

    @cached_property
    def owners(self) -> dict[str, str]:
        """Source owner -> bind value, such as `/systemusers(id)`; '' for rows without an owner. Raises NotBound."""
        sets = {"user": "systemusers", "team": "teams"}
        answers = self.contents["owners"]["answers"]
        rows = Binding.objects.filter(environment=self.run.environment, kind__in=sets, row_id__isnull=False)
        # Where somebody stands in for a user whom a sandbox lacks, the row is that of the owner of rows without one.
        stand_in = answers.get("", {}).get("kind", "user")
        bound = {(row.kind, row.name): f"/{sets[stand_in if row.problem else row.kind]}({row.row_id})" for row in rows}
        absent = sorted({answer["name"] for answer in answers.values() if (answer["kind"], answer["name"]) not in bound})
        if absent:
            raise NotBound(f"No row in {self.run.environment} for: {', '.join(absent[:10])}.")
        return {owner: bound[answer["kind"], answer["name"]] for owner, answer in answers.items()}

    @property
    def objects(self) -> dict[str, Any]:
        """The objects of the signed maps: tables, kind, and how records become rows."""
        return self.contents["maps"]["objects"]

    @cached_property
    def order(self) -> LoadOrder:
        """The order in which the objects load, and the lookups that are set late. Raises LookupCycle."""
        return load_order(self.objects, self._required)

    def _required(self, object_name: str, rule: Mapping[str, Any]) -> set[str]:
        """How much the columns that a lookup may go to are required."""
        columns = self.destination.table(self.tables_of(object_name)[0]).columns
        return {columns[name].required for name in (rule["column"], *rule["columns"].values()) if name in columns}

    def needed_by(self, object_name: str) -> list[str]:
        """The objects that can't be staged before one is, be it by way of others, in load order."""
        reached = {object_name}
        for name in self.order.names:
            if reached & self.needs(name):
                reached.add(name)
        return [name for name in self.order.names if name in reached - {object_name}]

    def needs(self, object_name: str) -> set[str]:
        """The objects that are staged before one, since it looks up to them or comes after them; of one that is documented only none.

        Those for which placeholders stand come one after the other: who is first makes the row under which the others' hang too.
        """
        if object_name not in self.order.names:
            return set()
        rules, standing = self.objects[object_name], self._with_placeholders
        before = standing[: standing.index(object_name)] if object_name in standing else ()
        return {rule["parent"] for rule in rules["parents"] if not self.order.is_late(object_name, rule)} | {*rules["after"], *before}

    @cached_property
    def _with_placeholders(self) -> list[str]:
        """The objects of whose records some are to hang under placeholders, in load order."""
        return [name for name in self.order.names if records_with(PLACEHOLDER, name, self.contents["quality"])]

    def kind_of(self, object_name: str) -> str:
        """An object's kind."""
        return str(self.objects[object_name]["kind"])

    def tables_of(self, object_name: str) -> list[str]:
        """The tables that an object becomes, its main table first."""
        return list(self.objects[object_name]["tables"])

    def main_table(self, object_name: str) -> str:
        """The first of them; '' of what is documented only."""
        return next(iter(self.objects[object_name]["tables"]), "") if object_name in self.objects else ""

    def decisions(self, object_name: str) -> Path:
        """The file of what staging decided of each record, set-based, before any row is built."""
        return self.path(f"{object_name}-decided.parquet")

    @cached_property
    def currencies(self) -> dict[str, str]:
        """ISO code of each currency of the environment, and 'base', -> row id."""
        rows = Binding.objects.filter(environment=self.run.environment, kind=Binding.Kind.CURRENCY, row_id__isnull=False)
        return {row.name: str(row.row_id) for row in rows}

    def decimals(self, code: str = "base") -> int:
        """How many decimals a currency's amounts have here; those of the base currency where the environment hasn't got it."""
        known, base = self.destination.decimals, self.currencies.get("base", "")
        return known.get(self.currencies.get(code, base), known.get(base, DECIMALS))

    @cached_property
    def base_currency(self) -> str:
        """The base currency's ISO code; 'base' where nobody told it."""
        wanted = self.currencies.get("base")
        return next((code for code, row in sorted(self.currencies.items()) if row == wanted and code != "base"), "base")

    @cached_property
    def former_leads(self) -> dict[str | None, str]:
        """Source id of a person who is a contact now -> the lead that it was before."""
        people = [name for name in self.objects if self.kind_of(name) == "person"]
        rows = Crosswalk.objects.filter(environment=self.run.environment, object_name__in=people, table="lead", current=False, alias=False)
        return {source_id: str(row_id) for source_id, row_id in rows.values_list("source_id", "row_id").iterator()}

    def dataset(self, object_name: str) -> Dataset:
        """The dataset of an object that this run stages. Raises NotForLoading for one of discovery, or of another engagement."""
        dataset = _dataset(self.run.key, self.run.datasets[object_name])
        if dataset.purpose != Dataset.Purpose.LOAD or dataset.engagement_id != self.run.engagement_id:
            raise NotForLoading(f"{self.run} names {dataset}, which was not landed to be loaded by it.")
        return dataset

    def answers(self, object_name: str) -> list[dict[str, Any]]:
        """The records of a small dataset, such as lists."""
        return list(landing.records(self.dataset(object_name)))

    def records(self, dataset: Dataset) -> Iterator[dict[str, Any]]:
        """The parsed records of a dataset, streamed; bad lines left out."""
        return landing.records(dataset)

    @cached_property
    def person_rules(self) -> PersonRules:
        """How a person's record is read, by the signed plan."""
        forgotten = forgotten_by(self.engagement, self.dataset(REGISTER))
        consent = consent_rules(self.run, self.contents["consent"])
        names = {"lifecycle_field": self.contents["split"]["stage_field"], "owner_field": self.contents["owners"]["owner_field"]}
        return person_rules(self.playbook, names, consent, self.time, forgotten)

    @cached_property
    def file_rules(self) -> FileRules:
        """What the organisation takes as files, as it is now."""
        return FileRules.of(self.destination.client)

    def path(self, name: str) -> Path:
        """A file of this run in the store."""
        return staged.folder(self.run) / name

    def crosswalk_rows(self, object_name: str) -> Iterator[tuple]:
        """The ids that an object's records have in this environment, streamed."""
        return crosswalk.known(self.run.environment, object_name)


def consent_rules(run: Run, signed: Mapping[str, Any]) -> ConsentRules:
    """The signed rules of consent, heeding what the source had when the run's records were extracted: lists and channels may be newer."""
    landed = (landing.records(_dataset(run.key, run.datasets[name])) if name in run.datasets else () for name in plan.CONSENT_OBJECTS)
    return ConsentRules.from_content(signed).heeding(ConsentRules.from_content(consent_content(*map(list, landed))))


@lru_cache(maxsize=64)
def _dataset(run_key: str, dataset_id: int) -> Dataset:
    """One of those that a run stages: it is sealed, and asked for again with each part of staging. run_key: which nothing else ever has."""
    return Dataset.objects.select_related("engagement").get(pk=dataset_id)


@lru_cache(maxsize=4)
def _contents(engagement: Engagement, versions: tuple[tuple[str, int, str], ...]) -> dict[str, dict[str, Any]]:
    """The contents of frozen versions, each held against its hash once per process. Raises PlanChanged."""
    return plan.content_of(engagement, {part: {"version": version, "sha256": sha256} for part, version, sha256 in versions})
