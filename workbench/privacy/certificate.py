"""The certificate of a purge: what was there, what became of it, and how to check that the history still holds."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.book import Book, Code, Column, Figure, Kind, Note, Part, Stacked, Table, Tone, number
from reports.books.words import balance, counted
from reports.documents import write_book, write_json
from reports.downloads import title_of
from reports.models import Document
from reports.printable import moment
from workbench.engagements.models import AuditEntry
from workbench.engagements.redaction import told
from workbench.privacy.models import Purge
from workbench.privacy.rules import KEPT, REMOVED, WORDS, rules

KIND = "purge"


def content(purge: Purge) -> dict[str, Any]:
    """The purge as data: {"engagement", "slug", "begun_at", "requested_by", "entry", "redacted", "done", "kept", "evidence"}.

    done: [{"name", "holds", "fate", "rows", "why"}], what was removed or replaced; kept: the same of what stayed.
    """
    entry = AuditEntry.objects.filter(engagement=purge.engagement, number=purge.entry or 0).first()
    return {
        "engagement": purge.engagement.name,
        "slug": purge.engagement.slug,
        "begun_at": purge.begun_at.isoformat(),
        "requested_by": purge.requested_by,
        "entry": {"number": entry.number, "hash": entry.hash, "at": entry.at.isoformat()} if entry else None,
        "redacted": told(purge.engagement),
        "done": [*_models(purge, of_kept=False), *_files(purge)],
        "kept": list(_models(purge, of_kept=True)),
        "evidence": purge.evidence,
    }


def _models(purge: Purge, *, of_kept: bool) -> Iterator[dict[str, Any]]:
    for rule in rules().of_engagements:
        if (rule.fate == KEPT) == of_kept:
            rows = rule.of(purge.engagement).count() if of_kept else purge.counts.get(rule.name, 0)
            yield {"name": rule.words, "holds": rule.holds, "fate": rule.fate, "rows": rows, "why": rule.why}


def _files(purge: Purge) -> Iterator[dict[str, Any]]:
    """Folders and kinds of documents of which anything went."""
    folders = {f"files in {rule.folder}": rule for rule in rules().folders}
    kinds = {f"documents of {rule.kind}": rule for rule in rules().documents}
    for name, rows in purge.counts.items():
        if name.startswith(("files in ", "documents of ")):
            rule = folders.get(name) or kinds.get(name)
            holds = getattr(rule, "holds", "") or title_of(name.removeprefix("documents of ")).holds
            yield {"name": name.capitalize(), "holds": holds, "fate": REMOVED, "rows": rows, "why": rule.why if rule else ""}


def write(purge: Purge) -> Document:
    """The certificate as JSON."""
    return write_json(purge.engagement, KIND, content(purge))


def write_pdf(purge: Purge) -> Document:
    """The certificate on paper."""
    told_of = content(purge)
    return write_book(write(purge), book(told_of))


def book(told_of: Mapping[str, Any]) -> Book:
    """The certificate for paper. told_of: see `content`."""
    summary = f"The personal data of this engagement was removed; begun on {moment(told_of['begun_at'])} by {told_of['requested_by']}."
    return Book("Certificate of purge", summary, _parts(told_of))


def _parts(told_of: Mapping[str, Any]) -> Iterator[Part]:
    evidence = told_of["evidence"]
    yield _done(told_of)
    columns = [Column("What", 46), number("Rows", 18), Column("What it holds, and why it stays", 106)]
    rows = ([one["name"], one["rows"], Stacked(one["holds"], one["why"])] for one in told_of["kept"] if one["rows"])
    yield Part("What was kept", table=Table(columns, rows, kept_in="the JSON beside this certificate"))
    yield Part("What was moved", text=["The sums of every run, as they stood before the purge."])
    for run in evidence["runs"]:
        yield _run(run)
    yield _hashes(evidence)
    yield _documents(evidence)
    yield _check(told_of)


def _done(told_of: Mapping[str, Any]) -> Part:
    done = [one for one in told_of["done"] if one["rows"]]
    columns = [Column("What", 46), Column("What became of it", 34), number("How many", 18), Column("What it held, and why", 72)]
    rows = ([one["name"], WORDS[one["fate"]], one["rows"], Stacked(one["holds"], one["why"])] for one in done)
    figures = [
        Figure(sum(one["rows"] for one in done if one["fate"] == fate), words.lower()) for fate, words in WORDS.items() if fate != KEPT
    ]
    text = [
        "Ids of records and of rows became keyed hashes (HMAC-SHA256): the same id gives the same hash, so that what is left still joins. "
        "Without the key, which lies encrypted in the workbench, nobody can try out which person a hash is.",
        "Rows at the destination are the customer's and were not touched.",
    ]
    return Part("What was removed", text=text, figures=figures, table=Table(columns, rows, kept_in="the JSON beside this certificate"))


def _run(run: Mapping[str, Any]) -> Part:
    columns = [
        Column("Object and table", 50),
        number("Extracted", 20),
        number("Loaded", 20),
        number("Rows made", 20),
        number("Changed", 20),
        Column("", 40),
    ]
    rows = (
        [Stacked(one["object"], one["table"] or "no table"), *(one[name] for name in ("extracted", "loaded")),
         *(one["rows"][name] for name in ("created", "updated")), balance(one["balanced"])]
        for one in run["phases"]
    )  # fmt: skip
    read = run["read_back"]
    words = (
        f"{counted(read['rows'], 'row')} read back: {read['equal']:,} values equal, {read['lossy']:,} with less, {read['wrong']:,} wrong."
    )
    facts = [("Kind", run["kind"]), ("Environment", run["environment"]), ("State", run["state"]), ("Read back", words)]
    return Part(f"Run {run['run']}", level=2, facts=facts, table=Table(columns, rows, "It staged nothing.", kept_in="the JSON"))


def _hashes(evidence: Mapping[str, Any]) -> Part:
    columns = [Column("Object", 34), Column("For", 24), number("Records", 22), Column("SHA-256 of the files", 90, Kind.CODE)]
    rows = ([one["object"], one["purpose"], one["rows"], one["sha256"]] for one in evidence["datasets"])
    return Part("What was read from the source", table=Table(columns, rows, "Nothing.", kept_in="the JSON beside this certificate"))


def _documents(evidence: Mapping[str, Any]) -> Part:
    columns = [Column("Document", 40), Column("Format", 16), Column("Written", 34), Column("SHA-256", 80, Kind.CODE)]
    rows = ([title_of(one["kind"]).name, one["format"], moment(one["written_at"]), one["sha256"]] for one in evidence["documents"])
    text = ["Whoever has a copy of a document can check it by its hash, also where the workbench has it no more."]
    return Part("Documents that were written", text=text, table=Table(columns, rows, kept_in="the JSON beside this certificate"))


def _check(told_of: Mapping[str, Any]) -> Part:
    entry, redacted = told_of["entry"], told_of["redacted"]
    facts: list[tuple[str, Any]] = [("Command", Code(f"manage.py verify_history {told_of['slug']}"))]
    if entry:
        facts += [("Entry of the history", entry["number"]), ("SHA-256 of the entry", Code(entry["hash"]))]
    facts += [("Redacted rows", redacted["rows"]), ("SHA-256 over them", Code(redacted["sha256"]))]
    text = [
        "Signatures, versions of the plan and entries of the history keep the hashes that they were made with. What names people was taken "
        "out of them; the entry below holds one hash over all that is left, so that nothing of it can be changed unnoticed.",
    ]
    return Part("How to check this certificate", notes=[Note("The chain of the history is kept.", Tone.GOOD)], text=text, facts=facts)
