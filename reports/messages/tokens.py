"""How the destination's own templates name a column.

Source: MicrosoftDocs/powerapps-docs user/email-dynamic-text.md (Sales), MicrosoftDocs/customer-insights ci-docs/journeys
real-time-marketing-predefined-dynamic-text.md and -personalize-inline-conditions.md (Customer Insights - Journeys).
"""

from collections.abc import Mapping

# Display names of tables. *assumed*: nobody renamed them.
TABLES: Mapping[str, str] = {"account": "Account", "contact": "Contact", "lead": "Lead", "opportunity": "Opportunity", "product": "Product"}
_NOT_IN_SALES = frozenset(";:{}!\r\n")  # what would end a token, or a part of it


def sales_token(table: str, display_name: str, default: str = "") -> str:
    """The token of a Sales e-mail template, `{!Contact:First Name;there}`; empty where the names can't stand in one.

    display_name: the column's, in the language of whoever writes the template. default: shown where the column is empty.
    """
    name = TABLES.get(table, "")
    if not name or not display_name or _NOT_IN_SALES & set(display_name):
        return ""
    return f"{{!{name}:{display_name};{'' if _NOT_IN_SALES & set(default) else default}}}"


def journeys_token(table: str, column: str) -> str:
    """The placeholder for Customer Insights - Journeys, `{{contact.firstname}}`.

    *assumed*: a person still binds each placeholder in the designer, with its default; one that is typed only shows nothing.
    """
    return f"{{{{{table}.{column}}}}}"
