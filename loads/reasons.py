"""Why a record or a row isn't loaded as it came: every reason code with its words, for the ledger and the pages."""

import re
from collections.abc import Mapping

from connectors.dataverse.client import Outcome
from connectors.dataverse.errors import meaning_of
from connectors.storable import storable
from mapping.issues import EXPLANATIONS, Severity

VERSION_MISMATCH = "0x80060882"
REMOVED, PARENT_REMOVED = "match.removed", "parent.removed"  # of a row of ours that isn't there any more, and of what belongs to it
CAUSE_LIMIT = 200
REFUSAL_LIMIT = 500  # characters kept of the service's own words
OF_OWNER, DISABLED = "ownerid", ("0x8004022b", "0x80040225")
# "the 'subject' attribute of …", "The value 5 of 'x' on record …", "The value of 'x' …", "Invalid property 'x'", "undeclared property 'x'",
# "required field 'x'", "for x already exists" of a key with one column.
_NAMED = re.compile(
    r"the '(\w+)' attribute|[Tt]he value (?:\S+ )?of '(\w+)'|property '(\w+)'|required field '(\w+)'|same value for (\w+) already exists"
)
_ROW_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# Codes that staging and the load give, beside those of the mapping.
OF_THE_LOAD: dict[str, str] = {
    "cluster.last_names_differ": "Records with one e-mail address or user id have different last names; they may be two people.",
    "cluster.with_survivor": "The record was merged into another one; what the customer decided about that one holds for it too.",
    "column.business_required": "The app's forms ask for a value here; the service takes the row without one.",
    "column.ignored": "The service leaves values for this column out without saying so.",
    "consent.not_written": (
        "The person refuses messages, and that couldn't be written into a row that somebody edited. A further run tries it again; "
        "until then nobody may send to them."
    ),
    "consent.written": "The person refuses messages, and that was written into the row, whatever is decided about the rest of it.",
    "company.ambiguous": "The person is in several organisation lists and none of them has the person's e-mail domain.",
    "company.name_blank": "The list's name has nothing behind the organisation prefix.",
    "conflict.retired": "Someone retired the product at the destination, and the source still sells it; a person must say which holds.",
    "conflict.under_revision": "Someone has the product under revision; publishing it would put their unfinished changes on sale.",
    "conflict.edited": "A person edited the row since it was loaded; nothing was written over it.",
    "conflict.removed": "A person took the link away since it was made; it stays away until somebody decides that it is made again.",
    "conflict.stays_removed": "A person took the link away since it was made, and somebody decided that it stays away.",
    "email.role_address": "The address belongs to a function, such as info@, and not to a person.",
    "match.inactive": "The row that was found is inactive; it is filled like an active one, and stays inactive.",
    "match.lead_untouched": "An open lead has this e-mail address too; the contact is the person's row and the lead was left as it is.",
    "match.removed": "The row was removed at the destination since it was loaded; a person must say whether it is made again.",
    "match.several": "Several rows at the destination fit this record; a person must say which one it is.",
    "match.shared": "Another record fits the same row at the destination; a person must say whose it is.",
    "moment.missing": "The record doesn't say when it happened; the row has no original time.",
    "owner.not_answered": "The record's owner was not among those that were answered.",
    "currency.assumed": "The record has no currency; the environment's base currency was taken.",
    "currency.unknown": "The environment has no such currency; add it there, or have the source corrected.",
    "line.price_missing": "The line has no usable price; it is on the deal with a price of zero.",
    "line.quantity_assumed": "The line has no usable quantity; one was taken.",
    "line.unreadable": "The line is no object with a product and a price.",
    "line.write_in": "No product of the catalog has the line's item id; the line is a write-in with its name.",
    "list.not_tied": "The campaign names a list that has no marketing list: it is unknown, an organisation's or one of suppressions.",
    "list.snapshot": "The list is dynamic at the source; it arrives as a static list of who was on it.",
    "price.none": "The product has no price in the list's currency; its price there is zero.",
    "price.unusable": "The product's price can't be read; its price is zero.",
    "purchase.lead_without_account": "A lead can't be the customer of a deal, and this one has no account that could be.",
    "purchase.lines_unreadable": "The purchase's items are no list; the deal has no lines.",
    "purchase.ending_unknown": "The record's state isn't among those of the rule, so that it isn't known how the deal ended.",
    "purchase.no_date": "The purchase doesn't say when it was made, and a closed deal needs its date.",
    "purchase.of_lead": "A lead can't be the customer of a deal; the signed rule holds such purchases.",
    "purchase.total_differs": "The order's total isn't the sum of its lines; the total is the deal's value.",
    "purchase.total_from_lines": "The order's total can't be read; the sum of its lines is the deal's value.",
    "purchase.total_too_large": "The order's total is beyond what the destination takes.",
    "list.organisation": "The list stands for an organisation and becomes an account.",
    "list.suppression": "A suppression list becomes consent: its members are opted out of everything.",
    "object.documented_only": "Nothing of this object moves, as the plan has it: it is documented.",
    "file.blocked": "The organisation takes no files of this kind; it may be allowed in the environment's settings.",
    "file.empty": "The file has no content; the row loads without it.",
    "file.lost": "The file isn't in the store as it was kept; extract its record again.",
    "file.renamed": "The file's name has characters that a name can't have, or is too long; it was changed.",
    "file.too_large": "The file is larger than the organisation takes; the limit is in the environment's e-mail settings, 128 MB at most.",
    "lookup.open": "The record names another one that has no row, so that the lookup is empty; a run in which it has one sets it.",
    "payload.not_of_type": "The value isn't of its column's type; the column is empty and the payload column keeps it.",
    "parent.held": "A record that this one belongs to is held, so that it waits with it.",
    "parent.not_loaded": "A row that this one looks up to was refused or waits itself.",
    "parent.not_in_source": "The record belongs to one that the source doesn't have.",
    "parent.rejected": "A record that this one belongs to can't load, so that it waits with it.",
    "parent.removed": "A row that this one looks up to was removed at the destination; a person must say what stands in its place.",
    "parent.skipped": "A record that this one belongs to is left out, and this one with it.",
    "parent.unnamed": "The record doesn't say to which other one it belongs.",
    "quality.default_unfit": "This environment's column doesn't take the default that the customer decided on; it needs another decision.",
    "quality.defaulted": "The value doesn't fit its column; the default that the customer decided on was taken.",
    "quality.skipped": "The customer decided to leave records with this problem out.",
    "person.forgotten": "The person is on the source's register of forgotten people.",
    "record.unreadable": "The line is not one JSON object.",
    "remedy.blank": "The row was refused for this value; by the remedy given it loads without it.",
    "remedy.not_fitting": "The value of the remedy doesn't fit this environment's column, so that the row is as it was.",
    "remedy.owner": "By the remedy given the row belongs to the owner of rows without one.",
    "remedy.shortened": "The row was refused for a text too long; by the remedy given it is cut to what the column takes.",
    "remedy.skipped": "By the remedy given the record is left out.",
    "remedy.placeholder": "The source doesn't have the parent; by the remedy given a placeholder stands for it until it comes.",
    "remedy.text": "The row was refused for this value; by the remedy given another column keeps it whole as text.",
    "remedy.value": "The row was refused for this value; by the remedy given another one was taken.",
    "sample.left_out": "The run loads a sample; this record isn't in it, a whole run loads it.",
    "rerun.outside": "The plan changes this row too, but the run was opened for other records only; a full run sends it.",
    "rollback.before_unknown": "What was there before the run changed it wasn't written down, so that it can't be put back.",
    "rollback.built_upon": "Rows that the run didn't make hang under this one: the service would remove them with it, or forbids it.",
    "rollback.differs": "The row was put back, and some columns read back hold something else than they did before.",
    "rollback.edited": "A person changed the row since the run wrote it.",
    "rollback.later_run": "A later run wrote the row; take that run back first.",
    "rollback.refusal_stays": "The run wrote a refusal of consent into a row that a person had edited: a refusal stays.",
    "rollback.published": "A product that was published doesn't become a draft again; it may be retired.",
    "split.review": "The signed matrix sends this stage to review.",
    "split.skip": "The signed matrix leaves this stage out.",
    "split.stage_blank": "The record has no lifecycle stage, and the signed matrix doesn't place such records.",
    "split.stage_not_signed": "The lifecycle stage is not in the signed matrix.",
}
# What a further run settles; anything else that the service refuses is rejected.
SETTLED_LATER: dict[str, str] = {
    "answer.changed": "The answer by which it was staged was changed or taken back before it was sent. A further run goes by what holds.",
    VERSION_MISMATCH: "Someone changed the row after it was read. A further run reads it again.",
    "0x80040217": "The row, or one that it looks up to, is no longer at the destination. A further run looks again.",
    "0x80060891": "A row that it looks up to isn't at the destination. A further run looks again.",
    "0x80040216": "The service failed at the row twice and doesn't say why. A further run tries it again.",
    "0x80040224": "The service failed at the row twice and doesn't say why. A further run tries it again.",
}
WORDS = EXPLANATIONS | OF_THE_LOAD | SETTLED_LATER

