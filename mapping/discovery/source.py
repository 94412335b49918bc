"""Discovery of the source: counts, fields with profiles, stages, owners and lists, and from them the first proposals.

Everything that is landed here is marked `discovery` and can never be loaded.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import transaction

from connectors import landing, store
from connectors.base import Finding, Source
from connectors.carrying import LATE, base_of
from connectors.extraction import Time, extract, land_answers
from connectors.models import Dataset
from connectors.sampling import Sampling
from mapping import plan
from mapping.canonical import record_hash
from mapping.checks import pitfalls, usage
from mapping.checks.keeping import keep
from mapping.clusters import cluster, load_keys
from mapping.companies import organisation_name
from mapping.discovery.keys import PERSON, make_files, people_keys
from mapping.discovery.objects import keep_objects
from mapping.discovery.profiling import carry_over, keep_listed_profiles, keep_profiles
from mapping.fieldmaps import reader
from mapping.forgetting import sieve
from mapping.identity import id_text, source_id
from mapping.models import DiscoveryFinding, ObjectMap, OrganisationList, OwnerMatch, SplitRule
from mapping.owners.models import ACTIVITIES
from mapping.playbooks import DatasetRule, Playbook, load_playbook
from mapping.transforms import clean
from workbench.engagements import history, signoffs
from workbench.engagements.models import Engagement, SignOff

Progress = Callable[[str], None]


def identify(playbook: Playbook, object_name: str = PERSON, names: Mapping[str, str] | None = None) -> landing.Identify:
    """How records of an object get their ids; the hash of the canonical JSON where they have none.

    A person's: the first filled id field, else the normalised e-mail. Another object's: as the playbook says. names: what the engagement
    calls the fields that the playbook only names by a setting.
    """
    if object_name != PERSON:
        return _by_rule(playbook.dataset(object_name), names or {})
    keys = playbook.identity.source_id

    def give(record: dict[str, Any]) -> str:
        return source_id(record, keys, playbook.identity.email) or f"sha1:{record_hash(record)}"

    return give


def origin(engagement: Engagement, object_name: str) -> str:
    """A hash of where an object's records come from and how they get their ids: only what has the same one can be carried over."""
    playbook, names = load_playbook(engagement.platform), plan.names_of(engagement)
    addresses = engagement.connections.filter(kind=engagement.platform).values_list("base_url", flat=True)
    parts = () if object_name == PERSON else [part for one in playbook.dataset(object_name).id for part in one.split("/")]
    return record_hash([*addresses, *(field_name(part, names) for part in parts)])


LOOK_BACK = {"two_days": timedelta(days=2), "week": timedelta(days=7)}


def overlap(engagement: Engagement) -> timedelta:
    """How far a delta looks back, as was decided about rows that come late."""
    decided = DiscoveryFinding.objects.filter(engagement=engagement, check_name=f"{engagement.platform}.late_rows")
    return LOOK_BACK.get(decided.values_list("decision", flat=True).first() or "", LATE)


def _by_rule(rule: DatasetRule, names: Mapping[str, str]) -> landing.Identify:
    """The first alternative whose fields are all filled, joined by `/`."""
    alternatives = [[reader(field_name(part, names)) for part in one.split("/")] for one in rule.id]

    def give(record: dict[str, Any]) -> str:
        for readers in alternatives:
            parts = [id_text(read(record)) for read in readers]
            if all(parts):
                return "/".join(part for part in parts if part)
        return f"sha1:{record_hash(record)}"

    return give


def field_name(name: str, names: Mapping[str, str]) -> str:
    """A playbook's field as the source calls it: `@order_id_field` stands for what the engagement's setting says."""
    return names[name[1:]] if name.startswith("@") else name


def answer_id(record: dict[str, Any]) -> str:
    """The id of a list, channel or message type; forgotten people have only their hash."""
    return id_text(record.get("id")) or id_text(record.get("hash")) or f"sha1:{record_hash(record)}"


def discover(engagement: Engagement, source: Source, *, actor: object, progress: Progress) -> None:
    """Every part of the discovery of a source, one after the other. Raises what the source or the store raises."""
    findings, playbook = audit(engagement, source, progress), load_playbook(engagement.platform)
    dataset = land_people(engagement, source, Dataset.Purpose.DISCOVERY, progress=progress)
    for rule in playbook.datasets:
        land_object(engagement, source, rule, Dataset.Purpose.DISCOVERY, progress=progress)
    if dataset:
        findings += keep_profiles(dataset, source.reference("fields"))
        newest = landing.newest(engagement, purpose=Dataset.Purpose.DISCOVERY)
        for name in profiled_objects(playbook):
            findings += profile_object(engagement, name, newest)
        make_files(engagement, Dataset.Purpose.DISCOVERY)
        findings += keep_objects(engagement)
        propose(engagement, dataset, findings, actor=actor, progress=progress)


