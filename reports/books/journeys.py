"""The journey inventory on paper: what to rebuild with what, all journeys at a glance, then each with its steps and what is recommended."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from connectors.journeys import ARCHIVED, CHANNELS, DRAFT, OFF, RUNNING
from mapping.journeys.joining import ORIGINS
from mapping.journeys.words import END, KINDS
from reports.book import Book, Cell, Code, Column, Figure, Note, PageOf, Part, Stacked, Status, Table, Tone, number
from reports.books.words import by_effort, counted, listed
from reports.journey_sheets import STATES, basis, catalog_words, effort_words, in_words, started

TONES = {RUNNING: Tone.GOOD, OFF: Tone.WARN, DRAFT: Tone.PLAIN, ARCHIVED: Tone.PLAIN, "": Tone.WARN}
KNOWN = {"known": "all known", "lower bound": "at least", "not known": "not known"}
NAMELESS = "(no name)"
MOST_STEPS, MOST_CONFLICTS = 200, 20  # of one journey
KEPT_IN = "the workbook"

Row = Mapping[str, Any]


def book(told: Mapping[str, Any]) -> Book:
    """The inventory of an engagement. told: see `reports.journeys.content`."""
    summary = "What each journey does as far as it is known, where each line comes from, and with what it is best rebuilt."
    return Book("Journey inventory", summary, _parts(told), [("Journeys", told["counts"]["journeys"])])


def _parts(told: Mapping[str, Any]) -> Iterator[Part]:
    rows = [(f"journey{place}", row) for place, row in enumerate(told["journeys"])]
    yield _summary(told)
    yield _tools([row for _, row in rows])
    yield _overview(rows)
    for title in dict.fromkeys(row["recommendation"]["title"] for _, row in rows):
        ours = [(key, row) for key, row in rows if row["recommendation"]["title"] == title]
        yield Part(title, text=[f"{counted(len(ours), 'journey')} best rebuilt with it, those that run first."])
        for key, row in sorted(ours, key=lambda one: list(TONES).index(one[1]["state"]["value"])):
            yield from _journey(key, row)


def _summary(told: Mapping[str, Any]) -> Part:
    counts = told["counts"]
    figures = [
        Figure(counts["journeys"], "journeys"),
        Figure(counts["states"].get(STATES[RUNNING], 0), "of them are running"),
        Figure(counts["steps"].get("known", 0), "with all steps known"),
        Figure(counts["conflicts"], "things to be settled"),
    ]
    states = listed(f"{name.lower()} {count:,}" for name, count in counts["states"].items())
    facts: list[tuple[str, Cell]] = [*basis(told), ("States", states[:1].upper() + states[1:])]
    return Part("Summary", text=[told["note"]], figures=figures, facts=facts)


def _tools(rows: Sequence[Row]) -> Part:
    """How many journeys of which effort are rebuilt with what; and that a sequence is no trigger."""
    efforts = {one["name"]: one["title"] for one in sorted((_effort(row) for row in rows), key=itemgetter("points"))}
    counts = Counter((row["recommendation"]["title"], _effort(row)["name"]) for row in rows)
    classes = "; ".join(f"{name}: {title.lower()}" for name, title in efforts.items())
    return Part(
        "What to rebuild with what",
        text=[f"Effort of one journey by its messages, steps and paths. {classes}."] if rows else [],
        notes=[Note(words) for words in dict.fromkeys(row["retrigger"]["sequence"] for row in rows)],
        table=by_effort("Rebuild with", list(efforts), counts, "Journeys"),
    )


def _effort(row: Row) -> Mapping[str, Any]:
    effort: Mapping[str, Any] = row["recommendation"]["effort"]
    return effort


def _overview(rows: Iterable[tuple[str, Row]]) -> Part:
    columns = [
        Column("Journey", 48), Column("State", 25), Column("Started by", 37), Column("Steps", 21), Column("Rebuild with", 37),
        number("Page", 12),
    ]  # fmt: skip
    table = Table(columns, (_at_a_glance(key, row) for key, row in rows), "No journey was found.", longest=300)
    return Part("All journeys", table=table)


def _at_a_glance(key: str, row: Row) -> Sequence[Cell]:
    advised = row["recommendation"]
    effort = f"effort {effort_words(advised['effort'])}"
    return [Stacked(_name(row), row["id"]), _state(row), started(row), _steps(row), Stacked(advised["title"], effort), PageOf(key)]


def _name(row: Row) -> str:
    return row["name"]["value"] or NAMELESS


def _state(row: Row) -> Status:
    state = row["state"]["value"]
    return Status(STATES[state], TONES[state])


def _steps(row: Row) -> Stacked:
    steps = row["steps"]
    return Stacked(steps["count"] if steps["rows"] else "–", KNOWN[steps["known"]])


def _journey(key: str, row: Row) -> Iterator[Part]:
    """A journey: what it is, its steps, the catalogs that it looks up, and what to rebuild it with."""
    columns = [Column("What", 36), Column("Value", 102), Column("Comes from", 32)]
    yield Part(_name(row), level=2, key=key, notes=list(_conflicts(row["conflicts"])), table=Table(columns, _about(row)))
    yield Part("Steps", level=3, table=_step_table(row))
    if row["catalogs"]:
        columns = [Column("Catalog", 50), Column("Item", 44), Column("Looked up by", 44), Column("Comes from", 32)]
        rows = ([_found(one, one["catalog"]), one["item"] or "computed", one["where"], ORIGINS[one["origin"]]] for one in row["catalogs"])
        yield Part("Catalogs", level=3, table=Table(columns, rows, kept_in=KEPT_IN))
    yield Part("Rebuild", level=3, facts=list(_advice(row)))


def _conflicts(conflicts: Sequence[str]) -> Iterator[Note]:
    left = len(conflicts) - MOST_CONFLICTS
    more = [f"{counted(left, 'place')} more: the workbook has them."] if left > 0 else []
    if conflicts:
        yield Note(
            "\n".join(["To be settled, since what is told of it doesn't fit together:", *conflicts[:MOST_CONFLICTS], *more]), Tone.WARN
        )


def _about(row: Row) -> Iterator[Sequence[Cell]]:
    """Each value with where it comes from."""
    kind, names, again = row["trigger"]["kind"], row["trigger"]["names"], row["retrigger"]
    yield ["Id", Code(row["id"]), None]
    yield ["State", _state(row), _origins([row["state"]])]
    if row["description"]["value"]:
        yield ["Description", row["description"]["value"], _origins([row["description"]])]
    yield ["Started by", started(row), _origins([kind, *names])]
    if measured := [f"{one['value']} {one['counted']:,}" for one in names if one["counted"] is not None]:
        yield ["Counted at the source", listed(measured), "Discovery"]
    yield ["Entry and re-entry", again["source"], listed(ORIGINS[origin] for origin in again["origins"])]
    if row["channels"]:
        yield ["Sends by", in_words(row["channels"], CHANNELS), "Its steps"]
    for note in row["notes"]:
        yield ["Note", note["value"], _origins([note])]


def _origins(said: Iterable[Mapping[str, Any]]) -> str:
    return listed(dict.fromkeys(ORIGINS[one["origin"]] for one in said))


def _step_table(row: Row) -> Table:
    columns = [
        Column("No.", 9), Column("Step", 43), Column("Channel", 17), Column("Message and template", 46), Column("Leads to", 36),
        Column("Comes from", 29),
    ]  # fmt: skip
    sent = {one["id"]: one for one in row["campaigns"]}
    empty = "No source says what it does: ask who built it, or look at it in the source before it is gone."
    return Table(columns, (_step(one, sent) for one in row["steps"]["rows"]), empty, most=MOST_STEPS, kept_in=KEPT_IN)


def _step(one: Row, sent: Mapping[str, Row]) -> Sequence[Cell]:
    number = "?" if one["number"] is None else str(one["number"])
    channel = CHANNELS.get(one["channel"], one["channel"])
    return [
        number,
        Stacked(KINDS.get(one["kind"], one["kind"]), _told(one)),
        channel,
        _message(one, sent),
        _leads(one),
        ORIGINS[one["origin"]],
    ]


def _told(one: Row) -> str:
    """What a step is called, how long it waits, what it looks up, and what was noted."""
    waits = f"waits {one['wait']}" if one["wait"] else ""
    catalogs = ", ".join(catalog_words(reference) for reference in one["catalogs"])
    return "\n".join(filter(None, (one["name"] or one["id"], waits, f"looks up {catalogs}" if catalogs else "", one["note"])))


def _message(one: Row, sent: Mapping[str, Row]) -> Cell:
    """The campaign of a step, with its template below: by name and id, and whether the source still has it."""
    campaign = sent.get(one["campaign"], {})
    template = campaign.get("template") or {}
    told = _found(campaign, _named(campaign.get("name", ""), one["campaign"])) if one["campaign"] else ""
    shown = one["template"] or template.get("id", "")
    name = template.get("name", "") if shown == template.get("id") else ""
    below = _found(template if name or shown == template.get("id") else {}, f"template {_named(name, shown)}") if shown else ""
    return Stacked(told, below) if told else below


def _named(name: str, key: str) -> str:
    return f"{name} ({key})" if name else key


def _found(one: Mapping[str, Any], words: str) -> str:
    return f"{words}, not at the source" if one.get("found") is False else words


def _leads(one: Row) -> str:
    """Each way out of a step; a step without any leads to the next one."""
    ends = {"": "next step", END: "end"}
    return "\n".join(f"{path['when']} → {ends.get(path['to'], path['to'])}".strip() for path in one["paths"])


def _advice(row: Row) -> Iterator[tuple[str, Cell]]:
    advised, effort = row["recommendation"], row["recommendation"]["effort"]
    yield "Rebuild with", Stacked(advised["title"], advised["reason"])
    if advised["otherwise"]:
        yield "With more licences", advised["otherwise"]
    yield "Starts again there", row["retrigger"]["tool"]
    if advised["limits"]:
        yield "Can't be rebuilt as it is", "\n".join(advised["limits"])
    yield "Effort", Stacked(f"{effort_words(effort)}: {effort['title'].lower()}", f"{counted(effort['points'], 'point')}: {effort['rule']}")
