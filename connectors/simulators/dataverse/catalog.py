"""The organisation's metadata: tables by name and by entity set, relationships, global choices."""

from dataclasses import dataclass, field
from typing import Any

from .columns import Column
from .identifiers import stable_id
from .tables import CASCADES, Relationship, Table

# Relationships whose deletes don't just remove the link. Sources: facts 7.7; the rest *assumed* from the shipped solutions.
_PARENTAL = {
    ("account", "contact", "parentcustomerid"), ("account", "opportunity", "customerid"), ("contact", "opportunity", "customerid"),
    ("opportunity", "opportunityproduct", "opportunityid"), ("salesorder", "salesorderdetail", "salesorderid"),
    ("uomschedule", "uom", "uomscheduleid"), ("pricelevel", "productpricelevel", "pricelevelid"),
    ("product", "productpricelevel", "productid"), ("list", "listmember", "listid"), ("campaign", "campaignitem", "campaignid"),
    ("opportunity", "opportunityclose", "opportunityid"), ("salesorder", "orderclose", "salesorderid"),
    ("solution", "solutioncomponent", "solutionid"),
}  # fmt: skip
_RESTRICTED = {
    ("account", "salesorder", "customerid"), ("contact", "salesorder", "customerid"), ("product", "opportunityproduct", "productid"),
    ("uom", "opportunityproduct", "uomid"), ("pricelevel", "opportunity", "pricelevelid"), ("pricelevel", "salesorder", "pricelevelid"),
    ("product", "salesorderdetail", "productid"), ("uom", "salesorderdetail", "uomid"), ("uom", "productpricelevel", "uomid"),
    ("publisher", "solution", "publisherid"), ("uomschedule", "product", "defaultuomscheduleid"), ("uom", "product", "defaultuomid"),
}  # fmt: skip
_RESTRICTING_TARGETS = {"transactioncurrency", "systemuser", "team", "businessunit", "organization"}
_FOLLOWING = {"regardingobjectid", "objectid", "record1id", "record2id", "entityid"}
_COLLECTIONS = {
    ("account", "contact", "parentcustomerid"): "contact_customer_accounts",
    ("contact", "contact", "parentcustomerid"): "contact_customer_contacts",
    ("account", "account", "parentaccountid"): "account_parent_account",
    ("account", "opportunity", "customerid"): "opportunity_customer_accounts",
    ("contact", "opportunity", "customerid"): "opportunity_customer_contacts",
    ("opportunity", "opportunityproduct", "opportunityid"): "product_opportunities",
    ("salesorder", "salesorderdetail", "salesorderid"): "order_details",
    ("uomschedule", "uom", "uomscheduleid"): "unit_of_measurement_schedule_units",
    ("pricelevel", "productpricelevel", "pricelevelid"): "price_level_product_price_levels",
    ("account", "task", "regardingobjectid"): "Account_Tasks",
    ("contact", "task", "regardingobjectid"): "Contact_Tasks",
    ("lead", "task", "regardingobjectid"): "Lead_Tasks",
    ("opportunity", "task", "regardingobjectid"): "Opportunity_Tasks",
    ("campaign", "task", "regardingobjectid"): "Campaign_Tasks",
    ("list", "listmember", "listid"): "listmembers",
    ("solution", "solutioncomponent", "solutionid"): "solution_solutioncomponent",
    ("email", "activityparty", "activityid"): "email_activity_parties",
    ("phonecall", "activityparty", "activityid"): "phonecall_activity_parties",
    ("appointment", "activityparty", "activityid"): "appointment_activity_parties",
    ("campaignresponse", "activityparty", "activityid"): "campaignresponse_activity_parties",
}


# N:N relationships that ship with the product: intersect, and for each of the two tables its column there (facts 7.3).
_MANY = {
    "listaccount_association": ("listmember", {"account": "_entityid_value", "list": "_listid_value"}),
    "listcontact_association": ("listmember", {"contact": "_entityid_value", "list": "_listid_value"}),
    "listlead_association": ("listmember", {"lead": "_entityid_value", "list": "_listid_value"}),
    "campaignlist_association": ("campaignitem", {"campaign": "_campaignid_value", "list": "entityid"}),
    "systemuserroles_association": ("systemuserroles", {"systemuser": "systemuserid", "role": "roleid"}),
    "teamroles_association": ("teamroles", {"team": "teamid", "role": "roleid"}),
    "teammembership_association": ("teammembership", {"team": "teamid", "systemuser": "systemuserid"}),
}


@dataclass(slots=True)
class GlobalChoice:
    """A choice that several columns share."""

    name: str
    metadata_id: str
    display_name: str
    options: dict[int, str]
    kind: str = "Picklist"


