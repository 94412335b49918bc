"""Journeys: what the API tells, what the customer's definition file says and what an engineer entered, joined line by line."""