def _asked(rule: DatasetRule, names: Mapping[str, str]) -> tuple[str, ...]:
    """The fields that a source is asked for: of a nested one its top field too, since no source says that it leaves out a part of it."""
    wanted = [field_name(name, names) for name in rule.fields]
    return tuple(dict.fromkeys(part for name in wanted for part in (name, name.partition(".")[0])))


def profiled_objects(playbook: Playbook) -> list[str]:
    """Objects beside people whose fields are profiled where they are landed."""
    names = dict.fromkeys([*(rule.name for rule in playbook.datasets), *(rule.name for rule in playbook.objects)])
    return [name for name in names if name != PERSON]


def profile_object(
    engagement: Engagement, name: str, newest: Mapping[str, Dataset], *, at_most: int | None = None, again: bool = True
) -> list[Finding]:
    """Profile the newest dataset of an object, or of the one in whose list its records lie.

    newest: by the object's name, see `landing.newest`. Nothing where it wasn't landed, or has more than `at_most` records; nor of a
    dataset that staging derived, whose fields are ours. again: of records that are those which were profiled last, too.
    """
    listed = next((rule for rule in load_playbook(engagement.platform).listed if rule.object == name), None)
    dataset = newest.get(listed.of if listed else name)
    if dataset is None or dataset.derived or (at_most is not None and dataset.rows > at_most):
        return []
    if not again and carry_over(dataset, name):
        return []
    return keep_listed_profiles(dataset, listed) if listed else keep_profiles(dataset)


def audit(engagement: Engagement, source: Source, progress: Progress) -> list[Finding]:
    """Check the source and land its small answers. Raises what the source says where it can't be used."""
    progress("checking the source")
    findings = source.check()
    land_small(engagement, source, Dataset.Purpose.DISCOVERY)
    return findings


def land_people(
    engagement: Engagement,
    source: Source,
    purpose: str,
    *,
    progress: Progress,
    time_given: Time = Time(),  # noqa: B008 - it can't change
    delta: bool = False,
) -> Dataset | None:
    """Land the people, slice after slice; None where the time is up and another call must go on.

    delta: what changed since the last complete dataset is fetched, the rest carried over.
    """
    given = origin(engagement, PERSON)
    return extract(
        engagement=engagement,
        source=source,
        object_name=PERSON,
        purpose=purpose,
        identify=identify(load_playbook(engagement.platform)),
        progress=progress,
        time_given=time_given,
        origin=given,
        base=base_of(engagement, PERSON, given) if delta else None,
        overlap=overlap(engagement) if delta else LATE,
        forget=sieve(engagement, PERSON),
    )


def land_object(
    engagement: Engagement,
    source: Source,
    rule: DatasetRule,
    purpose: str,
    *,
    progress: Progress,
    time_given: Time = Time(),  # noqa: B008 - it can't change
    delta: bool = False,
) -> Dataset | None:
    """Land one of the playbook's datasets, slice after slice; None where the time is up and another call must go on.

    delta: see `land_people`. Discovery lands what the playbook says: the whole, some fields of every record, or samples with exact counts.
    """
    names = plan.names_of(engagement)
    give = identify(load_playbook(engagement.platform), rule.name, names)
    first_look, given = purpose == Dataset.Purpose.DISCOVERY, origin(engagement, rule.name)
    return extract(
        engagement=engagement,
        source=source,
        object_name=rule.name,
        purpose=purpose,
        identify=give,
        progress=progress,
        time_given=time_given,
        fields=_asked(rule, names) if first_look and rule.discovery == "fields" else (),
        sampling=Sampling(rule.by, rule.moment) if first_look and rule.discovery == "samples" else None,
        origin=given,
        base=base_of(engagement, rule.name, given) if delta else None,
        overlap=overlap(engagement) if delta else LATE,
        forget=sieve(engagement, rule.name),
    )


