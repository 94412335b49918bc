"""The erasure of one person: their ids and addresses are found, put on the register, and their traces taken out of store and database.

A step whose parts can be done again. What is looked for is kept encrypted until the last part. Rows at the destination aren't touched:
the record lists their ids for the customer's administrator; the next run opts them out, as it does with everybody who is to be forgotten.
"""

from functools import partial

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from connectors import landing, store
from connectors.files import StoredFile, is_name
from connectors.models import Dataset
from loads.models import Run
from mapping import plan
from mapping.discovery.keys import make_files, people_keys
from mapping.forgetting import person_fields
from mapping.playbooks import load_playbook
from reports.models import Document
from workbench.engagements import gates, history, redaction
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, ErasedName
from workbench.engagements.pseudonyms import is_pseudonym, pseudonyms_of
from workbench.pipeline import steps
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work
from workbench.privacy import erasure_record, files, finding, mentions, traces
from workbench.privacy.models import Erasure, open_erasure, require_engineer
from workbench.privacy.purging import remove_document
from workbench.privacy.rules import rules
from workbench.privacy.seeking import Sought, closure, forms_of, own_domains, people_datasets, person_objects, rows_named

ERASED = "erased person"
LONGEST = 320


class ErasureOpen(WorkbenchError):
    """Somebody else is being erased from the engagement."""

    remedy = "Wait until that is done, then ask again."


@transaction.atomic
def request(engagement: Engagement, name: str, user: User) -> tuple[Erasure, Step]:
    """Ask for the erasure of the person who has this id or e-mail address; one that was begun is gone on with.

    Raises NotYours, BadInput, GateClosed, ErasureOpen.
    """
    require_engineer(engagement, user)
    name = name.strip()
    if not name or len(name) > LONGEST or is_pseudonym(name):
        raise BadInput("That is no id and no e-mail address.", remedy="Give the person's id at the source, or their e-mail address.")
    gates.require("erase", engagement)
    pseudonyms = pseudonyms_of(engagement)
    person, names = pseudonyms.of(name.lower()), forms_of(name)
    erasure = open_erasure(engagement)
    if erasure and erasure.person != person:
        raise ErasureOpen(f"{erasure} isn't finished.")
    if erasure is None:
        sought = Sought(names=names).written()
        try:
            with transaction.atomic():
                erasure = Erasure.objects.create(engagement=engagement, person=person, sought=sought, requested_by=user)
        except IntegrityError as error:
            raise ErasureOpen("Another erasure was asked for at the same moment.") from error
    going = Step.objects.filter(engagement=engagement, name=Step.Name.ERASE, state__in=(Step.State.QUEUED, Step.State.RUNNING)).first()
    return erasure, going or steps.request(engagement, Step.Name.ERASE, user=user)


def parts(step: Step) -> list[Part]:
    """What the erasure does: find the person, then dataset by dataset, run by run, then the database and the documents."""
    begun = step.kept.get("erasure")
    erasure = Erasure.objects.select_related("engagement").get(pk=begun) if begun else open_erasure(step.engagement)
    if erasure is None:
        return []
    datasets, runs = (
        _datasets(erasure.engagement),
        erasure.engagement.runs.select_related("engagement", "environment", "undoes").order_by("pk"),
    )
    return [
        Part("begin", partial(_begin, erasure=erasure)),
        *(Part(f"keys of dataset {one.pk}", partial(_make_keys, dataset=one)) for one in people_datasets(erasure.engagement)),
        Part("who it is", partial(_find, erasure=erasure)),
        *(Part(f"records of dataset {one.pk}", partial(finding.find_records, erasure=erasure, dataset=one)) for one in datasets),
        *(Part(f"dataset {one.pk}", partial(finding.clear_dataset, erasure=erasure, dataset=one)) for one in datasets),
        Part("attachments", partial(_clear_attachments, erasure=erasure)),
        *(Part(f"run {run.pk}", partial(_clear_run, erasure=erasure, run=run)) for run in runs),
        Part("rows", partial(_clear_rows, erasure=erasure)),
        Part("documents", partial(_clear_documents, erasure=erasure)),
        Part("texts", partial(_clear_texts, erasure=erasure)),
        Part("keys", partial(_renew_keys, erasure=erasure)),
        Part("record", partial(_record, erasure=erasure)),
    ]


