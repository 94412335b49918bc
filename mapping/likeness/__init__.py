"""Likeness of source fields and destination columns: names taken apart, synonyms, values, ranked candidates with reasons."""

from mapping.likeness.ranking import ACCEPTED, Candidate, Likeness

__all__ = ["ACCEPTED", "Candidate", "Likeness"]