def propose(engagement: Engagement, dataset: Dataset, findings: Iterable[Finding], *, actor: object, progress: Progress) -> None:
    """Stages, owners, lists and objects as first proposals, and the first versions of the plan's parts.

    Once the matrix is signed a new stage is an open question: discovery alone never changes what was signed.
    """
    progress("counting stages, owners and lists")
    playbook, keys = load_playbook(engagement.platform), people_keys(engagement, dataset)
    signed = signoffs.latest(engagement, SignOff.Kind.MATRIX) is not None
    with transaction.atomic():
        _keep_objects(engagement)
        found = [*findings, *_counted(dataset), *pitfalls.findings(engagement), *usage.findings(engagement)]
        keep(engagement, None, found, actor=actor)
        keep_stages_and_owners(engagement, keys, playbook, signed=signed)
        keep_organisations(engagement, Dataset.Purpose.DISCOVERY)
        plan.revise(engagement, plan.PARTS, actor=actor)
        history.record(
            engagement, actor=actor, action="discovered source", subject=engagement.get_platform_display(), detail={"people": dataset.rows}
        )


def land_small(engagement: Engagement, source: Source, purpose: str) -> None:
    """Land the source's small answers, each as a dataset of its own."""
    for object_name, answers in source.answers().items():
        land_answers(engagement=engagement, object_name=object_name, purpose=purpose, answers=answers, identify=answer_id)


def _counted(dataset: Dataset) -> Iterable[Finding]:
    evidence = f"{dataset.rows} records in {dataset.pieces.count()} slices"
    yield Finding("people counted", "info", f"{evidence}.")
    if dataset.bad_rows:
        yield Finding(
            "unreadable lines", "warning", f"{dataset.bad_rows} lines of the export are not one JSON object; they are kept and rejected."
        )


def _keep_objects(engagement: Engagement) -> None:
    names = plan.names_of(engagement)
    for rule in load_playbook(engagement.platform, engagement.prefix).objects:
        defaults = {"tables": list(rule.tables_by(names)), "cardinality": rule.cardinality, "note": rule.note}
        ObjectMap.objects.get_or_create(engagement=engagement, object_name=rule.name, defaults=defaults)


def keep_stages_and_owners(engagement: Engagement, keys: Path, playbook: Playbook, *, signed: bool = False) -> None:
    """Bring the split matrix and the owner list up to what the people say.

    New stages are proposed by the playbook before the signature; after it they are open questions (`signed`), since the
    signature stands for what it listed.
    """
    with store.database() as con:
        load_keys(con, keys)
        cluster(con)
        stages = dict(con.execute("SELECT k.stage, count(*) FROM clusters c JOIN keys k ON k.position = c.survivor GROUP BY 1").fetchall())
        owners = dict(con.execute("SELECT owner, count(*) FROM keys WHERE problem IS NULL GROUP BY 1").fetchall())
    stages.setdefault("", 0)
    owners.setdefault("", 0)
    _keep_stages(engagement, stages, playbook.matrix, signed)
    _keep_owners(engagement, owners)


def _keep_stages(engagement: Engagement, stages: Mapping[str, int], proposed: Mapping[str, str], signed: bool) -> None:
    new = SplitRule.Outcome.OPEN if signed else SplitRule.Outcome.REVIEW
    known = {rule.stage: rule for rule in SplitRule.objects.filter(engagement=engagement)}
    for stage, count in {**dict.fromkeys(known, 0), **stages}.items():
        if stage in known:
            SplitRule.objects.filter(pk=known[stage].pk).update(observed=count)
        else:
            outcome = new if signed else proposed.get(stage, new)
            SplitRule.objects.create(engagement=engagement, stage=stage[:200], outcome=outcome, observed=count)


def _keep_owners(engagement: Engagement, owners: Mapping[str, int]) -> None:
    known = set(OwnerMatch.objects.filter(engagement=engagement).values_list("source_owner", flat=True))
    for owner, count in owners.items():
        if owner in known:
            OwnerMatch.objects.filter(engagement=engagement, source_owner=owner).update(records=count)
        else:
            OwnerMatch.objects.create(engagement=engagement, source_owner=owner[:320], records=count)
    OwnerMatch.objects.get_or_create(engagement=engagement, source_owner=ACTIVITIES)


def keep_organisations(engagement: Engagement, purpose: str) -> None:
    """Ask of each list that was landed for this purpose and has the prefix whether it is a company; known ones stay as they are."""
    prefix = plan.names_of(engagement)["organisation_list_prefix"]
    lists = landing.latest(engagement, "list", purpose)
    for entry in landing.records(lists) if lists else ():
        name = clean(str(entry.get("name") or ""), "")[0]
        list_id = landing.clean_id(answer_id(entry))
        if prefix and name.strip().casefold().startswith(prefix.strip().casefold()):
            defaults = {"list_name": name, "organisation": organisation_name(name, prefix) or ""}
            OrganisationList.objects.get_or_create(engagement=engagement, list_id=list_id, defaults=defaults)
