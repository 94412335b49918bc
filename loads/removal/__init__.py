"""Provisioned schema taken away again: what this engagement made in an environment, where it is empty and nothing else depends on it.

A removal is planned first, by reads alone, and shown; it needs a signature of its own. What is kept is listed with the reason.
"""
