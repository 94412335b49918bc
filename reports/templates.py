"""The inventory of message templates: content, every expression with the destination's column and token, and what to rebuild how.

Templates are read once per document, one at a time, into a temporary file that the document is written from.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from connectors.storable import storable_json
from reports.books.templates import book
from reports.documents import keep, write_book, write_sheets
from reports.messages import entries
from reports.messages.destinations import Destinations
from reports.messages.rebuild import table
from reports.messages.sources import Sources
from reports.models import Document
from reports.xlsx import Cell, Sheet
from workbench.engagements.models import Engagement

KIND = "templates"
ASSUMPTIONS = (
    "Tokens of Sales templates name tables and columns as they are shown in English; in another language they are others.",
    "Placeholders of Customer Insights - Journeys are bound by a person in the designer, each with its default.",
    "A snippet is read as if it stood outside of all blocks, whatever block of the template it stands in.",
    "A name within a loop is taken for a field of the item; where the item has none, the source may show the person's field of that name.",
    "Only the content in each template's default locale is read.",
    "Which functions the source's templates know is published in parts; a function that isn't listed is shown as unknown.",
    "When a campaign sent last isn't published: the newest of its own moments stands for it.",
)


@dataclass(slots=True)
class Inventory:
    """The gathered inventory. head: all but the templates, as data."""

    head: dict[str, Any]
    _file: IO[bytes]
    _places: Sequence[tuple[int, str]]  # where each template's line begins, and what is recommended

    def templates(self) -> Iterator[dict[str, Any]]:
        """Every template, one at a time; again from the first at each call."""
        for _, entry in self.numbered():
            yield entry

    def numbered(self, recommended: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """The same with their numbers from 0; or only those with a recommendation, by its title."""
        for number, (start, title) in enumerate(self._places):
            if recommended in (None, title):
                yield number, orjson.loads(self._line(start))

    def lines(self) -> Iterator[bytes]:
        """Every template as a line of JSON."""
        for start, _ in self._places:
            yield self._line(start).rstrip(b"\n")

    def _line(self, start: int) -> bytes:
        self._file.seek(start)
        return self._file.readline()


@contextmanager
def gathered(engagement: Engagement) -> Iterator[Inventory]:
    """Read everything once. Raises BadInput where the platform's templates can't be read."""
    sources, destinations, counts = Sources(engagement), Destinations(engagement), _Counts()
    places: list[tuple[int, str]] = []
    with tempfile.TemporaryFile() as file:
        for message in sources.messages():
            entry = entries.template(message, sources, destinations)
            counts.add(entry)
            places.append((file.tell(), entry["recommendation"]["title"]))
            file.write(_line(entry) + b"\n")
        head = orjson.loads(_line(_head(engagement, sources, destinations, counts)))
        yield Inventory(head, file, places)


def _line(value: Mapping[str, Any]) -> bytes:
    """A value as a line of JSON; halves of a surrogate pair, which no file takes, become visibly broken characters."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return orjson.dumps(storable_json(value), option=orjson.OPT_SORT_KEYS)


def content(engagement: Engagement) -> dict[str, Any]:
    """The whole inventory as data, in memory: for a page, or a project of a few hundred templates. Raises BadInput."""
    with gathered(engagement) as found:
        return {**found.head, "templates": list(found.templates())}


class _Counts:
    """What the summary says of all templates, and how many of them use each snippet."""

    def __init__(self) -> None:
        self.templates = self.expressions = self.mistakes = 0
        self.by: dict[str, Counter[str]] = {name: Counter() for name in ("media", "recommendations", "efforts", "statuses", "reasons")}
        self.unresolved: Counter[str] = Counter()
        self.snippets: Counter[str] = Counter()

    def add(self, entry: Mapping[str, Any]) -> None:
        """Count one more template."""
        self.templates += 1
        self.expressions += len(entry["expressions"])
        self.mistakes += entry["counts"]["mistakes"]
        self.by["media"][entry["medium"] or "(none)"] += 1
        self.by["recommendations"][entry["recommendation"]["title"]] += 1
        self.by["efforts"][entry["recommendation"]["effort"]] += 1
        self.snippets.update({one["target"] for one in entry["expressions"] if one["kind"] == "snippet"})
        for one in entry["expressions"]:
            self.by["statuses"][one["status"]] += 1
            self.by["reasons"].update(reason["code"] for reason in one["reasons"])
            self.unresolved.update({path["path"] for path in one["paths"] if path["root"] == "field" and not path["resolved"]})

    def told(self) -> dict[str, Any]:
        """The counts as data, the largest first."""
        counts = {name: dict(counter.most_common()) for name, counter in self.by.items()}
        unresolved = [{"path": path, "expressions": count} for path, count in self.unresolved.most_common()]
        return {
            "templates": self.templates,
            "expressions": self.expressions,
            "mistakes": self.mistakes,
            **counts,
            "unresolved_fields": unresolved,
        }


