"""A Dataverse organisation that speaks the Web API, for development, tests and demonstrations."""

from .app import build_app

__all__ = ["build_app"]
