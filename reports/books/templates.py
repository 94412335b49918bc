"""The template inventory on paper: what to rebuild as what, every template at a glance, then each with structure and expressions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from reports.book import Book, Cell, Code, Column, Figure, Kind, Note, PageOf, Part, Stacked, Status, Table, Tone, number
from reports.books.words import by_effort, counted, listed
from reports.messages.entries import words_of
from reports.messages.rebuild import table as rules
from reports.printable import moment

NAMELESS = "(no name)"
STATUSES = {
    "resolved": Status("Column", Tone.GOOD),
    "replaced": Status("Replaced", Tone.PLAIN),
    "by_hand": Status("By hand", Tone.WARN),
    "ignored": Status("Comment", Tone.PLAIN),
}
MOST_EXPRESSIONS, MOST_LINKS, MOST_CAMPAIGNS = 300, 30, 5  # of one template
MOST_PLACES = 8  # lines of one expression
LONGEST = 1_000  # characters of an expression or an address
KEPT_IN = "the JSON"

Entry = Mapping[str, Any]


class Templates(Protocol):
    """Gives every template with its number, or those with a recommendation; again from the first at each call."""

    def __call__(self, recommended: str | None = None) -> Iterator[tuple[int, Entry]]:
        """The templates in the source's order."""


def book(head: Mapping[str, Any], templates: Templates) -> Book:
    """The inventory of an engagement. head: see `reports.templates.Inventory`."""
    summary = "What each message template says and reads, which column and token holds that at the destination, and how to rebuild it."
    return Book("Template inventory", summary, _parts(head, templates), [("Templates", head["summary"]["templates"])])


def _parts(head: Mapping[str, Any], templates: Templates) -> Iterator[Part]:
    yield _summary(head)
    yield _recommendations(templates)
    yield from _open(head)
    yield _overview(templates)
    for title in dict.fromkeys(rule.title for rule in reversed(rules().rules)):
        if count := head["summary"]["recommendations"].get(title, 0):
            yield Part(title, text=[f"{counted(count, 'template')}."])
            for place, entry in templates(title):
                yield from _template(_key(place), entry)
    yield _snippets(head["snippets"])
    yield Part("Assumptions", text=[f"{place}. {words}" for place, words in enumerate(head["assumptions"], 1)])


def _key(place: int) -> str:
    return f"template{place}"


def _summary(head: Mapping[str, Any]) -> Part:
    summary, maps = head["summary"], head["maps"]
    statuses = summary["statuses"]
    figures = [
        Figure(summary["templates"], "templates"),
        Figure(summary["expressions"], "expressions in them"),
        Figure(statuses.get("resolved", 0), "have a column"),
        Figure(statuses.get("by_hand", 0), "need somebody's decision"),
    ]
    facts: list[tuple[str, Cell]] = [
        ("Source", head["platform"]),
        ("Read from the source", f"{moment(head['read_at'])} ({head['basis']})" if head["read_at"] else "not yet"),
        ("Media", listed(f"{medium} {count:,}" for medium, count in summary["media"].items())),
        ("Places that can't be read", summary["mistakes"]),
        ("Field maps", f"version {maps['version']}" if maps else "no version yet: the working maps"),
    ]
    if maps:
        facts.append(("SHA-256 of the maps", Code(maps["sha256"])))
    return Part("Summary", text=[_HOW], figures=figures, facts=facts)


_HOW = (
    "Column: the expression reads a field that has a column; beside it stands its token in a Sales e-mail template, and below that its"
    " placeholder in Customer Insights - Journeys. Replaced: the destination has something of its own. By hand: somebody decides what is"
    " shown instead."
)


def _recommendations(templates: Templates) -> Part:
    counts = Counter((one["recommendation"]["title"], one["recommendation"]["effort"]) for _, one in templates())
    efforts = {name: title for name, title in rules().efforts.items() if any(name == effort for _, effort in counts)}
    classes = "; ".join(f"{name}: {title.lower()}" for name, title in efforts.items())
    text = [f"Effort of one template: {classes}."] if efforts else []
    return Part("What to rebuild as what", text=text, table=by_effort("Rebuild", list(efforts), counts, "Templates"))


def _open(head: Mapping[str, Any]) -> Iterator[Part]:
    """What keeps expressions from being simply a column, and the fields that lack one."""
    known, summary = head["reasons"], head["summary"]
    columns = [Column("What it means", 100), Column("So it is", 40), number("Expressions", 30)]
    rows = ([known[code]["words"], _status(known[code]["status"]), count] for code, count in summary["reasons"].items())
    yield Part("What isn't simply a column", table=Table(columns, rows, "Every expression is a column."))
    columns = [Column("Field", 140, Kind.CODE), number("Expressions", 30)]
    rows = ([one["path"], one["expressions"]] for one in summary["unresolved_fields"])
    table = Table(columns, rows, "Every field that a template reads has a column.", most=300, longest=300)
    yield Part("Fields without a column", text=["Fields of a person that templates read, and that no confirmed line of the maps moves."],
               table=table)  # fmt: skip