def _head(engagement: Engagement, sources: Sources, destinations: Destinations, counts: _Counts) -> dict[str, Any]:
    maps, dataset = destinations.maps, sources.dataset
    snippets = [
        entries.snippet(one, scan, sum(counts.snippets[name] for name in {one.name, one.id}), destinations)
        for one, scan in sources.snippets.values()
    ]
    return {
        "engagement": engagement.name,
        "platform": engagement.get_platform_display(),
        "read_at": sources.taken_at.isoformat() if sources.taken_at else None,
        "basis": dataset.get_purpose_display().lower() if dataset else None,
        "maps": {"version": maps.version, "sha256": maps.sha256} if maps else None,
        "summary": counts.told(),
        "reasons": {code: {"status": reason.status, "words": reason.words} for code, reason in table().reasons.items()},
        "efforts": dict(table().efforts),
        "assumptions": list(ASSUMPTIONS),
        "snippets": snippets,
    }


def write(engagement: Engagement) -> Document:
    """The inventory as JSON, a template on each line."""
    with gathered(engagement) as found:
        return _written(engagement, found)


def _written(engagement: Engagement, found: Inventory) -> Document:
    return keep(engagement, KIND, "json", lambda path: _write(path, found))


def _write(path: Path, found: Inventory) -> None:
    with path.open("wb") as file:
        file.write(_line(found.head)[:-1] + b',\n"templates": [')
        before = b"\n"
        for line in found.lines():
            file.write(before + line)
            before = b",\n"
        file.write(b"\n]}\n")


def write_workbook(engagement: Engagement) -> Document:
    """The same as a workbook."""
    with gathered(engagement) as found:
        return write_sheets(engagement, KIND, sheets(found))


def write_pdf(engagement: Engagement) -> Document:
    """The same on paper."""
    with gathered(engagement) as found:
        return write_book(_written(engagement, found), book(found.head, found.numbered))


def sheets(found: Inventory) -> Iterator[Sheet]:
    """The summary, then templates, their expressions, those that aren't simply a column, and snippets."""
    yield Sheet("Summary", ["What", "Which", "Count"], _summary(found.head), [34, 90, 12])
    yield Sheet("Templates", _TEMPLATES, map(_template_row, found.templates()), _TEMPLATE_WIDTHS)
    yield Sheet("Expressions", _EXPRESSIONS, _expression_rows(found.templates()), _EXPRESSION_WIDTHS)
    yield Sheet("Unresolved", _UNRESOLVED, _unresolved_rows(found.templates()), [14, 36, 18, 8, 18, 50, 34, 12, 20, 60, 50])
    yield Sheet("Snippets", _SNIPPETS, map(_snippet_row, found.head["snippets"]), [10, 30, 30, 12, 12, 12, 12, 12, 80])


_TEMPLATES = (
    "Id", "Name", "Medium", "Type", "Subject", "From", "Reply to", "Created", "Changed", "Campaigns", "Still running", "Last used",
    "Used by", "Sections", "Links", "Images", "Buttons", "Characters", "Expressions", "Resolved", "Replaced", "By hand", "Mistakes",
    "Recommendation", "Why", "Effort",
)  # fmt: skip
_TEMPLATE_WIDTHS = (12, 36, 10, 12, 44, 34, 28, 22, 22, 12, 12, 22, 44, 10, 10, 10, 10, 12, 12, 10, 10, 10, 10, 44, 80, 20)
_EXPRESSIONS = (
    "Template", "Name", "Field", "Line", "In the snippet", "Kind", "Expression", "Function", "Path", "Table", "Column", "Name in the offer",
    "Label", "Token of a Sales template", "Placeholder in Journeys", "Assumed", "Status", "Why",
)  # fmt: skip
_EXPRESSION_WIDTHS = (12, 36, 18, 8, 18, 12, 50, 18, 34, 14, 34, 30, 28, 36, 36, 10, 12, 70)
_UNRESOLVED = ("Template", "Name", "Field", "Line", "In the snippet", "Expression", "Path", "Status", "Code", "What it means", "Detail")
_SNIPPETS = ("Id", "Name", "Variables", "Templates", "Characters", "Expressions", "By hand", "Mistakes", "Reads")


