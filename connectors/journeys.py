"""What a platform's API tells of its journeys (workflows, automations), in words that all platforms share.

A platform's module has one function, `journeys`, that gets a `LandedJourneys`. What the API doesn't say is None or empty: never a guess.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from connectors.inventories import Landed

RUNNING, OFF, DRAFT, ARCHIVED = "running", "off", "draft", "archived"
# The media of messages, as every platform's words are translated.
CHANNELS: Mapping[str, str] = {
    "email": "E-mail",
    "sms": "SMS",
    "push": "Push",
    "web_push": "Web push",
    "in_app": "In-app",
    "embedded": "Embedded",
    "whatsapp": "WhatsApp",
    "other": "Other",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A catalog, or one item of it, that a message's content looks up. item: '' where the lookup is computed for each person."""

    catalog: str
    item: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """The content of a message. found: whether the API has it; one that was deleted is known by its id alone."""

    id: str
    name: str = ""
    channel: str = ""
    found: bool = True
    catalogs: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Send:
    """A message that a journey sends: the campaign behind it. journey: the id of the journey that the API ties it to, or ''."""

    campaign: str
    name: str = ""
    state: str = ""
    channel: str = ""
    template: Template | None = None
    journey: str = ""


@dataclass(frozen=True, slots=True)
class Exposed:
    """One journey as the API gives it.

    state: RUNNING, OFF, DRAFT or ARCHIVED; '' where it can't be read. events: names of the events that start it; None where the API
    doesn't say. lifetime, at_once: how often a person may enter at all, and be inside at one time; None where none is given.
    problems: what of it can't be read, in words.
    """

    id: str
    name: str = ""
    description: str = ""
    state: str = ""
    events: tuple[str, ...] | None = None
    lifetime: int | None = None
    at_once: int | None = None
    sends: tuple[Send, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that the API tells. journeys: None where they were never landed, and so are the others.

    sends: every campaign by id. templates: those that campaigns of journeys use, and those asked for, by id. items: the catalogs that are
    referred to -> which of the items referred to exist; a catalog without any landed item isn't in it.
    """

    journeys: tuple[Exposed, ...] | None = None
    sends: Mapping[str, Send] | None = None
    templates: Mapping[str, Template] | None = None
    items: Mapping[str, frozenset[str]] | None = None
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What other sources than the API name, so that it can be looked up in the API's data."""

    templates: frozenset[str] = frozenset()
    references: frozenset[Reference] = field(default_factory=frozenset)


class LandedJourneys(Landed, Protocol):
    """The landed objects of an engagement, also by their ids."""

    def identified(self, object_name: str, ids: Collection[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """(source id, record) of an object's sound records, in order; of `ids` alone, where given: the others aren't parsed."""

    def unreadable(self, object_name: str) -> int:
        """How many lines of the object are no record."""


class JourneyTeller(Protocol):
    """A platform's module."""

    def told(self, landed: LandedJourneys, asked: Asked) -> Told:
        """What the API tells of journeys and of what they send."""