# All other codes that decide on a record hold it.
SEVERITIES: dict[str, Severity] = {
    "cluster.with_survivor": "note",
    "company.name_blank": "reject",
    "conflict.stays_removed": "reject",
    "consent.written": "note",
    "email.too_long": "reject",
    "record.unreadable": "reject",
    "list.organisation": "note",
    "object.documented_only": "note",
    "list.suppression": "note",
    "lookup.open": "loss",
    "parent.skipped": "note",
    "person.forgotten": "note",
    "sample.left_out": "note",
    "split.skip": "note",
}


# The rules of the destination that reasons speak of, in words.
LENGTH, OPTION, REQUIRED, TYPE, LOOKUP, DUPLICATE, OTHER = "length", "option", "required", "type", "lookup", "duplicate", "other"
RULES: Mapping[str, str] = {
    LENGTH: "Length",
    OPTION: "Option",
    REQUIRED: "Required",
    TYPE: "Type",
    LOOKUP: "Lookup",
    DUPLICATE: "Duplicate",
    OTHER: "Other",
}
_EXACT: Mapping[str, str] = {
    "choice.too_many": OPTION,
    "choice.unmapped": OPTION,
    "cluster.last_names_differ": DUPLICATE,
    "company.name_blank": REQUIRED,
    "currency.unknown": LOOKUP,
    "email.missing": REQUIRED,
    "email.too_long": LENGTH,
    "file.too_large": LENGTH,
    "line.price_missing": REQUIRED,
    "match.several": DUPLICATE,
    "match.shared": DUPLICATE,
    "name.missing": REQUIRED,
    "original_values.shortened": LENGTH,
    "owner.not_answered": LOOKUP,
    "parent.unnamed": REQUIRED,
    "purchase.ending_unknown": OPTION,
    "purchase.lead_without_account": LOOKUP,
    "purchase.no_date": REQUIRED,
    "text.shortened": LENGTH,
    "url.too_long": LENGTH,
}
_BEGINNINGS: Mapping[str, str] = {
    "boolean": TYPE, "date": TYPE, "email": TYPE, "file": TYPE, "line": TYPE, "number": TYPE, "parent": LOOKUP, "purchase": TYPE,
    "record": TYPE, "text": TYPE, "url": TYPE,
}  # fmt: skip

