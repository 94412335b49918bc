"""The registry of named checks: what each looks at, and what it asks of whom.

A finding without a decision is a note, and so is every information. Where a check asks something, the finding waits for one of the
choices; where the decision matters for a step, the gate 'decisions taken' keeps that step closed until somebody has taken it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from connectors.base import Finding
from workbench.engagements.models import Engagement, Role

if TYPE_CHECKING:
    from mapping.checks.look import Look
    from mapping.models import DiscoveryFinding

Side = Literal["source", "destination", "engagement"]
Run = Callable[["Look"], Iterable[Finding]]
CarryOut = Callable[[Engagement, Sequence["DiscoveryFinding"], Mapping[int, str], object], None]
NOT_DONE = "not_done"  # stands behind a check's name in a finding that says that the check could not be carried out


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to a decision: its name, a label for buttons, and what it means for the move.

    holds: the answer asks for something to be done, and the step stays closed until a new look no longer finds what was found.
    """

    name: str
    label: str
    means: str
    holds: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What a check asks. who: a Role value. default: what is proposed, and what the demonstration's script takes.

    stops: the steps (of `gates.ACTIONS`) that wait for it; none: it is kept and stops nothing. sandbox: whether they wait in the
    sandbox too; else the sandbox only shows it.
    """

    question: str
    choices: tuple[Choice, ...]
    who: str
    default: str
    stops: tuple[str, ...] = ("load",)
    sandbox: bool = False

    def choice(self, name: str) -> Choice | None:
        """The choice of this name."""
        return next((choice for choice in self.choices if choice.name == name), None)


@dataclass(frozen=True, slots=True)
class Check:
    """A named check. group: the subject that pages gather checks by. run: carries it out at the destination; None where others do.

    last: it is made once fields are mapped and the others were made, since it looks at both. carry_out: does at once what was decided,
    given the findings with their new decisions and, by id, what was decided before.
    """

    name: str
    title: str
    side: Side
    group: str
    looks_at: str
    decision: Decision | None = None
    run: Run | None = None
    last: bool = False
    carry_out: CarryOut | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """A check as far as its decision goes."""

    name: str
    title: str
    decision: Decision


GO_ON = Decision(
    "The workbench could not look. Go on without having looked?",
    (
        Choice("mend", "Mend and look again", "The cause is removed, then the environment is looked at again.", holds=True),
        Choice("go_on", "Go on unseen", "The load runs though nobody knows what this check would have found."),
    ),
    Role.DYNAMICS_ADMIN,
    default="go_on",
)
_checks: dict[str, Check] = {}


def register(*checks: Check) -> None:
    """Make checks known. A name stands for one check."""
    for check in checks:
        if check.name in _checks and _checks[check.name] != check:
            raise ValueError(f"Two checks are named {check.name}.")
        _checks[check.name] = check


def check(
    name: str, title: str, group: str, looks_at: str, decision: Decision | None = None, *, last: bool = False
) -> Callable[[Run], Run]:
    """Register a function as a check of the destination."""

    def keep(run: Run) -> Run:
        register(Check(name, title, "destination", group, looks_at, decision, run, last))
        return run

    return keep


def known() -> Iterator[Check]:
    """All registered checks, in their order."""
    yield from _checks.values()


def asking() -> Iterator[Asking]:
    """The checks that ask something, and those that stand for one of them that could not be carried out."""
    for one in _checks.values():
        if one.decision:
            yield Asking(one.name, one.title, one.decision)
            yield Asking(f"{one.name}.{NOT_DONE}", of(f"{one.name}.{NOT_DONE}").title, GO_ON)


def holding() -> set[str]:
    """Names of all answers after which something is still to be done."""
    return {choice.name for one in asking() for choice in one.decision.choices if choice.holds}


def of(name: str) -> Check:
    """The check of a finding; a name that nobody registered is a check that asks nothing."""
    if name.endswith(f".{NOT_DONE}"):
        about = of(name.removesuffix(f".{NOT_DONE}"))
        return Check(name, f"{about.title}: not looked at", about.side, about.group, about.looks_at, GO_ON if about.decision else None)
    return _checks.get(name) or Check(name, name.replace("_", " ").capitalize(), "source", "Other", "")


# What people read first; a group that isn't named here comes last.
FIRST = (
    "Environment",
    "Privileges",
    "Quiet load",
    "Columns",
    "Worth moving",
    "Volume",
    "Edition",
    "Prices and products",
    "Drift between sandbox and production",
)


def groups() -> list[str]:
    """The subjects, in the order that people read them."""
    found = dict.fromkeys(check.group for check in _checks.values())
    return sorted(found, key=lambda group: FIRST.index(group) if group in FIRST else len(FIRST))


def places() -> dict[str, int]:
    """Name of a check -> its place among all, by group and then as registered."""
    order = groups()
    return {check.name: place for place, check in enumerate(sorted(_checks.values(), key=lambda check: order.index(check.group)))}
