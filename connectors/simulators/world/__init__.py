"""A fictional company of any size, written as the folders that the simulators serve."""

from connectors.simulators.world.writing import write_world

__all__ = ["write_world"]
