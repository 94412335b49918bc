"""The purge of an engagement: what came from records and names people goes or becomes a pseudonym; sums, hashes and signatures stay.

A step whose parts can be done again: one that is killed goes on where it stopped. What becomes of what stands in `rules.toml`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import monotonic
from typing import Any

import rfc8785
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone

from connectors import store
from reports import certificate as certificates
from reports import preview
from reports.models import Document
from workbench.engagements import history, redaction
from workbench.engagements.models import AuditEntry, Engagement, Redactable
from workbench.engagements.pseudonyms import Pseudonyms, pseudonyms_of
from workbench.pipeline import steps
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work
from workbench.privacy import certificate, evidence, files
from workbench.privacy.models import Purge, require_engineer
from workbench.privacy.rules import REMOVED, Rule, rules
from workbench.privacy.treating import GONE, Treated, empty, pseudonymise, without

BEGAN, PURGED = "began to purge", "purged engagement"
ROWS_AT_ONCE, REDACTED_AT_ONCE = 5_000, 500  # before the clock is looked at


def request(engagement: Engagement, user: User) -> Step:
    """Ask for a purge; one that is under way, or was cut off, is gone on with. Raises NotYours, GateClosed."""
    require_engineer(engagement, user)
    going = Step.objects.filter(engagement=engagement, name=Step.Name.PURGE, state__in=(Step.State.QUEUED, Step.State.RUNNING)).first()
    return going or steps.request(engagement, Step.Name.PURGE, user=user)


def parts(step: Step) -> list[Part]:
    """What a purge does, in an order in which nothing is needed that went before."""
    engagement = step.engagement
    return [
        Part("begin", partial(_begin, engagement=engagement)),
        Part("words of the admin", partial(_forget_words, engagement=engagement)),
        *(Part(f"rows of {rule.name}", partial(_treat, engagement=engagement, rule=rule)) for rule in rules().of_engagements),
        Part("files", partial(_clear_files, engagement=engagement)),
        Part("documents", partial(_clear_documents, engagement=engagement)),
        Part("certificates", partial(_certify_signatures, engagement=engagement)),
        Part("record", partial(_record, engagement=engagement)),
        Part("certificate", partial(_certify, engagement=engagement)),
    ]


def _begin(work: Work, *, engagement: Engagement) -> None:
    """Keep the evidence before anything goes. From here on the gates are closed."""
    work.progress("taking the sums and hashes that stay")
    with transaction.atomic():
        Engagement.objects.select_for_update().get(pk=engagement.pk)
        if Purge.objects.filter(engagement=engagement).exists():
            return
        Purge.objects.create(engagement=engagement, requested_by=work.actor, evidence=evidence.content(engagement))
        history.record(engagement, actor=work.actor, action=BEGAN, subject=engagement.name)


def _count(engagement: Engagement, name: str, number: int) -> None:
    """Add to what was done; the numbers tell of what a call changed, so that a second one adds nothing."""
    if number:
        with transaction.atomic():
            purge = Purge.objects.select_for_update().get(engagement=engagement)
            purge.counts[name] = purge.counts.get(name, 0) + number
            purge.save(update_fields=["counts"])


def _forget_words(work: Work, *, engagement: Engagement) -> None:
    """What Django's admin noted of the engagement's rows: it quotes names of rows and of what stands beside them."""
    work.progress("removing what the admin noted of rows")
    for rule in rules().of_engagements:
        of_model = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(rule.model)).exclude(object_repr=GONE)
        if of_model.exists():
            ids = rule.of(engagement).annotate(text=Cast("pk", CharField())).values("text")
            _count(engagement, "admin.LogEntry", of_model.filter(object_id__in=ids).update(object_repr=GONE, change_message=""))


def _treat(work: Work, *, engagement: Engagement, rule: Rule) -> bool:
    """Deal with the rows of one model; False where the time is up."""
    work.progress(f"{rule.fate}: {rule.model._meta.verbose_name_plural}")
    if rule.removed:
        return _delete(work, engagement, rule)
    if rule.redacted:
        return _redact(work, engagement, rule)
    if (rule.hashed or rule.rows or rule.keys) and not _pseudonymise(work, engagement, rule):
        return False
    emptied = empty(rule, rule.of(engagement))
    if not (rule.hashed or rule.rows or rule.keys):
        _count(engagement, rule.name, emptied)
    return True


def _delete(work: Work, engagement: Engagement, rule: Rule) -> bool:
    while batch := list(rule.of(engagement).order_by("pk").values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        for start in range(0, len(batch), 500):
            rule.model._base_manager.filter(pk__in=batch[start : start + 500]).delete()
        _count(engagement, rule.name, len(batch))
        if monotonic() > work.time.until:
            return False
    return True


def _pseudonymise(work: Work, engagement: Engagement, rule: Rule) -> bool:
    pseudonyms = pseudonyms_of(engagement)
    return _by_key(work, engagement, rule, lambda rows, after: pseudonymise(rule, rows, pseudonyms, after=after))


def _by_key(work: Work, engagement: Engagement, rule: Rule, do: Callable[[QuerySet, int], Treated]) -> bool:
    """Call `do` until it finds no row after the last one. How far it came is kept; False where the time is up."""
    while True:
        at = work.kept.get("at", {})
        treated = do(rule.of(engagement), at.get(rule.name, 0))
        if not treated.rows:
            return True
        work.keep(at={**at, rule.name: treated.last})
        _count(engagement, rule.name, treated.changed)
        if monotonic() > work.time.until:
            return False


def _redact(work: Work, engagement: Engagement, rule: Rule) -> bool:
    """Take what names people out of rows that are written once."""
    pseudonyms = pseudonyms_of(engagement)
    is_history = rule.model is AuditEntry

    def do(rows: QuerySet, after: int) -> Treated:
        batch: list[Redactable] = list(rows.filter(pk__gt=after).order_by("pk")[:REDACTED_AT_ONCE])
        left = (_left_of_entry(row, pseudonyms) if is_history else dict(_left(rule, row)) for row in batch)
        changed = sum(redaction.redact(row, **values) for row, values in zip(batch, left, strict=True))
        return Treated(len(batch), changed, batch[-1].pk if batch else after)

    return _by_key(work, engagement, rule, do)


def _left(rule: Rule, row: Redactable) -> Iterator[tuple[str, Any]]:
    for name, keys in rule.redacted.items():
        value = getattr(row, name)
        yield name, without(value, keys) if keys else (value and GONE)


def _left_of_entry(entry: Any, pseudonyms: Pseudonyms) -> Mapping[str, Any]:
    """Entries whose details may name people keep who did what and when. A keyed hash of the details proves what they were."""
    known = rules()
    if known.keeps_whole(entry.action) or set(entry.detail) == {REMOVED}:
        return {}
    told = {REMOVED: pseudonyms.of(rfc8785.dumps(entry.detail).decode())} if entry.detail else {}
    return {"detail": told, "subject": entry.subject if known.keeps_subject(entry.action) else GONE}


def _clear_files(work: Work, *, engagement: Engagement) -> bool:
    """Every folder but that of the documents."""
    for path in sorted(files.folder_of(engagement).glob("*")):
        if path.name != files.DOCUMENTS:
            work.progress(f"removing the files in {path.name}")
            cleared = files.clear(path)
            _count(engagement, f"files in {path.name}", cleared.files)
            if monotonic() > work.time.until:
                return False
    return True


def _clear_documents(work: Work, *, engagement: Engagement) -> None:
    """The files of documents that name people, and whatever else lies beside those that stay."""
    work.progress("removing documents that name people")
    stay, now = rules().kept_documents, timezone.now()
    for document in Document.objects.standing().filter(engagement=engagement).exclude(kind__in=stay):
        remove_document(document, now)
        _count(engagement, f"documents of {document.kind}", 1)
    kept = {path for document in Document.objects.standing().filter(engagement=engagement) for path in paths_of(document)}
    for path in files.files_of(files.folder_of(engagement, files.DOCUMENTS)):
        if path not in kept:
            files.clear(path)


def paths_of(document: Document) -> tuple[Any, ...]:
    """A document's file, and the pages that the portal shows of it."""
    return store.root() / document.path, preview.path_of(document)


