"""Discovery of an engagement: the source, then every environment that has a connection."""

from collections.abc import Callable

from connectors.registry import SOURCES
from mapping.discovery import destination
from mapping.discovery import source as source_side
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Connection, Engagement, Environment


def source_connection(engagement: Engagement) -> Connection:
    """The engagement's connection to its source platform. Raises BadInput."""
    connection = engagement.connections.filter(kind=engagement.platform).first()
    if connection is None:
        remedy = f"Add a connection to {engagement.get_platform_display()} on the engagement's page."
        raise BadInput(f"{engagement} has no source connection.", remedy=remedy)
    if engagement.platform not in SOURCES:
        raise BadInput(f"There is no connector for {engagement.get_platform_display()} yet.", remedy="Choose a platform that has one.")
    return connection


def discover(engagement: Engagement, *, actor: object, progress: Callable[[str], None]) -> None:
    """Audit source and destinations. Raises what they raise, with a remedy."""
    connection = source_connection(engagement)
    source_side.discover(engagement, SOURCES[engagement.platform](connection), actor=actor, progress=progress)
    for environment in Environment.objects.filter(engagement=engagement).select_related("engagement", "connection").order_by("-kind"):
        destination.discover(environment, actor=actor, progress=progress)
