"""Proposes where each source field goes, so that none is without a decision; a person confirms every line.

Names that the playbook knows take its columns; the others are ranked against the destination's real columns by likeness, and get a new
column where nothing fits well enough.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connectors.dataverse.columns import ColumnSpec
from mapping.fieldmaps import FieldRule
from mapping.fieldprofiles import FieldProfile, why_unused
from mapping.issues import EXPLANATIONS, Issue
from mapping.likeness import ACCEPTED, Candidate, Likeness
from mapping.likeness.assigning import Given, assign
from mapping.naming import column_name
from mapping.playbooks import KnownField, Playbook, field_key
from mapping.schema import spec_as_dict, standing_columns, tracking_columns
from mapping.shapes import STRUCTURES, shape_of, sort_of
from mapping.suiting import filled_by_rules, suit, values_fit
from mapping.transforms import ColumnLike

KNOWN_SCORE = 0.98  # of a name that the playbook lists
SHOWN_FROM = 0.05  # score from which a column is worth a look


@dataclass(frozen=True, slots=True)
class Alternative:
    """A column that a line could take instead, ready to be taken: with its transform and, where it is made new, its shape.

    score: 0 to 1, the chance that it is right. transform: empty where no transform can fill the column, as for a lookup.
    """

    column: str
    score: float
    reasons: tuple[str, ...] = ()
    transform: str = ""
    options: Mapping[str, Any] | None = None
    spec: ColumnSpec | None = None

    def as_dict(self) -> dict[str, Any]:
        """As it is kept with the line."""
        return {
            "column": self.column,
            "score": round(self.score, 3),
            "reasons": list(self.reasons),
            "transform": self.transform,
            "options": dict(self.options or {}),
            "new_column": spec_as_dict(self.spec) if self.spec else None,
        }


@dataclass(frozen=True, slots=True)
class Proposal:
    """One line for a person to confirm: the rule, the column to make where there is none yet, what to look at, and the alternatives."""

    object: str
    table: str
    rule: FieldRule
    spec: ColumnSpec | None = None
    alias: str = ""
    issues: tuple[Issue, ...] = ()
    score: float | None = None
    alternatives: tuple[Alternative, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """The line as the working plan keeps it."""
        return {
            "object": self.object,
            "source": self.rule.source,
            "table": self.table,
            "column": self.rule.column,
            "transform": self.rule.transform,
            "options": dict(self.rule.options),
            "new_column": spec_as_dict(self.spec) if self.spec else None,
            "alias": self.alias,
            "state": self.rule.state,
            "reason": self.rule.reason,
            "score": None if self.score is None else round(self.score, 3),
            "candidates": [one.as_dict() for one in self.alternatives],
        }


def propose_map(
    profiles: Sequence[FieldProfile],
    playbook: Playbook,
    *,
    object_name: str,
    table: str,
    columns: Mapping[str, ColumnLike],
    prefix: str,
    settings: Mapping[str, str] | None = None,
    used: Mapping[str, str] | None = None,
    reserved: Collection[str] = (),
    at_least: float = ACCEPTED,
) -> list[Proposal]:
    """A line for every profiled field of an object in one table, in the profiles' order.

    playbook: with the prefix put in. columns: the destination table's columns by name. settings: the engagement's names, the playbook's
    where they are missing. used: column -> the field that an earlier line gave it to. reserved: columns that rules of the plan fill in this
    object. at_least: the score from which likeness gives a column; above 1 it only lists them.

    A known field takes its standard column, the first listed source name before the others; an object whose own fields are profiled, and a
    field that no record fills, is left with a reason; of all else the ones that are like a free column well enough take it, and the others
    become new columns of their type.
    """
    rules = _Rules(used or {}, frozenset(reserved), at_least)
    return list(_Map(profiles, playbook, object_name, table, columns, prefix, settings or {}, rules).lines())


@dataclass(frozen=True, slots=True)
class _Rules:
    """What likeness may give away: see propose_map."""

    used: Mapping[str, str]
    reserved: frozenset[str]
    at_least: float


class _Map:
    """The proposal of one object in one table, while it is being made."""

    def __init__(
        self,
        profiles: Sequence[FieldProfile],
        playbook: Playbook,
        object_name: str,
        table: str,
        columns: Mapping[str, ColumnLike],
        prefix: str,
        settings: Mapping[str, str],
        rules: _Rules,
    ) -> None:
        self.rules = rules
        self.profiles = {one.name: one for one in profiles}
        self.playbook, self.object_name, self.table, self.columns, self.prefix = playbook, object_name, table, columns, prefix
        filled = {field_key(one.name): one.name for one in reversed(profiles) if one.filled and not set(one.types) <= STRUCTURES}
        self.chosen = _chosen(filled, _fields_of(playbook, object_name, table, columns, prefix), {**playbook.settings, **settings})
        planned = {spec.name for spec in (*tracking_columns(prefix), *standing_columns(playbook, table, prefix))}
        self.taken = set(columns) | planned
        # Columns of our prefix that are there from an earlier engagement: a field of the same shape takes its column again.
        self.ours = {name for name in columns if name.startswith(f"{prefix}_")} - planned
        parents = {one.name.rpartition(".")[0] for one in profiles}
        self.left = {
            one.name: reason
            for one in profiles
            if one.name not in self.chosen and (reason := playbook.why_left(object_name, one.name) or why_unused(one, parents))
        }
        standard = {name: column for name, column in columns.items() if not name.startswith(f"{prefix}_")}
        self.likeness = Likeness(table, standard)

    def lines(self) -> Iterator[Proposal]:
        """A line per profile."""
        ranked = {one.name: self.likeness.rank(one.name, one) for one in self.profiles.values()}
        given = self._given(ranked)
        for name, one in self.profiles.items():
            alternatives = [self._alternative(candidate, one) for candidate in ranked[name] if candidate.score >= SHOWN_FROM]
            if name in self.chosen:
                line = _known(one, self.chosen[name], self.table, self.prefix, self.playbook)
                yield _with_alternatives(line, [_of_rule(line, KNOWN_SCORE), *alternatives])
            elif name in self.left:
                rule = FieldRule(name, "", state="left", reason=self.left[name])
                yield _with_alternatives(Proposal(self.object_name, self.table, rule), alternatives)
            else:
                yield self._open_line(one, given[name], alternatives)

    def _given(self, ranked: Mapping[str, Sequence[Candidate]]) -> dict[str, Given]:
        """What the fields that nothing else decides get of the free columns."""
        used = {**self.rules.used, **{known.columns[self.table]: name for name, known in self.chosen.items()}}
        free = {name: found for name, found in ranked.items() if name not in self.chosen and name not in self.left}

        def may_take(name: str, candidate: Candidate) -> bool:
            return self._fillable(self.profiles[name], candidate.column)

        weight = {name: self.profiles[name].fill for name in free}
        return assign(free, may_take=may_take, weight=weight, used=used, at_least=self.rules.at_least)

    def _fillable(self, one: FieldProfile, column: str) -> bool:
        found = suit(self.columns[column], one)
        if found is None or self._by_rules(column) or set(one.types) <= STRUCTURES:
            return False
        return getattr(self.columns[column], "valid_for_create", True) and values_fit(found, one)

    def _by_rules(self, column: str) -> bool:
        return column in self.rules.reserved or filled_by_rules(self.table, column)

    def _alternative(self, candidate: Candidate, one: FieldProfile) -> Alternative:
        """A candidate with how it would be filled, or why it can't be."""
        found = suit(self.columns[candidate.column], one)
        reasons = candidate.reasons
        if self._by_rules(candidate.column):
            found, reasons = None, (*reasons, "Rules of the plan fill this column, no field map.")
        elif found is None:
            reasons = (*reasons, f"No transform fills a {self.columns[candidate.column].kind}.")
        return Alternative(candidate.column, candidate.score, reasons, found.transform if found else "", found.options if found else None)

    def _open_line(self, one: FieldProfile, given: Given, alternatives: Sequence[Alternative]) -> Proposal:
        """A line of a field that the playbook doesn't know: the column that it is like, else a new one."""
        new = self._new_column(one)
        self.taken.add(new.rule.column)
        self.ours.discard(new.rule.column)
        best = max((other.score for other in alternatives if other.transform), default=0.0)
        offered = replace(_of_rule(new, 1 - best), reasons=(new.rule.reason,))
        if given.candidate is None:
            reason = " ".join(filter(None, (new.rule.reason, given.conflict)))
            line = replace(new, rule=replace(new.rule, reason=reason), score=1 - best)
            return _with_alternatives(line, [offered, *alternatives])
        taken = next(other for other in alternatives if other.column == given.candidate.column)
        reason = " ".join(filter(None, ("By likeness.", *taken.reasons, given.conflict)))
        rule = FieldRule(one.name, taken.column, taken.transform, taken.options or {}, f"{self.prefix}_original_values", reason=reason)
        return _with_alternatives(Proposal(self.object_name, self.table, rule, score=taken.score), [*alternatives, offered])

    def _new_column(self, one: FieldProfile) -> Proposal:
        names = {"object_name": self.object_name, "table": self.table}
        proposal = propose_field(one, self.prefix, self.taken - self.ours, **names)
        if _clashes(proposal.spec, self.columns):
            proposal = propose_field(one, self.prefix, self.taken, **names)
        return proposal


