"""The rows that an organisation has before anyone loads data: unit, currency, application user, team, roles, publisher, messages."""

from .organisation import Organisation
from .store import Row
from .tables import Table

APPLICATION_NAME = "# Migration Workbench"
SPECIAL_PRIVILEGES = (
    "prvOverrideCreatedOnCreatedBy", "prvActOnBehalfOfAnotherUser", "prvBypassCustomBusinessLogic", "prvBypassCustomPlugins",
    "prvBulkDelete", "prvActivateBusinessProcessFlow", "prvPublishCustomization", "prvCreateEntity", "prvCreateAttribute",
    "prvCreateRelationship", "prvDeleteEntity", "prvDeleteAttribute", "prvDeleteRelationship", "prvImportCustomization",
    "prvReadRole", "prvReadUser",
)  # fmt: skip


def add(org: Organisation, started: str) -> None:
    """Add each built-in row that the data folder hasn't given already, created at the moment `started`."""
    _Maker(org, started).make()


class _Maker:
    def __init__(self, org: Organisation, started: str) -> None:
        self._org, self._now = org, started

    def make(self) -> None:
        unit = self._org.root_unit or self._row("businessunit", "root", {"name": "migration", "isdisabled": False})
        currency = self._currency()
        self._organization(currency)
        users = [self._application_user(unit, number) for number in range(len(self._org.client_ids))]
        self._team(unit, users[0])
        self._roles(unit, users)
        self._solutions()
        self._messages()

    def _row(self, table_name: str, natural: str, values: Row) -> str:
        table: Table = self._org.table(table_name)
        row_id = self._org.id_of(table_name, natural)
        row = {c.name: c.default for c in table.columns.values() if c.default is not None} | values
        row |= {table.primary_id: row_id, "createdon": self._now, "modifiedon": self._now}
        row["versionnumber"] = self._org.store.next_version()
        self._org.store.put(table_name, row_id, row)
        self._org.store.mark_made(table_name, row_id, natural)
        return row_id

    def _currency(self) -> str:
        currencies = self._org.rows("transactioncurrency")
        base = self._org.base_currency
        if base in currencies:
            return str(base)
        for row_id, row in currencies.items():
            if float(row.get("exchangerate") or 0) == 1.0:
                return row_id
        values = {"currencyname": "US Dollar", "isocurrencycode": "USD", "currencysymbol": "$", "exchangerate": 1.0, "currencyprecision": 2}
        return self._row("transactioncurrency", "USD", values)

    def _organization(self, currency: str) -> None:
        symbol = self._org.rows("transactioncurrency")[currency].get("currencysymbol", "$")
        if self._org.rows("organization"):
            return
        self._row("organization", "organization", {
            "name": f"simulated-{self._org.name}", "_basecurrencyid_value": currency, "basecurrencysymbol": symbol, "languagecode": 1033,
            "localeid": 1033, "maxuploadfilesize": 5242880, "oobpricecalculationenabled": True, "pricingdecimalprecision": 2,
            "currencydecimalprecision": 2, "isduplicatedetectionenabled": True, "schemanameprefix": "new",
            "blockedattachments": "ade;adp;app;asp;bat;chm;cmd;com;cpl;exe;hta;inf;jar;js;jse;lnk;msi;ps1;reg;scr;vb;vbe;vbs;wsf;wsh",
        })  # fmt: skip

    def _application_user(self, unit: str, number: int) -> str:
        client_id = self._org.client_ids[number]
        found = self._org.application_user(client_id)
        if found is not None:
            return str(found["systemuserid"])
        tail = f" {number + 1}" if number else ""
        natural = f"application{tail}"
        return self._row("systemuser", natural, {
            "fullname": APPLICATION_NAME + tail, "firstname": "#", "lastname": f"Migration Workbench{tail}",
            "domainname": f"migration-workbench{tail.strip()}@{self._org.name}.example.com",
            "applicationid": client_id.lower(), "isdisabled": False, "accessmode": 4, "islicensed": False,
            "azureactivedirectoryobjectid": self._org.id_of("entra", natural), "_businessunitid_value": unit,
        })  # fmt: skip

    def _team(self, unit: str, user: str) -> None:
        teams = self._org.rows("team").values()
        if any(row.get("isdefault") and row.get("_businessunitid_value") == unit for row in teams):
            return
        name = self._org.rows("businessunit")[unit].get("name")
        values = {"name": name, "isdefault": True, "teamtype": 0, "_businessunitid_value": unit, "_administratorid_value": user}
        self._row("team", "default", values)

    def _roles(self, unit: str, applications: list[str]) -> None:
        given = bool(self._org.rows("systemuserroles"))
        admin = self._row("role", "System Administrator", {"name": "System Administrator", "_businessunitid_value": unit})
        sales = self._row("role", "Salesperson", {"name": "Salesperson", "_businessunitid_value": unit})
        for user in applications if given else list(self._org.rows("systemuser")):
            role = admin if user in applications else sales
            self._row("systemuserroles", f"{user}:role", {"systemuserid": user, "roleid": role})
        owning = [] if self._org.rows("teamroles") else [i for i, row in self._org.rows("team").items() if row.get("teamtype", 0) != 1]
        for team in owning:
            self._row("teamroles", f"{team}:role", {"teamid": team, "roleid": sales})

    def _solutions(self) -> None:
        publisher = self._row("publisher", "DefaultPublisher", {
            "uniquename": f"DefaultPublisher{self._org.name}", "friendlyname": "Default Publisher", "customizationprefix": "new",
            "customizationoptionvalueprefix": 10000, "isreadonly": False,
        })  # fmt: skip
        for name, friendly in (("Default", "Default Solution"), ("Active", "Active Solution")):
            values = {"uniquename": name, "friendlyname": friendly, "version": "1.0", "ismanaged": False, "_publisherid_value": publisher}
            self._row("solution", name, values)

    def _messages(self) -> None:
        for name in ("Create", "Update", "Delete", "CreateMultiple", "UpdateMultiple"):
            self._row("sdkmessage", name, {"name": name})
        for table in list(self._org.catalog.tables.values()):
            add_message_filters(self._org, table)


def add_message_filters(org: Organisation, table: Table) -> None:
    """The rows that say which messages a table supports."""
    bulk = ("CreateMultiple", "UpdateMultiple") if table.bulk else ()
    for name in ("Create", "Update", "Delete", *bulk):
        row_id = org.id_of("sdkmessagefilter", name, table.name)
        row = {"sdkmessagefilterid": row_id, "name": name, "_sdkmessageid_value": org.id_of("sdkmessage", name),
               "primaryobjecttypecode": table.name, "versionnumber": org.store.next_version()}  # fmt: skip
        org.store.put("sdkmessagefilter", row_id, row)
        org.store.mark_made("sdkmessagefilter", row_id, f"{name}:{table.name}")
