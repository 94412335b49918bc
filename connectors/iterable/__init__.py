"""Iterable: the source platform behind api.iterable.com and api.eu.iterable.com."""