# What another signed rule settles, or what follows a record that is asked about itself.
_SETTLED = frozenset(
    {
        "email.role_address",
        "lookup.open",
        "match.removed",
        "parent.held",
        "parent.not_loaded",
        "parent.rejected",
        "parent.removed",
        "parent.skipped",
        "purchase.of_lead",
    }  # fmt: skip
)
_SETTLED_BEGINNINGS = ("conflict.", "list.", "person.", "quality.defaulted", "quality.skipped", "remedy.", "rerun.", "sample.", "split.")


def rule_of(code: str) -> str:
    """The destination's rule that a reason's code speaks of, a key of RULES."""
    return _EXACT.get(code) or _BEGINNINGS.get(code.partition(".")[0], OTHER)


def asks(code: str, severity: str) -> bool:
    """Whether the customer decides about records with this reason."""
    return severity in ("loss", "hold", "reject") and code not in _SETTLED and not code.startswith(_SETTLED_BEGINNINGS)


def reason(code: str, *, field: str = "", detail: str = "") -> dict[str, str]:
    """A reason of staging or of the load, as the ledger keeps it. detail: what the code's words don't say."""
    return {"code": code, "field": storable(field), "detail": storable(detail), "severity": SEVERITIES.get(code, "hold")}


def refusal(outcome: Outcome) -> dict[str, str]:
    """Why the service refused a row, in its own words, as the ledger keeps it."""
    severity = "hold" if outcome.code in SETTLED_LATER else "reject"
    message = storable(outcome.message)
    field = OF_OWNER if outcome.code in DISABLED else named_column(message)
    return {
        "code": outcome.code or f"http.{outcome.status}",
        "field": field,
        "detail": message[:REFUSAL_LIMIT],
        "severity": severity,
        "cause": cause_of(message)[:CAUSE_LIMIT],
    }


def named_column(message: str) -> str:
    """The column that the service's words name; '' where they name none."""
    found = _NAMED.search(message)
    return next((name for name in found.groups() if name), "") if found else ""


def cause_of(detail: str) -> str:
    """The service's words without the ids of single rows, by which alike refusals are told."""
    return _ROW_ID.sub("…", detail)


def explained(code: str) -> str:
    """What a reason code means, and for the service's codes what to do; empty for a code that nobody explained."""
    if words := WORDS.get(code):
        return words
    if code.lower().startswith("0x"):
        meaning = meaning_of(code)
        return f"{meaning.meaning[:1].upper()}{meaning.meaning[1:]}. {meaning.remedy}"
    return ""
