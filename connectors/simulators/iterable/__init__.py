"""Iterable's public API as its published description and its users' connectors tell it."""

from connectors.simulators.iterable.app import build_app

__all__ = ["build_app"]
