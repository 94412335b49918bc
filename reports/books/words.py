"""Words that several books share."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from reports.book import Column, Kind, Note, Status, Table, Tone, number

VERDICTS = {
    "equal": ("Equal", Tone.GOOD),
    "transformed": ("As planned", Tone.GOOD),
    "lossy": ("As planned, less", Tone.WARN),
    "wrong": ("Wrong", Tone.BAD),
    "edited": ("Changed by others", Tone.WARN),
}


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 row, 2,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def amount(text: str) -> str:
    """An amount of money with thousands: 1,234.5."""
    return f"{Decimal(text):,f}"


def summed(whole: int, name: str, parts: Mapping[str, int]) -> str:
    """A balance written out: 9 extracted = 6 loaded + 1 merged + …."""
    return f"{whole:,} {name} = " + " + ".join(f"{number:,} {part}" for part, number in parts.items())


def sums(first: str, whole: str, parts: Iterable[str]) -> list[Column]:
    """Columns of a balance: what is counted, the whole, its parts, and whether they add up."""
    numbers = [Column(name.capitalize(), 9 + 1.2 * len(name), Kind.NUMBER) for name in (whole, *parts)]
    return [Column(first, 34), *numbers, Column("Balance", 23)]


def listed(words: Iterable[Any]) -> str:
    """Things one after the other, or a dash."""
    return ", ".join(str(word) for word in words) or "–"


def percent(share: float | None) -> str:
    """A share in percent, a dash where there is nothing to divide by."""
    return "–" if share is None else f"{100 * share:.1f} %"


def balance(holds: bool) -> Status:
    """Whether a sum holds."""
    return Status("Balances", Tone.GOOD) if holds else Status("Doesn't", Tone.BAD)


def verdict(value: str) -> Status:
    """What came of comparing a value that was read back."""
    return Status(*VERDICTS.get(value, (value, Tone.PLAIN)))


def accepted(losses: Mapping[str, Any]) -> Note:
    """What the customer said about the losses of a run. losses: {"values", "decision"}, see `loads.losses.deciding`."""
    count, decision = counted(losses["values"], "value"), losses["decision"]
    if not losses["values"]:
        return Note("No value arrived with less than the source held.", Tone.GOOD)
    if decision is None:
        return Note(f"{count} arrived with less than the source held. The customer hasn't decided about them.", Tone.WARN)
    comment = f" “{decision['comment']}”" if decision["comment"] else ""
    when, digest = decision["decided_at"][:10], decision["content_sha256"][:12]
    said = (
        f"{count} arrived with less: {decision['choice']} by {decision['decided_by']} on {when}, shown with the SHA-256 {digest}….{comment}"
    )
    return Note(said, Tone.GOOD if decision["choice"] == "accepted" else Tone.BAD)


def by_effort(first: str, efforts: Sequence[str], counts: Counter[tuple[str, str]], whole: str) -> Table:
    """How many things of which effort are recommended for what. counts: by (recommendation, effort). efforts: the smallest first."""
    columns = [Column(first, 80), *(number(effort, 14) for effort in efforts), number(whole, 24)]
    sums = Counter({title: sum(count for (other, _), count in counts.items() if other == title) for title, _ in counts})
    rows = ([title, *(counts[title, effort] for effort in efforts), count] for title, count in sums.most_common())
    return Table(columns, rows, "Nothing to rebuild.")