def _of_rule(line: Proposal, score: float) -> Alternative:
    rule = line.rule
    return Alternative(rule.column, score, (rule.reason,), rule.transform, rule.options, line.spec)


def _with_alternatives(line: Proposal, alternatives: Sequence[Alternative]) -> Proposal:
    """A line with its alternatives, its own column among them, each column once and the best first."""
    once: dict[str, Alternative] = {}
    for one in alternatives:
        once.setdefault(one.column, one)
    own = once.get(line.rule.column)
    score = line.score if line.score is not None else (own.score if own else None)
    return replace(line, score=score, alternatives=tuple(sorted(once.values(), key=lambda one: -one.score)))


def _clashes(spec: ColumnSpec | None, columns: Mapping[str, ColumnLike]) -> bool:
    """Whether a column of that name is there in a shape that can't hold what the field needs."""
    there = columns.get(spec.name) if spec else None
    if spec is None or there is None:
        return False
    return there.kind != spec.kind or (there.max_length or 0) < (spec.max_length or 0)


def _fields_of(playbook: Playbook, object_name: str, table: str, columns: Mapping[str, ColumnLike], prefix: str) -> list[KnownField]:
    """The known fields of an object whose column in this table exists, or is one of ours."""
    known = [one for one in playbook.fields if one.object == object_name and table in one.columns]
    return [one for one in known if one.columns[table] in columns or one.columns[table].startswith(f"{prefix}_")]


