"""What was wrong with a value or a record, as data that reports can count and people can decide on.

A function of this package never raises on what a source said: it answers with a value, with issues, or with both.
"""

from dataclasses import dataclass
from typing import Literal

from connectors.storable import storable

Severity = Literal["reject", "hold", "loss", "note"]

DETAIL_LIMIT = 200

# Codes that the mapping gives; `loads.reasons` adds those of staging and the load.
EXPLANATIONS: dict[str, str] = {
    "boolean.unparseable": "The value reads neither as yes nor as no.",
    "choice.too_many": "More options are selected than one column takes (150).",
    "choice.unmapped": "The value has no option in the confirmed value map.",
    "consent.unknown_id": "The profile names a channel or message type that the signed consent rules don't know.",
    "consent.unreadable": "A subscription array can't be read; the person counts as opted out of everything.",
    "date.before_1753": "The destination takes no date before 1753-01-01.",
    "date.dst_fold": "The local time happened twice (clocks went back); the first of the two was taken.",
    "date.dst_gap": "The local time never happened (clocks went forward); it was moved forward by the gap.",
    "date.epoch_zero": "The date is 1970-01-01T00:00:00Z, which usually stands for 'no date'.",
    "date.number_without_unit": "A number is no date until the map says whether it counts seconds or milliseconds.",
    "date.unparseable": "The value can't be read as a date without guessing.",
    "date.wall_twice": "The clocks went back in that hour, and the column keeps no zone: which of the two hours it was is lost.",
    "email.invalid": "The value is not an e-mail address.",
    "email.missing": "The record has no e-mail address.",
    "email.too_long": "The e-mail address is longer than the destination's column (100).",
    "file.unreadable": "The value doesn't name a file that came with the record.",
    "name.clash": "The column name clashes with one that exists, that another source field becomes, or that a column type adds.",
    "name.cut": "The column name was longer than 50 characters with its prefix.",
    "name.missing": "There is neither a name nor an e-mail address to derive one from.",
    "name.transliterated": "The column name was written in letters that a column name can't have.",
    "number.not_finite": "The value is not a finite number.",
    "number.not_whole": "The value has a fraction and the column takes whole numbers.",
    "number.out_of_range": "The number is outside what the column takes.",
    "number.rounded": "The number has more digits than the column keeps.",
    "number.unparseable": "The value can't be read as a number without guessing.",
    "original_values.shortened": "The whole texts of this record are together longer than the column that keeps them.",
    "payload.array_of_objects": "A list of objects can't be columns; the payload column keeps it.",
    "payload.too_deep": "The value is nested deeper than three levels; the payload column keeps it.",
    "record.not_an_object": "The source sent something that is not a record.",
    "text.control_characters": "Control characters were removed.",
    "text.from_structure": "The field should hold text and holds a list or an object; its JSON was kept.",
    "text.line_breaks": "Line breaks or tabs became spaces in a single-line column.",
    "text.lone_surrogates": "Broken characters (half of a pair) were replaced.",
    "text.shortened": "The text is longer than the column takes.",
    "url.too_long": "The address is longer than the column takes; a shortened one would lead elsewhere.",
    "url.unparseable": "The value is not a web address.",
}


@dataclass(frozen=True, slots=True)
class Issue:
    """One reason why a value or a record can't arrive as it is.

    code: a key of EXPLANATIONS or of `loads.reasons.OF_THE_LOAD`. field: the source's field name. detail: what a person needs to
    judge it, at most 200 characters; it may be personal data, so it belongs in the ledger and the reports, never in a log.
    severity: reject = no valid row can be made; hold = an answer is missing; loss = the row loads with less; note = worth knowing.
    """

    code: str
    field: str = ""
    detail: str = ""
    severity: Severity = "reject"

    def as_dict(self) -> dict[str, str]:
        """The issue as the ledger and the staged rows keep it."""
        return {"code": self.code, "field": storable(self.field), "detail": storable(self.detail), "severity": self.severity}


def brief(value: object) -> str:
    """A value as an issue's detail: at most 200 characters; never raises, whatever the source sent."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4 * DETAIL_LIMIT:
        return "a number of more than 200 digits"
    if isinstance(value, (list, dict)):
        return f"a list of {len(value)}" if isinstance(value, list) else f"an object of {len(value)} keys"
    if value is None or isinstance(value, bool):
        return {None: "no value", True: "true", False: "false"}[value]
    text = value if isinstance(value, str) else str(value)
    return storable(text[:DETAIL_LIMIT])
