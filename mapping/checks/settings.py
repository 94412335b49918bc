"""Checks of an organisation's settings that bear on prices and products, and of its edition, which a person enters."""

from collections.abc import Iterator

from connectors.base import Finding
from mapping.checks.look import Look
from mapping.checks.registry import Choice, Decision, check
from workbench.engagements.models import Environment, Role

PRICES, EDITION = "Prices and products", "Edition"
SELLING = {"opportunity", "opportunityproduct", "product", "pricelevel", "productpricelevel", "salesorder", "salesorderdetail"}
CUSTOM_TABLES = 15  # of the Professional edition's licence, per application; nothing enforces it technically
ENTER = "Read it in the Power Platform admin centre and enter it on the engagement's page."


@check("price_settings", "Price settings", PRICES, "Who adds up deals, whether a price list is mandatory, how products begin.")
def price_settings(look: Look) -> Iterator[Finding]:
    """The organisation's settings, where the plan writes deals or products."""
    if not SELLING & set(look.tables):
        return
    row = look.organisation
    if row.get("oobpricecalculationenabled") is False:
        evidence = "The organisation's own price calculation is off: nobody adds up the lines of migrated deals."
        yield Finding(
            "price_settings", "warning", evidence, "Check that a plug-in of the customer's does, or switch it on.", subject="calculation"
        )
    else:
        yield Finding("price_settings", "info", "Dynamics adds up deals from their lines.", subject="calculation")
    mandatory = "needs" if row.get("ispricelistmandatory") else "doesn't need"
    yield Finding(
        "price_settings", "info", f"A deal with products {mandatory} a price list; the plan gives every deal one.", subject="price list"
    )
    active = row.get("createproductswithoutparentinactivestate")
    begins = "active, so prices must be there at once" if active else "as a draft, priced and then published"
    yield Finding("price_settings", "info", f"A new product begins {begins}.", subject="products")
    if row.get("useinbuiltrulefordefaultpricelistselection"):
        evidence = "The built-in rule chooses a default price list by territory; a deal of a seller's territory could get that one."
        yield Finding("price_settings", "warning", evidence, "Every deal is sent with its own price list; check one after the sandbox run.",
                      subject="default price list")  # fmt: skip


@check("upload_limit", "Files", PRICES, "How large a file may be, and which kinds the organisation refuses.")
def upload_limit(look: Look) -> Iterator[Finding]:
    """The limits for attachments."""
    size, blocked = int(look.organisation.get("maxuploadfilesize") or 0), str(look.organisation.get("blockedattachments") or "")
    count = len([one for one in blocked.split(";") if one])
    yield Finding("upload_limit", "info", f"Files may be {size / 1024 / 1024:.0f} MB at most; {count} kinds of files are refused.")


@check(
    "edition", "Edition and custom tables", EDITION, "The edition, and the custom tables present and planned against its licence right.",
    Decision(
        "The Professional licence covers 15 custom tables per application, and nothing enforces it. What happens?",
        (
            Choice("sign", "We answer for the licence", "The customer knows the limit and settles it with Microsoft; the tables are made."),
            Choice("fewer", "Fewer tables", "Objects go to standard tables or stay behind, then it is looked at again.", holds=True),
        ),
        Role.APPROVER, "sign", sandbox=True,
    ),
)  # fmt: skip
def edition(look: Look) -> Iterator[Finding]:
    """What was entered, and for Professional the count of custom tables; which application a table belongs to can't be told."""
    environment = look.environment
    if environment.edition == Environment.Edition.UNKNOWN:
        yield Finding("edition_entered", "warning", "Nobody has entered the edition of this environment.", ENTER)
        return
    present, planned = _custom_tables(look), [name for name in look.planned if name not in look.there and "_" in name]
    told = f"{environment.get_edition_display()}: {len(present)} custom tables are there, the plan makes {len(planned)}."
    if environment.edition == Environment.Edition.PROFESSIONAL and len(present) + len(planned) > CUSTOM_TABLES:
        rests_on = {"tables": len(present) + len(planned)}
        yield Finding("edition", "warning", f"{told} The licence covers {CUSTOM_TABLES} per application.", rests_on=rests_on)
    else:
        yield Finding("edition", "info", told)


def _custom_tables(look: Look) -> list[str]:
    """Custom tables that aren't part of somebody's managed solution."""
    where = "IsCustomEntity eq true and IsManaged eq false and IsIntersect eq false"
    answer = look.client.get("EntityDefinitions", params={"$select": "LogicalName", "$filter": where})
    return sorted(row["LogicalName"] for row in answer["value"])


@check(
    "families_and_sequences",
    "Product families and sequences",
    EDITION,
    "What the edition has of both: families need Enterprise, so do sequences.",
)
def families_and_sequences(look: Look) -> Iterator[Finding]:
    """For Professional, that neither is to be planned for; else what is there."""
    families = len(list(look.rows("products", ["productid"], "productstructure eq 2")))
    there = "msdyn_sequence" in look.there
    if look.environment.edition == Environment.Edition.PROFESSIONAL:
        evidence = (
            "Product families and sales sequences aren't part of Sales Professional: catalogs become plain products, and journeys are"
        )
        yield Finding("families_and_sequences", "info", f"{evidence} rebuilt in Power Automate or Customer Insights - Journeys.")
    else:
        told = "there" if there else "not installed"
        yield Finding("families_and_sequences", "info", f"{families} product families; sales sequences are {told}.")


@check("capacity_entered", "Licences and free storage", EDITION, "Whether the licences and the free storage were entered.")
def capacity_entered(look: Look) -> Iterator[Finding]:
    """What a forecast needs and nobody has entered."""
    environment = look.environment
    figures = (environment.licences, environment.free_database_gb, environment.free_file_gb, environment.free_log_gb)
    names = ("the licences", "free database storage", "free file storage", "free log storage")
    absent = [name for name, figure in zip(names, figures, strict=True) if figure is None]
    if absent:
        evidence = (
            f"Not entered for this environment: {', '.join(absent)}. The forecasts of requests and storage can't say whether it is enough."
        )
        yield Finding("capacity_entered", "warning", evidence, ENTER)