def _status(status: str, below: str = "") -> Status:
    known = STATUSES[status]
    return Status(known.words, known.tone, below)


def _overview(templates: Templates) -> Part:
    columns = [
        Column("Template", 52), Column("Medium", 20), Column("Used by", 26), number("Expressions", 22), Column("Rebuild", 48),
        number("Page", 12),
    ]  # fmt: skip
    table = Table(columns, (_at_a_glance(place, one) for place, one in templates()), "No template was found.", longest=300)
    return Part("All templates", table=table)


def _at_a_glance(place: int, one: Entry) -> Sequence[Cell]:
    counts, used, advised = one["counts"], one["campaigns"], one["recommendation"]
    by_hand = f"{counts['by_hand']:,} by hand" if counts.get("by_hand") else ""
    running = f"{used['running']:,} running" if used["count"] else ""
    return [
        Stacked(one["name"] or NAMELESS, one["id"]),
        Stacked(one["medium"], one["type"]),
        Stacked(counted(used["count"], "campaign") if used["count"] else "none", running),
        Stacked(counts["expressions"], by_hand),
        Stacked(advised["title"], f"effort {advised['effort']}: {advised['effort_title'].lower()}"),
        PageOf(_key(place)),
    ]


def _template(key: str, one: Entry) -> Iterator[Part]:
    """A template: what it is and what to do with it, its structure, its addresses, and what it reads."""
    yield Part(one["name"] or NAMELESS, level=2, key=key, notes=list(_flags(one)), facts=list(_about(one)))
    markup = one["content"]["markup"]
    if any(part["sections"] for part in markup):
        yield Part("Structure", level=3, table=_structure(markup))
    if any(part[kind] for part in markup for kind in _KINDS):
        columns = [Column("What", 18), Column("Text", 62), Column("Address", 90, Kind.CODE)]
        table = Table(columns, _addresses(markup), most=MOST_LINKS, longest=LONGEST, kept_in=KEPT_IN)
        yield Part("Buttons, links and images", level=3, table=table)
    if one["expressions"]:
        yield Part("Expressions", level=3, table=_expressions(one["expressions"]))
    if one["mistakes"]:
        columns = [Column("Where", 36), Column("What is wrong", 64), Column("Text", 70, Kind.CODE)]
        rows = ([f"{bad['field']}, line {bad['line']}", bad["words"] or bad["code"], bad["text"]] for bad in one["mistakes"])
        yield Part("Places that can't be read", level=3, table=Table(columns, rows, longest=LONGEST, kept_in=KEPT_IN))


def _flags(one: Entry) -> Iterator[Note]:
    """What whoever rebuilds it must know first."""
    counts = one["counts"]
    if counts["mistakes"]:
        yield Note(f"{counted(counts['mistakes'], 'place')} can't be read: the source itself doesn't send it as meant.", Tone.BAD)
    if one["feeds"]:
        merged = ", mixed into the person's own fields" if one["feeds_merged"] else ""
        yield Note(f"Reads data feeds: {listed(one['feeds'])}{merged}.", Tone.WARN)
    if counts.get("by_hand"):
        yield Note(f"{counts['by_hand']:,} of {counted(counts['expressions'], 'expression')} need a decision.", Tone.WARN)


def _about(one: Entry) -> Iterator[tuple[str, Cell]]:
    advised, used = one["recommendation"], one["campaigns"]
    yield "Rebuild", Stacked(advised["title"], advised["why"])
    yield "Effort", f"{advised['effort']}: {advised['effort_title'].lower()}"
    yield "Subject", one["subject"] or "none"
    yield "Id", Code(one["id"])
    yield "Medium", ", ".join(filter(None, (one["medium"], one["type"])))
    yield from ((label, one[name]) for label, name in (("From", "from"), ("Reply to", "reply_to")) if one[name])
    if used["count"]:
        names = [f"{row['name']} ({row['id']})" for row in used["rows"][:MOST_CAMPAIGNS]]
        more = f", and {used['count'] - len(names):,} more" if used["count"] > len(names) else ""
        told = f"{counted(used['count'], 'campaign')}, {used['running']:,} running" + (
            f", last {moment(used['last'])}" if used["last"] else ""
        )
        yield "Used by", Stacked(told, ", ".join(names) + more)
    else:
        yield "Used by", "no campaign"
    yield "Changed", moment(one["changed_at"]) if one["changed_at"] else "not known"
    yield "Content", "\n".join(_sizes(one["content"])) or "none"


