"""The answers that the customer may give about records that can't arrive as they are."""

from collections.abc import Mapping
from dataclasses import dataclass

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
        Choice(
            TEXT,
            "Load and keep as text",
            "The record loads with what fits; what doesn't is kept whole in the column of original values.",
        ),
        Choice(CLEAN, "Clean at the source", "The records wait until the source is mended and extracted again."),
        Choice(DEFAULT, "Default value", "The record loads with the value given here in place of the one that doesn't fit."),
        Choice(SKIP, "Leave out", "The records aren't loaded; what can't be without them isn't either."),
    )
}


def choices(severity: str, *, mapped: bool) -> list[Choice]:
    """The answers that fit, the proposed one first. mapped: the reason is of a field that a confirmed map brings to a column."""
    names = [TEXT, CLEAN, *([DEFAULT] if mapped else []), SKIP] if severity == "loss" else [CLEAN, SKIP]
    return [CHOICES[name] for name in names]


def changes_load(severity: str, choice: str) -> bool:
    """Whether an answer makes staging do anything but what it does by itself."""
    return choice == SKIP or (severity == "loss" and choice in (CLEAN, DEFAULT))
