"""Gates: what must be true before a step of the engagement may start, who must act, and in which words.

Higher layers register their gates when the apps are ready; `require` is called by the functions that do the work,
so that no page, task or command can go around it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Environment


@dataclass(frozen=True, slots=True)
class Missing:
    """What keeps a gate closed: `says` is a sentence, `move` names whose turn it is (a Role value)."""

    gate: str
    says: str
    move: str


Check = Callable[[Engagement, Environment | None], Iterator[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class _Gate:
    """actions: which it closes. everywhere: whether its check says the same of every environment."""

    actions: frozenset[str]
    check: Check
    everywhere: bool


_gates: dict[str, _Gate] = {}

# The steps of an engagement that a gate can close, and what is said of one that is closed.
ACTIONS: Mapping[str, str] = {
    "discover": "Discovery can't start",
    "extract": "Extract can't start",
    "provision": "Provision can't start",
    "load": "Load can't start",
    "sandbox signature": "The sandbox run can't be signed",
    "handoff": "The hand-off can't start",
    "rollback": "The rollback can't start",
    "removal": "The removal of the schema can't start",
    "ticket": "No ticket can be raised",
    "erase": "Nobody can be erased",
    "purge": "The engagement can't be purged",
}


class GateClosed(WorkbenchError):
    """A step was asked for while something that it needs is missing; `missing` lists all of it."""

    remedy = "Do what the list says, then start the step again."

    def __init__(self, action: str, missing: list[Missing]) -> None:
        """Say every missing thing at once."""
        super().__init__(f"{ACTIONS[action]}: " + " ".join(m.says for m in missing))
        self.missing = missing


def gate(name: str, *actions: str, everywhere: bool = False) -> Callable[[Check], Check]:
    """Register a check for the actions. It yields (sentence, role to move) for each thing that is missing.

    everywhere: it doesn't look at the environment.
    """
    unknown = set(actions) - set(ACTIONS)
    if unknown:
        raise ValueError(f"Unknown actions: {sorted(unknown)}.")

    def register(check: Check) -> Check:
        _gates[name] = _Gate(frozenset(actions), check, everywhere)
        return check

    return register


class Look:
    """One look at an engagement's gates: each check is asked once for an environment, however many actions it stands before."""

    def __init__(self, engagement: Engagement) -> None:
        """Nothing is asked yet."""
        self._engagement = engagement
        self._said: dict[tuple[str, int | None], list[Missing]] = {}

    def missing(self, action: str, environment: Environment | None = None) -> list[Missing]:
        """Everything that keeps `action` from starting, in the order the gates were registered."""
        wanted = [(name, gate) for name, gate in _gates.items() if action in gate.actions]
        return [one for name, gate in wanted for one in self._asked(name, gate, environment)]

    def _asked(self, name: str, gate: _Gate, environment: Environment | None) -> list[Missing]:
        key = name, environment.pk if environment and not gate.everywhere else None
        if key not in self._said:
            self._said[key] = [Missing(name, says, move) for says, move in gate.check(self._engagement, environment)]
        return self._said[key]


def missing(action: str, engagement: Engagement, environment: Environment | None = None) -> list[Missing]:
    """What a look that is asked once says; see `Look.missing`."""
    return Look(engagement).missing(action, environment)


def require(action: str, engagement: Engagement, environment: Environment | None = None) -> None:
    """Raise GateClosed unless nothing is missing."""
    found = missing(action, engagement, environment)
    if found:
        raise GateClosed(action, found)
