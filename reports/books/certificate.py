"""The certificate of a signature on paper: the signature, what was signed in words, what it covers, and how to check it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from loads.reasons import explained
from loads.reconciliation import RECORDS
from reports.book import Book, Cell, Code, Column, Figure, Kind, Note, Part, Stacked, Table, Tone, number
from reports.books.words import accepted, balance, counted, listed, summed, sums
from reports.printable import moment

OUTCOMES = {"lead": "Lead", "contact": "Contact", "review": "Held for review", "skip": "Left out", "": "No answer: not covered"}
FILL_RULES = {
    "empty_and_own_columns": "Where a person is in Dynamics 365 already, only empty columns and those that this move adds are filled. "
    "A refusal of e-mail at the source is always carried over."
}
PURCHASERS = {
    "account": "Purchases of people who become leads go to their company; without one they are held.",
    "contact": "People who become leads and made purchases become contacts after all.",
    "held": "Purchases of people who become leads are held.",
}


def book(told: Mapping[str, Any]) -> Book:
    """The certificate of one signature. told: see `reports.certificate.content`."""
    summary = f"{told['what']}: signed by {told['signer']['name']} on {moment(told['signed_at'])}."
    return Book("Certificate of signature", summary, _parts(told), [("What was signed", told["what"])])


def _parts(told: Mapping[str, Any]) -> Iterator[Part]:
    yield _signature(told)
    yield from CONTENTS[told["kind"]](told["content"])
    if told["covers"]:
        yield _covers(told["covers"])
    yield _verification(told)


def _covers(covers: Mapping[str, Mapping[str, Any]]) -> Part:
    columns = [Column("Part of the plan", 30), number("Version", 18), Column("SHA-256", 122, Kind.CODE)]
    rows = ([part, cover["version"], cover["sha256"]] for part, cover in sorted(covers.items()))
    return Part(
        "Versions that the signature covers", text=["The signature holds while these hashes stay the same."], table=Table(columns, rows)
    )


def _signature(told: Mapping[str, Any]) -> Part:
    signer = told["signer"]
    facts = [
        ("Signed by", signer["name"]),
        ("E-mail", signer["email"]),
        ("User name", signer["user"]),
        ("Role", signer["role"]),
        ("Signed at", moment_to_the_second(told["signed_at"])),
        ("IP address", told["address"] or "not recorded"),
        ("Engagement", told["engagement"]),
        ("Number of this signature", f"{told['number']} of its kind"),
        ("SHA-256 of what was signed", Code(told["content_sha256"])),
        ("Note of the signer", told["note"] or "none"),
    ]
    return Part("Signature", notes=[Note(f"“{told['statement']}”", Tone.GOOD)], facts=facts)


def moment_to_the_second(value: str) -> str:
    """An ISO 8601 moment in UTC as it was recorded, to the second."""
    return f"{value[:19].replace('T', ' ')} UTC"


def _matrix(content: Mapping[str, Any]) -> Iterator[Part]:
    """What the signer of the split matrix was shown."""
    columns = [Column("Lifecycle stage", 80), number("People", 30), Column("Outcome", 60)]
    everyone = [*content["rows"], *({**one, "stage": f"{one['stage']} (bought)"} for one in content.get("buyers", ()))]
    rows = ([one["stage"] if one["stage"].strip() else "(blank)", one["count"], OUTCOMES[one["outcome"]]] for one in everyone)
    counts = {name: sum(one["count"] for one in everyone if one["outcome"] == name) for name in ("lead", "contact", "review")}
    figures = [
        Figure(content["people"], "people at the source"),
        Figure(counts["lead"], "become leads"),
        Figure(counts["contact"], "become contacts"),
    ]
    yield Part(
        "What was signed",
        text=[f"The field {content['stage_field']} of each person decides who becomes a lead and who a contact."],
        figures=figures,
        table=Table(columns, rows, "No lifecycle stage was found.", kept_in="the JSON beside this certificate"),
    )
    companies, purchases = content["companies"], content.get("purchases") or {}
    text = [
        f"{counted(companies['list_count'], 'list')} and {counted(companies['domains'], 'e-mail domain')} become companies; "
        f"{companies['without']:,} people have none, {companies['ambiguous']:,} are on the lists of several.",
        PURCHASERS.get(purchases.get("rule", ""), ""),
        FILL_RULES.get(content["fill_rule"], content["fill_rule"]),
    ]
    yield Part("Companies, purchases and existing rows", text=[words for words in text if words])


def _sandbox(content: Mapping[str, Any]) -> Iterator[Part]:
    """What the signer of the sandbox run was shown."""
    phases, every = content["phases"], content["verified"]["everything"]
    totals = {name: sum(phase[name] for phase in phases) for name in ("extracted", *RECORDS)}
    columns = sums("Records of", "extracted", RECORDS)
    yield Part(
        "What was signed",
        text=[
            f"Run {content['run']} into the sandbox: {summed(totals['extracted'], 'extracted', {name: totals[name] for name in RECORDS})}.",
            f"All {counted(every['rows'], 'row')} were read back and compared value by value: {every['equal']:,} values as at the source, "
            f"{every['transformed']:,} as the plan makes them, {every['lossy']:,} with less, {every['wrong']:,} wrong"
            + (f", {every['edited']:,} changed by others since." if every.get("edited") else "."),
            "Phases that only add rows to records of another phase, or set states, count no records and aren't listed.",
        ],
        table=Table(columns, _phases(phases), "Nothing was loaded.", kept_in="the JSON beside this certificate"),
    )
    if lost := content.get("losses"):
        yield Part("What arrived with less", notes=[accepted(lost)])
    columns = [Column("Reason", 84), Column("Outcome", 24), Column("Object", 28), number("Records", 20)]
    rows = (
        [Stacked(explained(one["code"]) or one["code"], one["code"]), one["outcome"], one["object"], one["count"]]
        for one in content["exceptions"]
    )
    yield Part("Exceptions that were shown", table=Table(columns, rows, "Every record loaded as planned."))
    columns = [Column("Owner in Dynamics 365", 70), Column("Owners at the source", 100)]
    yield Part("Owners that were shown", table=Table(columns, ([one["name"], listed(one["owners"])] for one in content["owners"])))


def _phases(phases: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for phase in filter(itemgetter("extracted"), phases):
        title = Stacked(phase["object"], f"to {phase['table'] or 'no table'}")
        yield [title, phase["extracted"], *(phase[name] for name in RECORDS), balance(phase["balanced"])]


def _schema(content: Mapping[str, Any]) -> Iterator[Part]:
    """What the signer of a removal of schema was shown."""
    for verdict, title in (("remove", "To be removed, where still empty"), ("keep", "To be kept")):
        named = [one for one in content["components"] if one["verdict"] == verdict]
        columns = [Column("Component", 60), Column("Kind", 22), number("Rows", 18), Column("Why it is kept", 70)]
        rows = ([Stacked(one["column"] or one["table"], one["table"]), one["kind"], one["rows"] or 0, one["reason"]] for one in named)
        text = [f"{counted(len(named), 'component')} of {content['environment']}, {content['address']}."]
        yield Part(title, text=text, table=Table(columns, rows, "None.", kept_in="the JSON beside this certificate"))


CONTENTS = {"matrix": _matrix, "sandbox": _sandbox, "schema": _schema}


def _verification(told: Mapping[str, Any]) -> Part:
    entry = told["history"]
    holds = Note("The stored content has the hash that was signed.", Tone.GOOD)
    if told.get("redacted"):
        holds = Note("What named people was taken out of the content since; the hash is that of the content as it was signed.", Tone.WARN)
    broken = Note("The stored content hasn't the hash that was signed: the database was changed behind the workbench.", Tone.BAD)
    facts: list[tuple[str, Cell]] = [("Command", Code(f"manage.py verify_history {told['slug']}"))]
    if entry:
        facts += [("Entry of the history", entry["number"]), ("SHA-256 of the entry", Code(entry["hash"]))]
    text = [
        "1. Run the command below. It computes every hash of the engagement's history anew; an entry that was changed, added or removed "
        "breaks the chain. The entry below recorded this signature, with its address and hashes.",
        "2. The JSON beside this certificate holds the content that was signed under the name 'content'. The SHA-256 of its canonical form "
        "(RFC 8785) is the hash under Signature"
        + (", where the JSON is of the certificate as it was written when it was signed." if told.get("redacted") else "."),
        "3. The hash on the title page is the SHA-256 of that JSON file itself.",
    ]
    return Part("How to check this certificate", notes=[holds if told["holds"] else broken], text=text, facts=facts)
