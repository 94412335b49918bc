"""The source platforms there are; a new one is a line here."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from connectors.base import Source
from connectors.inventories import Inventory
from connectors.iterable import inventory as iterable_inventory
from connectors.iterable import journeys as iterable_journeys
from connectors.iterable import templates as iterable_templates
from connectors.iterable.source import IterableSource
from connectors.journeys import JourneyTeller
from connectors.messages import MessageReader

if TYPE_CHECKING:
    from workbench.engagements.models import Connection

SOURCES: Mapping[str, "Callable[[Connection], Source]"] = {"iterable": IterableSource}
INVENTORIES: Mapping[str, Inventory] = {"iterable": iterable_inventory}
MESSAGE_READERS: Mapping[str, MessageReader] = {"iterable": iterable_templates}
JOURNEYS: Mapping[str, JourneyTeller] = {"iterable": iterable_journeys}
