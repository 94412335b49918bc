"""Which rule of the destination a reason speaks of, whether the customer is asked about it, and which answers fit."""

from collections.abc import Mapping
from dataclasses import dataclass

LENGTH, OPTION, REQUIRED, TYPE, LOOKUP, DUPLICATE, OTHER = "length", "option", "required", "type", "lookup", "duplicate", "other"
RULES: Mapping[str, str] = {
    LENGTH: "Length",
    OPTION: "Option",
    REQUIRED: "Required",
    TYPE: "Type",
    LOOKUP: "Lookup",
    DUPLICATE: "Duplicate",
    OTHER: "Other",
}
TEXT, CLEAN, DEFAULT, SKIP = "text", "clean", "default", "skip"


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer that the customer may give."""

    name: str
    label: str
    means: str


CHOICES: Mapping[str, Choice] = {
    choice.name: choice
    for choice in (
        Choice(TEXT, "Load and keep as text", "The record loads with what fits its column; what the source holds is kept whole as text."),
        Choice(CLEAN, "Clean at the source", "The records wait until the source is mended and extracted again."),
        Choice(DEFAULT, "Default value", "The record loads with the value given here in place of the one that doesn't fit."),
        Choice(SKIP, "Leave out", "The records aren't loaded, and what belongs to them isn't either."),
    )
}

_EXACT: Mapping[str, str] = {
    "choice.too_many": OPTION,
    "choice.unmapped": OPTION,
    "cluster.last_names_differ": DUPLICATE,
    "company.name_blank": REQUIRED,
    "currency.unknown": LOOKUP,
    "email.missing": REQUIRED,
    "email.too_long": LENGTH,
    "line.price_missing": REQUIRED,
    "match.several": DUPLICATE,
    "match.shared": DUPLICATE,
    "name.missing": REQUIRED,
    "original_values.shortened": LENGTH,
    "owner.not_answered": LOOKUP,
    "parent.unnamed": REQUIRED,
    "purchase.lead_without_account": LOOKUP,
    "purchase.no_date": REQUIRED,
    "text.shortened": LENGTH,
    "url.too_long": LENGTH,
}
_BEGINNINGS: Mapping[str, str] = {
    "boolean": TYPE, "date": TYPE, "email": TYPE, "line": TYPE, "number": TYPE, "parent": LOOKUP, "purchase": TYPE, "record": TYPE,
    "text": TYPE, "url": TYPE,
}  # fmt: skip

# What another signed rule settles, or what follows a record that is asked about itself.
_SETTLED = frozenset(
    {"email.role_address", "match.removed", "parent.held", "parent.not_loaded", "parent.rejected", "parent.skipped", "purchase.of_lead"}
)
_SETTLED_BEGINNINGS = ("conflict.", "list.", "person.", "quality.", "split.")


def rule_of(code: str) -> str:
    """The destination's rule that a reason's code speaks of, a key of RULES."""
    return _EXACT.get(code) or _BEGINNINGS.get(code.partition(".")[0], OTHER)


def asks(code: str, severity: str) -> bool:
    """Whether the customer decides about records with this reason."""
    return severity in ("loss", "hold", "reject") and code not in _SETTLED and not code.startswith(_SETTLED_BEGINNINGS)


def choices(severity: str, *, mapped: bool) -> list[Choice]:
    """The answers that fit, the proposed one first. mapped: the reason is of a field that a confirmed map brings to a column."""
    names = [TEXT, CLEAN, *([DEFAULT] if mapped else []), SKIP] if severity == "loss" else [CLEAN, SKIP]
    return [CHOICES[name] for name in names]


def changes_load(severity: str, choice: str) -> bool:
    """Whether an answer makes staging do anything but what it does by itself."""
    return choice == SKIP or (severity == "loss" and choice in (CLEAN, DEFAULT))