def _chosen(filled: Mapping[str, str], fields: Sequence[KnownField], names: Mapping[str, str]) -> dict[str, KnownField]:
    """Source field -> the known field that it takes the column of: of several that fit, the first listed that any record fills."""
    chosen: dict[str, KnownField] = {}
    for known in fields:
        for source in known.sources:
            wanted = names[source[1:]] if source.startswith("@") else source
            found = filled.get(field_key(wanted))
            if found and found not in chosen:
                chosen[found] = known
                break
    return chosen


def _known(one: FieldProfile, known: KnownField, table: str, prefix: str, playbook: Playbook) -> Proposal:
    column = known.columns[table]
    reason = known.reason or f"Known as {known.sources[0]}."
    rule = FieldRule(one.name, column, known.transform, known.options, f"{prefix}_original_values", reason=reason)
    return Proposal(known.object, table, rule, alias=known.alias or playbook.aliases(prefix).get(column, ""))


def propose_field(one: FieldProfile, prefix: str, taken: Collection[str] = (), *, object_name: str = "", table: str = "") -> Proposal:
    """A new typed column for a field that no playbook knows, by its declared type where the records bear it out, else by what they hold."""
    named = column_name(one.name, prefix, taken, table)
    sort, reason = sort_of(one)
    reason = " ".join((reason, *(f"To review: {EXPLANATIONS[issue.code]}" for issue in named.issues)))
    transform, shape, options = shape_of(one, sort)
    spec = ColumnSpec(name=named.name, display_name=one.name[:100], description=f"Source field {one.name}."[:2_000], **shape)
    rule = FieldRule(one.name, named.name, transform, options, f"{prefix}_original_values", reason=reason)
    return Proposal(object_name, table, rule, spec, issues=named.issues)
