"""Single people and the members of static lists, found through one pass over the user export."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from connectors.simulators.iterable.rows import Rows, parse


class People:
    """Row numbers by e-mail (case-folded), by user id and by static list; of equal keys the later row stands (*assumed*)."""

    def __init__(self, rows: Rows | None) -> None:
        """rows: the user export, None where there is none."""
        self._rows = rows
        self.by_email: dict[str, int] = {}
        self.by_user_id: dict[str, int] = {}
        self.members: dict[int, array[int]] = {}
        for number, line in enumerate(rows.lines(range(len(rows))) if rows else ()):
            if isinstance(row := parse(line), dict):
                self._add(number, row)

    def _add(self, number: int, row: dict[str, Any]) -> None:
        if isinstance(email := row.get("email"), str):
            self.by_email[email.strip().lower()] = number
        if isinstance(user_id := row.get("userId"), str):
            self.by_user_id[user_id] = number
        lists = row.get("emailListIds")
        for list_id in lists if isinstance(lists, list) else ():
            if isinstance(list_id, int):
                self.members.setdefault(list_id, array("q")).append(number)

    def profile(self, *, email: str | None = None, user_id: str | None = None) -> dict[str, Any]:
        """{"user": {...}} as the single lookups answer; {} for nobody."""
        number = self.by_user_id.get(user_id) if user_id is not None else self.by_email.get((email or "").strip().lower())
        if number is None or self._rows is None:
            return {}
        row = parse(next(self._rows.lines([number])))
        top = {key: row.pop(key) for key in ("email", "userId") if key in row}
        return {"user": top | {"dataFields": row}}

    def keys_of(self, list_id: int, prefer_user_id: bool) -> Iterator[str]:
        """One key a member: the e-mail, or the user id where there is no e-mail or it is preferred."""
        for line in self._rows.lines(self.members.get(list_id, ())) if self._rows else ():
            row = parse(line)
            keys = [row.get("userId"), row.get("email")] if prefer_user_id else [row.get("email"), row.get("userId")]
            yield next((str(key) for key in keys if key), "")
