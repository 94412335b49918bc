"""Gives each field at most one column and each column at most one field, the surest pairs first; who goes short is told why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mapping.likeness.ranking import ACCEPTED, Candidate


@dataclass(frozen=True, slots=True)
class Given:
    """What a field got: a candidate, or none; and the sentence about a better column that another field got."""

    candidate: Candidate | None
    conflict: str = ""


def assign(
    ranked: Mapping[str, Sequence[Candidate]],
    *,
    may_take: Callable[[str, Candidate], bool],
    weight: Mapping[str, float] | None = None,
    used: Mapping[str, str] | None = None,
    at_least: float = ACCEPTED,
) -> dict[str, Given]:
    """Field -> what it got, in the fields' order.

    The surest pair of all takes its column, then the surest of what is left, and so on: a field never loses the column of its name so that
    two others are served better. Among equally sure ones the field with the greater weight (how full it is) comes first. may_take: whether
    a column can be filled from a field at all. used: column -> the field that has it already. Candidates below `at_least` are never given:
    a wrong column is worse than a new one.
    """
    weights = weight or {}
    pairs = [
        (-candidate.score, -weights.get(field, 0.0), place, field, candidate)
        for place, (field, candidates) in enumerate(ranked.items())
        for candidate in candidates
        if candidate.score >= at_least and may_take(field, candidate)
    ]
    got: dict[str, Candidate] = {}
    taken = dict(used or {})
    refused: dict[str, str] = {}
    for *_, field, candidate in sorted(pairs, key=lambda pair: pair[:4]):
        if field in got:
            continue
        if candidate.column in taken:
            refused.setdefault(
                field, f"{candidate.column} would fit ({candidate.score:.0%}), but {taken[candidate.column]} fits it better."
            )
        else:
            got[field], taken[candidate.column] = candidate, field
    return {field: Given(got.get(field), refused.get(field, "")) for field in ranked}