def _begin(work: Work, *, erasure: Erasure) -> None:
    work.keep(erasure=erasure.pk)


def _datasets(engagement: Engagement) -> list[Dataset]:
    """Those that hold people first, then what belongs to what is found: lines after their purchases."""
    playbook, names = load_playbook(engagement.platform), plan.names_of(engagement)
    known = Dataset.objects.filter(engagement=engagement).select_related("engagement").order_by("pk")
    return sorted(known, key=lambda one: not person_fields(playbook, one.object_name, names))


def _sought(erasure: Erasure) -> Sought:
    """What is looked for, with the ids of all that was found."""
    sought = finding.sought_by(erasure)
    sought.records = {name for dataset in _datasets(erasure.engagement) for name in finding.ids_in(erasure, dataset.pk)}
    return sought


def _make_keys(work: Work, *, dataset: Dataset) -> None:
    work.progress(f"reading the keys of {dataset}")
    people_keys(dataset.engagement, dataset)


def _find(work: Work, *, erasure: Erasure) -> None:
    """Find all names of the person, and put them on the register: from here on nothing of theirs is landed any more."""
    work.progress("looking for all ids and addresses")
    engagement, sought = erasure.engagement, _sought(erasure)
    if erasure.names:  # the register changes which keys are read
        return
    keys = [people_keys(engagement, one) for one in people_datasets(engagement)]
    sought.names = closure(engagement, sought.names, keys)
    sought.domains = own_domains(sought.names, keys)
    pseudonyms = pseudonyms_of(engagement)
    erasure.names = sorted({pseudonyms.of(form) for name in sought.names for form in (name, name.lower())})
    erasure.sought = sought.written()
    with transaction.atomic():
        known = [ErasedName(engagement=engagement, pseudonym=name) for name in erasure.names]
        ErasedName.objects.bulk_create(known, ignore_conflicts=True, batch_size=500)
        erasure.save(update_fields=["names", "sought"])


def _clear_attachments(work: Work, *, erasure: Erasure) -> None:
    """Files that the person's records named and no other record names."""
    names = {text for text in _sought(erasure).texts if is_name(text)}
    if not names:
        return
    work.progress("removing attachments")
    for dataset in _datasets(erasure.engagement):
        for path in landing.slices_of(dataset):
            for row in store.read_rows(path, columns=["raw"]):
                names -= {name for name in names if name.encode() in row["raw"]}
    removed = sum(files.clear(StoredFile.named(erasure.engagement.slug, name).path).files for name in names)
    erasure.add({"attachments": removed})


def _clear_run(work: Work, *, erasure: Erasure, run: Run) -> None:
    """The files of a run, and its rows of the database."""
    work.progress(f"clearing {run}")
    erasure.add(traces.clear_run(run, _found_of(erasure, run), _sought(erasure)))


def _found_of(erasure: Erasure, run: Run) -> traces.Found:
    """The person's records of the datasets that a run staged; of a rollback those of its load."""
    of_run = run.load if run.is_rollback else run
    found = {name: {row["position"]: row for row in finding.found_in(erasure, pk)} for name, pk in of_run.datasets.items()}
    return {name: rows for name, rows in found.items() if rows}


def _clear_rows(work: Work, *, erasure: Erasure) -> None:
    """Rows of the database that are about one of the person's records."""
    work.progress("clearing the crosswalk and other rows")
    sought = _sought(erasure)
    ids = {name: _all_ids(erasure, name, sought) for name in _object_names(erasure)}
    erasure.add(traces.clear_rows(erasure.engagement, ids))


