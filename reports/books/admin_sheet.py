"""The sheet for the Dynamics admin on paper: what to do in order with room to tick it off, then everything in full."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.book import Book, Code, Column, Figure, Part, Stacked, Table, number
from reports.books.words import counted, listed
from reports.printable import moment

TO_FILL_IN = " "


def book(told: Mapping[str, Any], tasks: Sequence[tuple[str, str]]) -> Book:
    """The sheet of an engagement. told: see `reports.admin_sheet.content`. tasks: (where, what to do) in order."""
    summary = "What to set up by hand so that migrated data is seen in the app: form tabs, views, navigation, roles, timeline and switches."
    return Book("Sheet for the Dynamics admin", summary, _parts(told, tasks), [("Version of the maps", told["maps"]["version"])])


def _parts(told: Mapping[str, Any], tasks: Sequence[tuple[str, str]]) -> Iterator[Part]:
    columns = [number("No.", 11), Column("Where", 40), Column("What to do", 81), Column("Done by, on", 38)]
    rows = ([number, where, what, TO_FILL_IN] for number, (where, what) in enumerate(tasks, 1))
    yield Part("To do", figures=[Figure(len(tasks), "things to do")], table=Table(columns, rows))
    yield Part("Form tabs", text=["The columns of each tab. Below a column its name in the offer, where that is another one."])
    yield from (_form(form) for form in told["forms"])
    yield Part("Views", text=["One public view per table. FetchXML can be pasted into a view editor."])
    yield from (_view(view) for view in told["views"])
    rows = ([one["table"] or "all owned tables", listed(one["privileges"]), one["do"]] for one in told["roles"])
    yield Part("Roles", table=Table([Column("Table", 42), Column("Privileges", 48), Column("What to do", 80)], rows))
    yield Part("Timeline", text=told["sorting"])
    switches = (
        [Stacked(one["what"], one["environment"]), moment(one["off_at"]), moment(one["back_at"]), one["do"]] for one in told["switches"]
    )
    columns = [Column("What was off for the load", 56), Column("Off since", 37), Column("Back since", 37), Column("What to do", 40)]
    yield Part("Switches", table=Table(columns, switches, "Nothing was switched off for the load."))


def _form(form: Mapping[str, Any]) -> Part:
    text = f"{form['form']}, tab '{form['tab']}', {counted(len(form['columns']), 'column')}."
    rows = (
        [Stacked(one["name"], one["alias"] if one["alias"] != one["name"] else ""), one["label"], one["kind"]] for one in form["columns"]
    )
    columns = [Column("Column", 76), Column("Label", 62), Column("Kind", 32)]
    return Part(form["table"], level=2, text=[text], table=Table(columns, rows, "No column."))


def _view(view: Mapping[str, Any]) -> Part:
    facts = [
        ("View", view["view"]),
        ("Columns", listed(view["columns"])),
        ("Filter", view["filter"]),
        ("Sorted by", view["sort"]),
        ("FetchXML", Code(view["fetchxml"])),
    ]
    return Part(view["table"], level=2, facts=facts)
