"""The scope on paper: what is there, what moves where, what was found and decided, and the estimate with its arithmetic."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reports.book import Book, Cell, Column, Figure, Kind, Note, Part, Stacked, Status, Table, Tone, number
from reports.books.words import counted, listed
from reports.printable import moment, shown

SEVERITIES = {"blocker": Status("Blocks", Tone.BAD), "warning": Status("Warning", Tone.WARN)}


def book(told: Mapping[str, Any]) -> Book:
    """The scope of an engagement. told: see `reports.scope.scope_content`."""
    summary = f"What is at {told['platform']}, what of it moves into Dynamics 365 Sales, what was found and decided, and how long it takes."
    return Book("Scope and estimate", summary, _parts(told))


def _parts(told: Mapping[str, Any]) -> Iterator[Part]:
    yield _summary(told)
    yield _counts(told["counts"])
    yield _objects(told["objects"], told["fields"], told["usage"])
    yield _split(told["split"])
    if told["flattening"]:
        yield _events(told["flattening"])
    yield _findings(told["findings"])
    yield _decisions(told["decisions"])
    for forecast in told["forecasts"]:
        yield _forecast(forecast)
    yield from _estimate(told)
    yield Part("Assumptions", text=[f"{number}. {words}" for number, words in enumerate(told["assumptions"], 1)])


def _summary(told: Mapping[str, Any]) -> Part:
    objects, grade, decisions = told["objects"], told["grade"], told["decisions"]
    days = [Figure(number, f"days of work, {role}") for role, number in told["effort"]["days"].items()]
    figures = [
        Figure(f"{objects['moving']} of {objects['of']}", f"objects move, {objects['documented']} are documented"),
        Figure(grade["name"], f"{grade['title']}, {counted(grade['total'], 'point')}"),
        Figure(told["timeline"]["weeks"], "weeks on the calendar"),
        *days,
        Figure(decisions["open"], f"decisions open, {decisions['taken']:,} taken"),
    ]
    large = Note("Scoped individually: so many records that the estimate is a starting point, and a person sets the scope.", Tone.WARN)
    words = "Every figure in this document is computed from what was counted; what nobody has confirmed is listed under Assumptions."
    return Part("Summary", text=[words], notes=[large] if grade["individually"] else [], figures=figures)


def _counts(counts: Iterable[Mapping[str, Any]]) -> Part:
    columns = [Column("Object", 70), number("Records", 30), Column("How that is known", 70)]
    rows = ([Stacked(one["title"], one["object"]), one["records"], one["basis"][:1].upper() + one["basis"][1:]] for one in counts)
    return Part("What is there", table=Table(columns, rows, "Nothing is counted yet. Discovery counts every object."))


def _objects(objects: Mapping[str, Any], fields: Mapping[str, int], usage: Mapping[str, int]) -> Part:
    text = [
        f"{objects['moving']} of {objects['of']} objects become rows, {objects['exact']} of them one to one; {objects['documented']} are "
        f"listed with a recommendation how to rebuild them. {objects['confirmed']} of {objects['moving']} are confirmed.",
        f"{fields['confirmed']:,} of {fields['of']:,} lines of field maps are confirmed, {fields['proposed']:,} proposed, "
        f"{fields['left']:,} left behind with a reason. {fields['new_columns']:,} columns are new.",
        f"Hardly used, and so put to the customer: {counted(usage['fields'], 'field')}, of which {usage['fields_left']:,} stay behind, and "
        f"{counted(usage['objects'], 'object')} without records, of which {usage['objects_left']:,} are left out. Open: {usage['open']:,}.",
    ]
    columns = [
        Column("Object", 34),
        Column("Becomes", 70),
        Column("How many for one", 26),
        number("Records", 18),
        Column("State", 24),
    ]
    return Part("What moves where", text=text, table=Table(columns, map(_object, objects["rows"])))


def _object(one: Mapping[str, Any]) -> Sequence[Cell]:
    state = Status("Confirmed", Tone.GOOD) if one["confirmed"] else Status("Proposed", Tone.WARN)
    becomes = Stacked(listed(one["tables"]) if one["tables"] else "an inventory", one["note"])
    return [one["title"], becomes, one["cardinality"], one["records"], state]


def _split(split: Mapping[str, Any]) -> Part:
    people = ", ".join(f"{outcome} {count:,}" for outcome, count in split["people"].items())
    text = f"By the field {split['field']}. {people[:1].upper()}{people[1:]}."
    note = Note("Signed by the customer.", Tone.GOOD) if split["signed"] else Note("A proposal that isn't signed yet.")
    rows = ([_stage(one["stage"]), one["people"], _outcome(one["outcome"])] for one in split["rows"])
    columns = [Column("Stage", 80), number("People", 30), Column("Outcome", 60)]
    return Part("Who becomes a lead, who a contact", text=[text], notes=[note], table=Table(columns, rows, "No stage was found yet."))


def _stage(stage: str) -> str:
    return stage if stage.strip() else "(blank)"


def _outcome(outcome: str) -> Cell:
    return Status("Open", Tone.WARN) if outcome == "open" else outcome.capitalize()


def _events(flattening: Mapping[str, Any]) -> Part:
    text = (
        f"Payload keys become typed columns within a budget of {flattening['budget']}; what can't be flattened stays whole in the payload "
        f"column. From {flattening['volume']:,} events on a table of their own is offered."
    )
    columns = [Column("Object", 34), Column("Payload column", 46, Kind.CODE), Column("Typed columns", 90)]
    rows = (
        [name, one["payload"], listed(f"{source} → {column}" for source, column in one["columns"])]
        for name, one in flattening["objects"].items()
    )
    return Part("Events", text=[text], table=Table(columns, rows))


def _findings(findings: Mapping[str, Any]) -> Part:
    counts = ", ".join(f"{severity.capitalize()}: {count:,}" for severity, count in findings["counts"].items())
    columns = [Column("Check", 46), Column("Severity", 22), Column("Where", 24), Column("Evidence and remedy", 78)]
    rows = (
        [
            Stacked(one["title"], one["subject"]),
            SEVERITIES[one["severity"]],
            one["where"].capitalize(),
            Stacked(one["evidence"], one["remedy"]),
        ]
        for one in findings["rows"]
    )
    return Part("What was found", text=[counts or "Discovery makes the checks."], table=Table(columns, rows, "Nothing to worry about."))


def _decisions(decisions: Mapping[str, Any]) -> Part:
    columns = [Column("About", 52), Column("Where", 24), Column("Decision", 52), Column("By", 42)]
    rows = ([Stacked(one["title"], one["subject"]), one["where"].capitalize(), _answer(one), _decided(one)] for one in decisions["rows"])
    text = f"{decisions['taken']:,} taken, {decisions['open']:,} open."
    return Part("Decisions", text=[text], table=Table(columns, rows, "Nothing asks for a decision."))


def _answer(one: Mapping[str, Any]) -> Cell:
    if not one["answer"]:
        return Status("Open", Tone.WARN)
    times = [f"{word} {moment(one[name])}" for name, word in (("off", "off"), ("back", "back")) if one[name]]
    return Stacked(one["answer"], ". ".join(filter(None, (one["comment"], ", ".join(times)))))


def _decided(one: Mapping[str, Any]) -> Cell:
    return Stacked(one["by"], moment(one["at"])) if one["answer"] else one["who"]


def _forecast(one: Mapping[str, Any]) -> Part:
    notes = [Note(f"Storage is short: {listed(one['short'])}.", Tone.BAD)] if one["short"] else []
    storage: list[tuple[str, Cell]] = [(f"{kind.capitalize()} storage", _storage(held)) for kind, held in one["storage"].items()]
    columns = [Column("Table", 58), number("Rows", 26), number("Bytes a row", 26), number("Requests", 26), Column("Known by", 34)]
    rows = (
        [Stacked(line["table"], f"from {line['object_name']}"), line["rows"], line["bytes_per_row"], line["requests"], _basis(line)]
        for line in one["lines"]
    )
    figures = [
        Figure(one["rows"], "rows"),
        Figure(one["requests"], f"requests, of {one['pool']:,} a day"),
        Figure(one["days"], f"days by the requests; {one['duration']} of writing"),
    ]
    return Part(f"What the load takes: {one['environment']}", notes=notes, figures=figures, facts=storage, table=Table(columns, rows))


def _basis(line: Mapping[str, Any]) -> str:
    return "Sandbox run" if line["measured"] else "Assumed size"


def _storage(held: Mapping[str, Any]) -> str:
    free = "" if held["free"] is None else f" of {held['free']:,.2f} GB free"
    events = f", {held['events_text']} of it events" if held["events_text"] else ""
    return f"{held['text']}{free}{events}"


def _estimate(told: Mapping[str, Any]) -> Iterator[Part]:
    grade, timeline = told["grade"], told["timeline"]
    titles = {one["name"]: one for one in grade["inputs"]}
    yield Part("How the estimate is made", text=[f"Grade {grade['name']}: {grade['title']}, {counted(grade['total'], 'point')}."])
    columns = [Column("Measured", 50), number("Value", 24), Column("Rule", 74), number("Points", 18)]
    rows = (
        [
            Stacked(titles[one["input"]]["title"], titles[one["input"]]["source"]),
            one["value"],
            Stacked(one["step"], one["why"]),
            one["points"],
        ]
        for one in grade["rules"]
    )
    yield Part("Points", level=2, table=Table(columns, rows))
    columns = [Column("Stage", 50), number("Days", 18), Column("On the calendar", 36), Column("Rule", 66)]
    rows = ([one["stage"], one["days"], f"day {one['first']} to {one['last']}", one["rule"]] for one in timeline["stages"])
    text = f"{counted(timeline['days'], 'working day')}, {counted(timeline['weeks'], 'week')}, one stage after the other."
    yield Part("Calendar", level=2, text=[text], table=Table(columns, rows))
    columns = [Column("Work", 60), Column("Whose", 24), number("Days", 18), Column("Rule", 68)]
    rows = ([one["work"], one["role"].capitalize(), one["days"], one["rule"] or "nothing of it is there"] for one in told["effort"]["rows"])
    text = listed(f"{shown(days)} days of the {role}" for role, days in told["effort"]["days"].items())
    yield Part("Work", level=2, text=[f"{text[:1].upper()}{text[1:]}."], table=Table(columns, rows))