def _summary(head: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    summary, maps = head["summary"], head["maps"]
    yield ["Engagement", head["engagement"], None]
    yield ["From", head["platform"], None]
    yield ["Read from the source", f"{head['read_at']} ({head['basis']})" if head["read_at"] else "not yet", None]
    yield ["Maps", f"version {maps['version']}, SHA-256 {maps['sha256']}" if maps else "no version yet: the working maps", None]
    for name in ("templates", "expressions", "mistakes"):
        yield [name.capitalize(), "", summary[name]]
    yield from (["Medium", medium, count] for medium, count in summary["media"].items())
    yield from (["Recommendation", title, count] for title, count in summary["recommendations"].items())
    yield from (["Effort", f"{name}: {head['efforts'][name]}", count] for name, count in summary["efforts"].items())
    yield from (["Expressions that are", status.replace("_", " "), count] for status, count in summary["statuses"].items())
    yield from (["Why", head["reasons"][code]["words"], count] for code, count in summary["reasons"].items())
    yield from (["Field without a column", one["path"], one["expressions"]] for one in summary["unresolved_fields"])
    yield from (["Assumed", words, None] for words in head["assumptions"])


def _template_row(one: Mapping[str, Any]) -> list[Cell]:
    used, counts, recommended = one["campaigns"], one["counts"], one["recommendation"]
    markup = one["content"]["markup"]
    sizes = [sum(part["counts"][name] for part in markup) for name in ("sections", "links", "images", "buttons")]
    characters = sum(part["characters"] for part in one["content"]["fields"])
    return [
        *(one[name] for name in ("id", "name", "medium", "type", "subject", "from", "reply_to", "created_at", "changed_at")),
        used["count"], used["running"], used["last"], ", ".join(f"{row['name']} ({row['id']})" for row in used["rows"]),
        *sizes, characters, counts["expressions"], *(counts.get(status, 0) for status in ("resolved", "replaced", "by_hand")),
        counts["mistakes"], recommended["title"], recommended["why"], f"{recommended['effort']}: {recommended['effort_title']}",
    ]  # fmt: skip


def _expression_rows(templates: Iterable[Mapping[str, Any]]) -> Iterator[list[Cell]]:
    """A row for each column of each value that an expression reads, and one for what reads none."""
    for template in templates:
        for one in template["expressions"]:
            where = [template["id"], template["name"], one["field"], one["line"], one["via"], one["kind"], one["text"], one["helper"]]
            why = entries.words_of(one["reasons"])
            for path, column in _columns(one):
                notes = " ".join(filter(None, (why, path["note"] if path else "")))
                yield [*where, path["path"] if path else "", *_column_cells(column), one["status"].replace("_", " "), notes]


def _columns(one: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    if not one["paths"]:
        yield None, None
    for path in one["paths"]:
        yield from ((path, column) for column in path["columns"] or (None,))


def _column_cells(column: Mapping[str, Any] | None) -> list[Cell]:
    if column is None:
        return [""] * 6 + [None]
    names = ("table", "column", "alias", "display_name", "sales_token", "journeys_token")
    return [*(column[name] for name in names), bool(column["assumed"])]


def _unresolved_rows(templates: Iterable[Mapping[str, Any]]) -> Iterator[list[Cell]]:
    """A row per reason of each expression that isn't simply a column, and one per place that can't be read."""
    known = table().reasons
    for template in templates:
        name = [template["id"], template["name"]]
        for one in template["expressions"]:
            paths = ", ".join(path["path"] for path in one["paths"] if not path["resolved"])
            for reason in one["reasons"] if one["status"] in ("by_hand", "replaced") else ():
                status = one["status"].replace("_", " ")
                told = [status, reason["code"], known[reason["code"]].words, reason["detail"]]
                yield [*name, one["field"], one["line"], one["via"], one["text"], paths, *told]
        for mistake in template["mistakes"]:
            yield [*name, mistake["field"], mistake["line"], "", mistake["text"], "", "by hand", mistake["code"], mistake["words"], ""]


def _snippet_row(one: Mapping[str, Any]) -> list[Cell]:
    read = dict.fromkeys(path["path"] for expression in one["expressions"] for path in expression["paths"])
    sizes = [one["templates"], one["characters"], len(one["expressions"]), one["counts"].get("by_hand", 0), one["counts"]["mistakes"]]
    return [one["id"], one["name"], ", ".join(one["variables"]), *sizes, ", ".join(read)]
