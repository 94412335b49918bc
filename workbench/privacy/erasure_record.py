"""The record of an erasure: what was done, and the rows at the destination that the customer's administrator decides about.

It names nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.book import Book, Code, Column, Figure, Kind, Part, Table, number
from reports.documents import write_book, write_json
from reports.models import Document
from workbench.privacy.models import Erasure
from workbench.privacy.rules import rules

KIND = "erasure"
Rows = Sequence[Mapping[str, str]]


def content(erasure: Erasure, rows: Rows) -> dict[str, Any]:
    """{"number", "engagement", "person", "names", "requested_by", "requested_at", "entry", "counts", "rows"}.

    person: the pseudonym of what was asked for; names: how many ids and addresses there were. rows: see `erasing`.
    """
    return {
        "number": erasure.pk,
        "engagement": erasure.engagement.name,
        "person": erasure.person,
        "names": len(erasure.names),
        "requested_by": erasure.requested_by.get_username(),
        "requested_at": erasure.requested_at.isoformat(),
        "entry": erasure.entry,
        "counts": erasure.counts,
        "rows": list(rows),
    }


def write_pdf(erasure: Erasure, rows: Rows) -> Document:
    """The record as JSON and on paper; each erasure's stands beside those of others."""
    told = content(erasure, rows)
    source = write_json(erasure.engagement, KIND, told, at=erasure.requested_at)
    return write_book(source, book(told), at=erasure.requested_at)


def book(told: Mapping[str, Any]) -> Book:
    """The record for paper. told: see `content`."""
    summary = "One person's data was taken out of the workbench. This record names nobody; who holds the key can tell whose it is."
    return Book(f"Record of erasure {told['number']}", summary, _parts(told))


def _parts(told: Mapping[str, Any]) -> Iterator[Part]:
    counts, rows = told["counts"], told["rows"]
    facts = [
        ("Asked for by", told["requested_by"]),
        ("Keyed hash of the person", Code(told["person"])),
        ("Ids and addresses on the register", told["names"]),
        ("Entry of the history", told["entry"]),
    ]
    table = Table(
        [Column("Where", 110), number("Changed or removed", 60)], ([_words(name), count] for name, count in sorted(counts.items()))
    )
    figures = [Figure(sum(counts.values()), "traces removed or blanked"), Figure(len(rows), "rows at the destination")]
    yield Part("What was done", figures=figures, facts=facts, table=table)
    text = [
        "These rows were made or changed for the person. The workbench doesn't delete them: the customer's administrator decides. Beside "
        "their ids only a keyed hash of the person is left here. The next run opts the person's rows out of everything.",
    ]
    columns = [Column("Environment", 30), Column("Table", 50), Column("Row id", 90, Kind.CODE)]
    listed = ([row["environment"], row["table"], row["row_id"]] for row in rows)
    yield Part("Rows at the destination", text=text, table=Table(columns, listed, "None.", kept_in="the JSON beside this record"))


def _words(name: str) -> str:
    """What was counted, as people call it: rows of a model, or what the erasure names itself."""
    models = {rule.name: rule.words for rule in rules().models}
    return models.get(name) or name.capitalize()
