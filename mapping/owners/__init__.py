"""Owners: who in each environment owns the rows of each owner at the source, how that is found, answered and checked."""