def _sizes(content: Mapping[str, Any]) -> Iterator[str]:
    """A line per field with HTML, then all others in one."""
    markup = {part["field"]: part for part in content["markup"]}
    others = []
    for one in content["fields"]:
        if part := markup.get(one["field"]):
            kinds = ", ".join(counted(part["counts"][name], name[:-1]) for name in ("links", "images", "buttons"))
            tags = "".join(f", {count:,} {name}" for name, count in part["tags"].items())
            yield f"{one['field']}: {counted(one['characters'], 'character')}, {part['visible']:,} of them text; {kinds}{tags}"
        else:
            others.append(f"{one['field']} {one['characters']:,}")
    if others:
        yield f"Characters of {', '.join(others)}"


def _structure(markup: Sequence[Mapping[str, Any]]) -> Table:
    names = ("characters", "links", "images", "buttons", "expressions", "blocks")
    columns = [Column("Section", 56), number("Heading", 16), *(number(name.capitalize(), 15 + len(name) // 3) for name in names)]
    rows = (
        [section["heading"] or _NO_HEADING[bool(section["level"])], section["level"] or None, *(section[name] for name in names)]
        for part in markup
        for section in part["sections"]
    )
    return Table(columns, rows, most=60, longest=300, kept_in=KEPT_IN)


_NO_HEADING = {False: "(before the first heading)", True: "(empty heading)"}
_KINDS = {"buttons": "Button", "links": "Link", "images": "Image"}


def _addresses(markup: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Cell]]:
    for kind, name in _KINDS.items():
        for part in markup:
            yield from ([name, one["text"], one["target"]] for one in part[kind])


def _expressions(found: Sequence[Entry]) -> Table:
    """A row per expression and place where it reads the same; its lines are told together."""
    alike: dict[tuple[str, ...], list[Entry]] = {}
    for one in found:
        alike.setdefault((one["text"], one["field"], one["via"], one["status"], *(path["path"] for path in one["paths"])), []).append(one)
    columns = [Column("Expression", 48), Column("Column", 40), Column("Token", 42), Column("What it is", 40)]
    return Table(columns, map(_expression, alike.values()), most=MOST_EXPRESSIONS, longest=LONGEST, kept_in="the workbook")


def _expression(alike: Sequence[Entry]) -> Sequence[Cell]:
    one, targets = alike[0], [target for path in alike[0]["paths"] for target in path["columns"]]
    lines = list(dict.fromkeys(str(each["line"]) for each in alike))
    more = f" and {len(lines) - MOST_PLACES} more" if len(lines) > MOST_PLACES else ""
    where = f"{one['field']}, line{'s' * (len(lines) > 1)} {', '.join(lines[:MOST_PLACES])}{more}"
    notes = [words_of(one["reasons"]), *(path["note"] for path in one["paths"])]
    return [
        Stacked(one["text"], f"{where}, in the snippet {one['via']}" if one["via"] else where),
        Stacked("\n".join(_column(target) for target in targets), _offered(targets)),
        Stacked("\n".join(dict.fromkeys(filter(None, (target["sales_token"] for target in targets)))), _journeys(targets)),
        _status(one["status"], " ".join(filter(None, notes))),
    ]


def _column(target: Mapping[str, Any]) -> str:
    return f"{target['table']}.{target['column']}"


def _offered(targets: Sequence[Mapping[str, Any]]) -> str:
    """The offer's names beside the true ones, where they differ; and whether a name that a token shows was never read."""
    names = dict.fromkeys(one["alias"] for one in targets if one["alias"] not in ("", one["column"]))
    assumed = dict.fromkeys(one["table"] for one in targets if one["assumed"])
    told = (f"in the offer: {listed(names)}" if names else "", f"display name of {listed(assumed)} assumed" if assumed else "")
    return "; ".join(filter(None, told))


def _journeys(targets: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join(dict.fromkeys(one["journeys_token"] for one in targets))


def _snippets(snippets: Sequence[Mapping[str, Any]]) -> Part:
    columns = [Column("Snippet", 46), number("Templates", 19), number("Expressions", 22), Column("Variables", 33), Column("Reads", 50)]
    text = ["Parts that several templates share: build each once as a content block, before the templates."]
    table = Table(columns, map(_snippet, snippets), "No snippet was found.", longest=LONGEST, kept_in=KEPT_IN)
    return Part("Snippets", text=text if snippets else [], table=table)


def _snippet(one: Entry) -> Sequence[Cell]:
    by_hand = f"{one['counts']['by_hand']:,} by hand" if one["counts"].get("by_hand") else ""
    read = dict.fromkeys(path["path"] for expression in one["expressions"] for path in expression["paths"])
    return [
        Stacked(one["name"], one["id"]),
        one["templates"],
        Stacked(len(one["expressions"]), by_hand),
        listed(one["variables"]),
        listed(read),
    ]
