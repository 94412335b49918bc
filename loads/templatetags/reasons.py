"""Reason codes in words, for the people who have to decide on them."""

from django import template

from loads.reasons import explained

register = template.Library()
register.filter("explained", explained)
