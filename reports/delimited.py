"""CSV files as RFC 4180 has them, with a byte order mark so that spreadsheets read UTF-8; no text in them is ever a formula.

What a spreadsheet would calculate gets an apostrophe in front, as OWASP advises; numbers of ours stay numbers, and those of telephones as
they are.
Source: rfc-editor.org/rfc/rfc4180; owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from connectors.storable import storable
from reports.xlsx import Cell

# What makes a formula of a text, in ASCII and in the wide forms that spreadsheets take for the same.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CONTROL = ("\t", "\r", "\n")
# A telephone number calls no function and no cell, and where the list is imported an apostrophe would make it another address.
_NUMBER_OF_PHONE = re.compile(r"\+[1-9](?:[ ./()-]{0,2}[0-9]){6,19}", re.ASCII)


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a file row by row; memory holds one row."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow([text(name) for name in header])
        writer.writerows([text(value) for value in row] for row in rows)


def text(value: Cell) -> str:
    """A cell as text: nothing is empty, yes and no are words, moments ISO 8601 in UTC; a text that could be a formula begins with '."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds") if value.tzinfo else value.isoformat()
    if not isinstance(value, str):
        return str(value)
    found = storable(value)
    if _NUMBER_OF_PHONE.fullmatch(found):
        return found
    return f"'{found}" if found.startswith(_CONTROL) or found.lstrip().startswith(_FORMULA) else found