def remove_document(document: Document, now: Any) -> None:
    """Remove the file of a document; its hash stays. Raises StoreUnwritable."""
    for path in paths_of(document):
        files.clear(path)
    Document.objects.filter(pk=document.pk).update(removed_at=now)


def _certify_signatures(work: Work, *, engagement: Engagement) -> None:
    """The certificates of the signatures anew, of what is left."""
    work.progress("writing the certificates of signatures anew")
    for signoff in certificates.signatures(engagement):
        certificates.write_pdf(signoff)


def _record(work: Work, *, engagement: Engagement) -> None:
    """Say in the history what was done, and which rows of it were redacted."""
    work.progress("recording the purge")
    with transaction.atomic():
        purge = Purge.objects.select_for_update().get(engagement=engagement)
        if purge.entry is None:
            detail = {"counts": purge.counts, "redacted": redaction.told(engagement)}
            entry = history.record(engagement, actor=purge.requested_by, action=PURGED, subject=engagement.name, detail=detail)
            purge.entry = entry.number
            purge.save(update_fields=["entry"])


def _certify(work: Work, *, engagement: Engagement) -> None:
    """The certificate of the purge, and its end."""
    work.progress("writing the certificate")
    purge = Purge.objects.get(engagement=engagement)
    certificate.write_pdf(purge)
    Purge.objects.filter(pk=purge.pk, finished_at=None).update(finished_at=timezone.now())
