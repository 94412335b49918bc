"""The words of journeys that definition files and forms share, and a journey as a file or a person describes it."""

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.journeys import CHANNELS, Reference

END = "end"  # where a path leads that leads out of the journey
SEND, WAIT, BRANCH, SPLIT, DECISION = "send", "wait", "branch", "split", "ai"
KINDS: Mapping[str, str] = {
    SEND: "Send a message",
    WAIT: "Wait",
    BRANCH: "Branch on a condition",
    SPLIT: "Random split or experiment",
    DECISION: "AI decision",
    "update": "Change the profile",
    "list": "Put on or take off a list",
    "webhook": "Call another system",
    "other": "Other",
}
TRIGGERS: Mapping[str, str] = {
    "event": "An event happens",
    "list": "The person is put on a list",
    "segment": "The person comes into a segment",
    "profile": "A field of the profile changes",
    "schedule": "At a time, for a list or segment",
    "api": "Another system starts it",
    "manual": "Somebody starts it",
    "other": "Other",
}
REENTRY: Mapping[str, str] = {
    "once": "Once in a lifetime",
    "after_exit": "Again, after the person has left it",
    "always": "Each time that the trigger fires, also while the person is inside",
    "limited": "As often as the limits say",
}
MANY_PATHS = (BRANCH, SPLIT, DECISION)
__all__ = ["CHANNELS", "END", "KINDS", "MANY_PATHS", "REENTRY", "TRIGGERS", "Described", "Path", "Reference", "Step"]


@dataclass(frozen=True, slots=True)
class Path:
    """One way out of a step. when: the condition in words; '' where there is none. to: the id of a step, or END."""

    when: str
    to: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a journey as a file or a person describes it. paths: empty where it leads to the next step listed."""

    id: str
    kind: str
    name: str = ""
    channel: str = ""
    campaign: str = ""
    template: str = ""
    wait: str = ""
    catalogs: tuple[Reference, ...] = ()
    paths: tuple[Path, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """A journey as a file or a person describes it. complete: whether the steps are all that it has."""

    id: str
    name: str = ""
    trigger: str = ""
    names: tuple[str, ...] = ()
    reentry: str = ""
    lifetime: int | None = None
    at_once: int | None = None
    complete: bool = False
    note: str = ""
    steps: tuple[Step, ...] = ()