@dataclass(slots=True)
class Catalog:
    """All metadata of one organisation."""

    tables: dict[str, Table] = field(default_factory=dict)
    by_set: dict[str, Table] = field(default_factory=dict)
    relationships: dict[str, Relationship] = field(default_factory=dict)  # by schema name, lower case
    choices: dict[str, GlobalChoice] = field(default_factory=dict)
    next_type_code: int = 10100

    def add_table(self, table: Table) -> None:
        """Make a table known by both its names."""
        self.tables[table.name] = table
        self.by_set[table.entity_set] = table
        table.children = [r for r in self.relationships.values() if r.referenced == table.name and not r.many_to_many]

    def by_metadata_id(self, metadata_id: str) -> Table | None:
        """The table with this MetadataId."""
        return next((t for t in self.tables.values() if t.metadata_id == metadata_id), None)

    def relate(self, table: Table, column: Column, given: dict[str, Any] | None = None) -> None:
        """Declare the navigation properties and the 1:N relationships of a lookup column, one per target."""
        if not column.is_lookup:
            return
        for target in column.targets:
            navigation = navigation_name(table, column, target)
            column.navigations[target] = navigation
            table.navigations[navigation] = (column, (target,))
            if column.kind == "Owner":
                continue
            self._add_relationship(table, column, target, navigation, given or {})
        if column.kind == "Owner":
            table.navigations["ownerid"] = table.navigations[f"ownerid_{table.name}"] = (column, column.targets)
        table.changed()

    def _add_relationship(self, table: Table, column: Column, target: str, navigation: str, given: dict[str, Any]) -> None:
        place = (target, table.name, column.name)
        schema = given.get("SchemaName") or _COLLECTIONS.get(place) or f"{target}_{table.name}_{column.name}"
        relation = Relationship(
            schema, stable_id("relationship", schema), target, table.name, column.name, navigation,
            collection=schema, cascade=cascade_of(table, column, target, given.get("CascadeConfiguration") or {}), custom=column.custom,
        )  # fmt: skip
        self.relationships[schema.lower()] = relation
        table.relationships.append(relation)
        if target in self.tables:
            self.tables[target].children.append(relation)

    def relate_many(self) -> None:
        """Declare the N:N relationships that ship with the product."""
        for schema, (intersect, ends) in _MANY.items():
            one, other = ends
            relation = Relationship(
                schema, stable_id("relationship", schema), entity1=one, entity2=other, intersect=intersect, ends=dict(ends)
            )
            self.relationships[schema.lower()] = relation
            for name in ends:
                self.tables[name].many.append(relation)

    def drop_column(self, table: Table, column: Column) -> None:
        """Forget a column, its navigation properties and relationships."""
        del table.columns[column.name]
        for navigation in [n for n, (c, _) in table.navigations.items() if c is column]:
            del table.navigations[navigation]
        for relation in [r for r in table.relationships if r.column == column.name]:
            table.relationships.remove(relation)
            self.relationships.pop(relation.schema_name.lower(), None)
            if relation.referenced in self.tables:
                self.tables[relation.referenced].children.remove(relation)
        table.changed()


def navigation_name(table: Table, column: Column, target: str) -> str:
    """The case-sensitive navigation property of a lookup to one of its targets (facts, section 2)."""
    if column.kind == "Owner":
        return "ownerid"
    if column.custom:
        return column.schema_name
    if column.name == "regardingobjectid" and table.activity and table.name != "activitypointer":
        return f"regardingobjectid_{target}_{table.name}"
    return f"{column.name}_{target}" if column.polymorphic else column.name


def cascade_of(table: Table, column: Column, target: str, given: dict[str, str]) -> dict[str, str]:
    """Cascade configuration of one relationship; what was given counts, then the shipped ones, then RemoveLink."""
    cascade = dict.fromkeys(CASCADES, "NoCascade") | {"Delete": _delete_behavior(table, column, target)}
    return cascade | {k: v for k, v in given.items() if k in CASCADES}


def _delete_behavior(table: Table, column: Column, target: str) -> str:
    place = (target, table.name, column.name)
    if place in _PARENTAL or (table.name == "activityparty" and column.name == "activityid"):
        return "Cascade"
    if place in _RESTRICTED or (target in _RESTRICTING_TARGETS and column.name not in {"preferredsystemuserid"}):
        return "Restrict" if not column.custom else "RemoveLink"
    if column.name in _FOLLOWING and (table.activity or table.name in {"annotation", "connection", "listmember", "activitymimeattachment"}):
        return "Cascade"
    if table.name == "customeraddress" and column.name == "parentid":
        return "Cascade"
    return "RemoveLink"
