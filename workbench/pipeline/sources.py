"""The source of an engagement, by its connection."""

from connectors.base import Source
from connectors.registry import SOURCES
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Connection, Engagement


def source_connection(engagement: Engagement) -> Connection:
    """The engagement's connection to its source platform. Raises BadInput."""
    connection = engagement.connections.filter(kind=engagement.platform).first()
    if connection is None:
        remedy = f"Add a connection to {engagement.get_platform_display()} under Connections."
        raise BadInput(f"{engagement} has no source connection.", remedy=remedy)
    if engagement.platform not in SOURCES:
        raise BadInput(f"There is no connector for {engagement.get_platform_display()} yet.", remedy="Choose a platform that has one.")
    return connection


def source_of(engagement: Engagement) -> Source:
    """The engagement's source. Raises BadInput."""
    return SOURCES[engagement.platform](source_connection(engagement))
