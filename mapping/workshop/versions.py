"""What differs between two versions of the `maps` part, in words: fields, value maps, columns, objects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Content = Mapping[str, Any]
WORDS = {"confirmed": "moves", "left": "is left behind"}
MOST_VALUES = 12


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: added, removed or changed; what it is about, and what is different, each a sentence."""

    kind: str
    subject: str
    words: tuple[str, ...]


def differences(before: Content, after: Content) -> list[Difference]:
    """Everything that differs, fields first; an empty list where both say the same."""
    return [*_fields(before, after), *_columns(before, after), *_objects(before, after), *_others(before, after)]


def _fields(before: Content, after: Content) -> Iterator[Difference]:
    old, new = ({(row["object"], row["source"], row["table"]): row for row in content.get("fields", ())} for content in (before, after))
    for key in sorted({*old, *new}):
        subject = f"{key[0]}.{key[1]} to {key[2]}"
        if key not in old:
            yield Difference("added", subject, (_told(new[key]),))
        elif key not in new:
            yield Difference("removed", subject, (f"No longer decided; it was: {_told(old[key])}",))
        elif words := tuple(_field_words(old[key], new[key])):
            yield Difference("changed", subject, words)


def _told(row: Content) -> str:
    if row["state"] == "left":
        return f"Left behind: {row['reason']}"
    new = f", a new {row['new_column']['kind']} column" if row.get("new_column") else ""
    return f"Goes to {row['column']} as {row['transform']}{new}."


def _field_words(old: Content, new: Content) -> Iterator[str]:
    if old["state"] != new["state"]:
        yield f"It {WORDS.get(new['state'], new['state'])} now; before, it {_was(old['state'])}."
    if old["column"] != new["column"]:
        yield f"It goes to {new['column'] or 'no column'} instead of {old['column'] or 'no column'}."
    if old["transform"] != new["transform"]:
        yield f"It is read as {new['transform']} instead of {old['transform']}."
    yield from _option_words(old.get("options") or {}, new.get("options") or {})
    if old.get("new_column") != new.get("new_column"):
        yield from _shape_words(old.get("new_column"), new.get("new_column"))
    if old.get("alias") != new.get("alias"):
        yield f"The offer's name for it is {new.get('alias') or 'none'} instead of {old.get('alias') or 'none'}."
    if old["reason"] != new["reason"]:
        yield f"Its reason says now: {new['reason'] or '(nothing)'}"


def _was(state: str) -> str:
    return {"confirmed": "moved", "left": "was left behind"}.get(state, f"was {state}")


def _option_words(old: Content, new: Content) -> Iterator[str]:
    """Value maps line by line, other options as they are."""
    was, now = old.get("values") or {}, new.get("values") or {}
    changed = [word for word in sorted({*was, *now}) if was.get(word) != now.get(word)]
    for word in changed[:MOST_VALUES]:
        yield f"The value '{word}' becomes option {now.get(word, 'none')} instead of {was.get(word, 'none')}."
    if len(changed) > MOST_VALUES:
        yield f"{len(changed) - MOST_VALUES} more values become other options."
    for name in sorted(({*old, *new}) - {"values"}):
        if old.get(name) != new.get(name):
            yield f"Its option {name} is {new.get(name, 'not set')} instead of {old.get(name, 'not set')}."


def _shape_words(old: Content | None, new: Content | None) -> Iterator[str]:
    if not old or not new:
        yield f"Its column is made new, a {new['kind']}." if new else "Its column isn't made any more; it must be there."
        return
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"The new column's {name.replace('_', ' ')} is {new.get(name, 'not set')} instead of {old.get(name, 'not set')}."


def _columns(before: Content, after: Content) -> Iterator[Difference]:
    """Columns to be made, those of field maps included: what a table gets or no longer gets."""
    old, new = before.get("columns", {}), after.get("columns", {})
    for table in sorted({*old, *new}):
        was, now = ({column["name"]: column for column in content.get(table, ())} for content in (old, new))
        for name in sorted({*was, *now}):
            subject = f"column {table}.{name}"
            if name not in was:
                yield Difference("added", subject, (f"Will be made as a {now[name]['kind']}.",))
            elif name not in now:
                yield Difference("removed", subject, ("Won't be made.",))
            elif was[name] != now[name]:
                yield Difference("changed", subject, tuple(_shape_words(was[name], now[name])))


def _objects(before: Content, after: Content) -> Iterator[Difference]:
    old, new = before.get("objects", {}), after.get("objects", {})
    for name in sorted({*old, *new}):
        if name not in old:
            yield Difference("added", f"object {name}", (f"It becomes {_tables(new[name])}.",))
        elif name not in new:
            yield Difference("removed", f"object {name}", ("Its map isn't confirmed any more.",))
        elif old[name] != new[name]:
            changed = sorted(key for key in {*old[name], *new[name]} if old[name].get(key) != new[name].get(key))
            tables = f" It becomes {_tables(new[name])} instead of {_tables(old[name])}." if "tables" in changed else ""
            yield Difference("changed", f"object {name}", (f"Changed: {', '.join(changed)}.{tables}",))


def _tables(content: Content) -> str:
    return ", ".join(content.get("tables") or ()) or "nothing"


def _others(before: Content, after: Content) -> Iterator[Difference]:
    for name in sorted(({*before, *after}) - {"fields", "columns", "objects"}):
        if before.get(name) != after.get(name):
            yield Difference("changed", name.replace("_", " "), (f"{after.get(name)} instead of {before.get(name)}.",))
