"""Reason codes in words, for the people who have to decide on them."""

from django import template

from mapping.issues import EXPLANATIONS

register = template.Library()

# Codes that staging and the load give, beside those of the mapping.
OF_THE_LOAD = {
    "cluster.last_names_differ": "Records with one e-mail address have different last names; a person has to say whether they are one.",
    "company.name_blank": "The company has no name.",
    "email.role_address": "The address belongs to a role, such as info@, and not to one person.",
    "match.several": "Several rows at the destination fit this record.",
    "match.shared": "Two people of the source fit one row at the destination.",
    "parent.held": "The record that this one belongs to is held.",
    "parent.not_loaded": "The row that this one looks up to isn't there.",
    "parent.rejected": "The record that this one belongs to can't be loaded.",
    "person.forgotten": "The person asked the source to be forgotten.",
    "split.review": "The signed matrix keeps this stage for review.",
    "split.skip": "The signed matrix leaves this stage out.",
}


@register.filter
def explained(code: str) -> str:
    """What a reason code means; empty for one that nobody explained."""
    if code.lower().startswith("0x"):
        return "The destination refused the row with this code; the record's page has its message."
    return EXPLANATIONS.get(code) or OF_THE_LOAD.get(code, "")