def _object_names(erasure: Erasure) -> list[str]:
    return sorted(set(Dataset.objects.filter(engagement=erasure.engagement).values_list("object_name", flat=True)))


def _all_ids(erasure: Erasure, object_name: str, sought: Sought) -> set[str]:
    """Ids of the person's records of an object."""
    ids = sought.names if object_name in person_objects(erasure.engagement) else set()
    ids = ids | (sought.companies if object_name == finding.COMPANY else set())
    known = Dataset.objects.filter(engagement=erasure.engagement, object_name=object_name).values_list("pk", flat=True)
    return ids | {name for pk in known for name in finding.ids_in(erasure, pk)}


def _clear_documents(work: Work, *, erasure: Erasure) -> None:
    """Documents that list the person's records or name them go, in every format; the next hand-off writes them anew, without them."""
    work.progress("looking through the documents")
    sought, now = _sought(erasure), timezone.now()
    standing = list(Document.objects.standing().filter(engagement=erasure.engagement).select_related("run__undoes"))
    listing = rules().listing_documents
    naming = {(row.kind, row.run_id) for row in standing if mentions.names(store.root() / row.path, row.format, sought)}
    naming |= {(row.kind, row.run_id) for row in standing if row.kind in listing and (row.run is None or _found_of(erasure, row.run))}
    for document in standing:
        if (document.kind, document.run_id) in naming and document.kind != erasure_record.KIND:
            remove_document(document, now)
            erasure.add({f"documents of {document.kind}": 1})


def _clear_texts(work: Work, *, erasure: Erasure) -> None:
    """Texts, samples and entries of the history that name the person."""
    work.progress("looking through texts and samples")
    erasure.add(traces.clear_texts(erasure.engagement, _sought(erasure)))


def _renew_keys(work: Work, *, erasure: Erasure) -> None:
    """The keys of people were made of the records: those of the discovery are made anew, for the preview of the matrix."""
    work.progress("reading the keys anew")
    files.clear(files.folder_of(erasure.engagement, "keys"))
    make_files(erasure.engagement, Dataset.Purpose.DISCOVERY)


def _record(work: Work, *, erasure: Erasure) -> None:
    """Say in the history what was done, write the record, and forget whom it was about."""
    work.progress("recording the erasure")
    engagement = erasure.engagement
    with transaction.atomic():
        erasure = Erasure.objects.select_for_update().select_related("engagement", "requested_by").get(pk=erasure.pk)
        if erasure.entry is None:
            detail = {"names": len(erasure.names), "counts": erasure.counts, "redacted": redaction.told(engagement)}
            entry = history.record(engagement, actor=erasure.requested_by, action=ERASED, subject=erasure.person, detail=detail)
            erasure.entry = entry.number
            erasure.save(update_fields=["entry"])
    if erasure.finished_at is None:
        erasure_record.write_pdf(erasure, _rows_at_destination(erasure))
        Erasure.objects.filter(pk=erasure.pk).update(sought="", finished_at=timezone.now())
    files.clear(files.folder_of(engagement, "erasing"))


def _rows_at_destination(erasure: Erasure) -> list[dict[str, str]]:
    """The rows that were made or changed for the person: {"environment", "table", "row_id"}; without those that a rollback removed."""
    found: set[tuple[str, str, str]] = set()
    engagement = erasure.engagement
    for run in engagement.runs.select_related("engagement", "environment", "undoes"):
        found |= {(run.environment.kind, table, row_id) for table, row_id in traces.rows_of(run, _found_of(erasure, run))}
    for row in rows_named(engagement, person_objects(engagement), erasure.names):
        found.add((row.environment.kind, row.table, str(row.row_id)))
    gone = traces.removed_again(engagement, {row_id for _, _, row_id in found})
    names = ("environment", "table", "row_id")
    return [dict(zip(names, one, strict=True)) for one in sorted(found) if one[2] not in gone]
