"""What the destination holds before anything moves: users, teams, and the accounts, contacts and leads that sellers made already.

Rows are in the Web API's read form. Production and sandbox have the same users under other ids, and rows of their own.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from connectors.simulators.world import automation
from connectors.simulators.world.companies import BY_DOMAIN_NAME, HOME, LEAVER, SHARED, TEAM, Company, Rep
from connectors.simulators.world.people import Person

Row = dict[str, Any]
LOGICAL_NAME = "@Microsoft.Dynamics.CRM.lookuplogicalname"
TABLES = ("businessunit", "transactioncurrency", "systemuser", "team", "account", "contact", "lead", *automation.TABLES)
# Code, name, symbol, units of it for one of the base currency, which is the first.
CURRENCIES = (("EUR", "Euro", "€", 1.0), ("USD", "US Dollar", "$", 1.08), ("GBP", "Pound Sterling", "£", 0.86))
SHARE = 0.02  # of the people who are at the destination already, as contact, as lead, as both


class Organisation:
    """One organisation's files on their way."""

    def __init__(self, folder: Path, name: str, seed: int, end: datetime, people: int) -> None:
        """folder: where its files go. name: dataverse or dataverse_sandbox."""
        self.name, self.end, self.people = name, end, people
        self.dice = random.Random(f"{seed}/{name}")
        self._aside = random.Random(f"{seed}/{name}/aside")
        self.accounts: dict[str, str] = {}  # company domain -> account id
        self.users: list[str] = []  # ids of the enabled salespeople
        self.made = 0
        self.unit, self.other_unit = self.row_id(), self.row_id()  # the root business unit and one below it
        # All of them, rows or not: a file that the sandbox lacked would be production's, with production's users.
        self._files: dict[str, BinaryIO] = {table: (folder / f"{table}.ndjson").open("wb") for table in TABLES}

    def write(self, table: str, row: Row) -> None:
        """One row more of a table."""
        self._files[table].write(orjson.dumps(row) + b"\n")

    def close(self) -> None:
        """No more rows."""
        for file in self._files.values():
            file.close()

    def row_id(self) -> str:
        """An id as the service gives them."""
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))

    def aside_id(self) -> str:
        """An id for what has nothing to do with people, so that they stay the same whatever else an organisation has."""
        return str(uuid.UUID(int=self._aside.getrandbits(128), version=4))

    def common(self, state: int = 0, reason: int = 1) -> Row:
        """State, owner and age of a seller's row."""
        created = self.end - timedelta(minutes=self.dice.randrange(2_000, 1_200_000))
        moment, owner = f"{created.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", self.dice.choice(self.users)
        return {
            "statecode": state,
            "statuscode": reason,
            "_ownerid_value": owner,
            f"_ownerid_value{LOGICAL_NAME}": "systemuser",
            "_owninguser_value": owner,
            "_owningbusinessunit_value": self.unit,
            "createdon": moment,
            "modifiedon": moment,
        }


def start_organisation(folder: Path, name: str, seed: int, end: datetime, people: int) -> Organisation:
    """An organisation whose files are still empty."""
    folder.mkdir(parents=True, exist_ok=True)
    return Organisation(folder, name, seed, end, people)


def write_users(organisation: Organisation, reps: Sequence[Rep]) -> None:
    """Two business units, salespeople and everybody else who has a user: a leaver, a shared address, support and application users; teams.

    The sandbox lacks the last salesperson.
    """
    sandbox = organisation.name.endswith("sandbox")
    organisation.write("businessunit", {"businessunitid": organisation.unit, "name": "Halden & Voss", "isdisabled": False})
    below = {"businessunitid": organisation.other_unit, "name": "Nordics", "isdisabled": False}
    organisation.write("businessunit", below | {"_parentbusinessunitid_value": organisation.unit})
    for rep in reps[:-1] if sandbox else reps:
        user = _user(organisation, rep.given, rep.family, rep.email)
        organisation.users.append(user["systemuserid"])
        organisation.write("systemuser", user)
    for given, family, email, more in (
        ("Kerstin", "Adler", LEAVER, {"isdisabled": True, "islicensed": False}),
        ("Nils", "Nord", SHARED, {"domainname": f"n.nord@{HOME}"}),
        ("Nina", "Nord", SHARED.upper(), {"domainname": f"nina.nord@{HOME}", "_businessunitid_value": organisation.other_unit}),
        ("Bea", "Okafor", "bea.okafor@private.example", {"domainname": BY_DOMAIN_NAME.upper()}),
        ("Support", "Delegate", f"support@{HOME}", {"accessmode": 3}),
        ("Reader", "Only", f"reader@{HOME}", {"accessmode": 2}),
        ("#", "ERP Integration", f"erp@{HOME}", {"accessmode": 4, "applicationid": organisation.row_id(), "islicensed": False}),
    ):
        organisation.write("systemuser", _user(organisation, given, family, email) | more)
    for name, kind in ((TEAM, 0), ("Key Accounts", 0), ("Deal room 7", 1), ("Historic Owners", 0)):
        team = {"teamid": organisation.row_id(), "name": name, "teamtype": kind, "isdefault": False}
        organisation.write("team", team | {"_businessunitid_value": organisation.unit, "_administratorid_value": organisation.users[0]})


def write_currencies(organisation: Organisation) -> None:
    """The currencies that sellers deal in; the base currency is the one of rate 1."""
    for code, name, symbol, rate in CURRENCIES:
        row = {"transactioncurrencyid": organisation.row_id(), "currencyname": name, "isocurrencycode": code, "currencysymbol": symbol}
        organisation.write("transactioncurrency", row | {"exchangerate": rate, "currencyprecision": 2, "statecode": 0, "statuscode": 1})


def write_accounts(organisation: Organisation, companies: Sequence[Company]) -> None:
    """Every eighth company is there: by name, by name in other case, by website only; one twice, one inactive, one of no company."""
    offset = 3 if organisation.name.endswith("sandbox") else 0
    for place, company in enumerate(companies[offset::8]):
        for row in _accounts(organisation, company, place):
            organisation.write("account", row)
    stray = {"accountid": organisation.row_id(), "name": "Müßiggang & Söhne oHG", "websiteurl": None}
    organisation.write("account", stray | organisation.common(1, 2))


def _accounts(organisation: Organisation, company: Company, place: int) -> Iterator[Row]:
    names = (company.name, company.name.upper(), f"{company.name.split()[0]} (old name)", company.name)
    sites = (f"https://www.{company.domain}/", company.domain.upper(), f"http://{company.domain}/en/start?utm=1", None)
    row: Row = {"accountid": organisation.row_id(), "name": names[place % 4], "websiteurl": sites[place % 4]}
    row |= {"telephone1": "+49 221 5550100"} | organisation.common()
    organisation.accounts[company.domain] = row["accountid"]
    yield row
    if place == 1:  # a second account fits as well: nobody but a person can say which
        yield row | {"accountid": organisation.row_id(), "name": company.name, "createdon": "2019-05-01T08:00:00Z"}


def write_person(organisation: Organisation, person: Person) -> None:
    """Some of the clean people are there already, and all forms of a match once at least among the first of them."""
    dice, row = organisation.dice, person.row
    if person.kinds or (organisation.made >= len(FORMS) or organisation.people < 60) and dice.random() > SHARE:
        return
    if organisation.made < len(FORMS) and dice.random() > 0.2:
        return
    form = FORMS[organisation.made % len(FORMS)]
    organisation.made += 1
    for table, changes in form:
        at_hand = _contact(organisation, person) if table == "contact" else _lead(organisation, person)
        organisation.write(table, at_hand | {key: value(row) if callable(value) else value for key, value in changes.items()})


def _contact(organisation: Organisation, person: Person) -> Row:
    row = person.row
    made: Row = {"contactid": organisation.row_id()} | _name_and_address(row)
    account = organisation.accounts.get(person.company.domain) if person.company else None
    if account:
        made |= {"_parentcustomerid_value": account, f"_parentcustomerid_value{LOGICAL_NAME}": "account"}
    return made | {"donotbulkemail": False} | organisation.common()


def _lead(organisation: Organisation, person: Person) -> Row:
    row = person.row
    made: Row = {"leadid": organisation.row_id()} | _name_and_address(row)
    made |= {"subject": f"Interest of {row['lastName']}", "companyname": person.company.name[:100] if person.company else None}
    return made | {"donotbulkemail": False} | organisation.common()


def _name_and_address(row: Row) -> Row:
    first, last = row["firstName"], row["lastName"]
    return {"firstname": first, "lastname": last, "fullname": f"{first} {last}", "emailaddress1": row["email"]}


def _user(organisation: Organisation, given: str, family: str, email: str) -> Row:
    return {
        "systemuserid": organisation.row_id(),
        "firstname": given,
        "lastname": family,
        "fullname": f"{given} {family}",
        "internalemailaddress": email,
        "domainname": email,
        "azureactivedirectoryobjectid": organisation.row_id(),
        "isdisabled": False,
        "islicensed": True,
        "accessmode": 0,
        "_businessunitid_value": organisation.unit,
    }


def _upper(row: Row) -> str:
    return str(row["email"].upper())


# How a person can be at the destination: rows of one or two tables, each with what it says other than the source.
FORMS: tuple[tuple[tuple[str, Row], ...], ...] = (
    (("contact", {"emailaddress1": _upper, "jobtitle": "As the seller knows it", "telephone1": "+44 20 5550199"}),),
    (("lead", {"emailaddress1": _upper}),),
    (("contact", {}), ("lead", {"statuscode": 2})),                                  # a contact and an open lead
    (("contact", {"donotbulkemail": True}),),
    (("lead", {"statecode": 2, "statuscode": 5}),),                                  # closed: not a match
    (("contact", {}), ("contact", {"jobtitle": "The same person twice"})),           # ambiguous
    (("lead", {"statecode": 1, "statuscode": 3}),),
    (("lead", {"donotbulkemail": True, "mobilephone": "+46 70 5550123"}),),
    (("contact", {"statecode": 1, "statuscode": 2}),),                               # inactive
    (("contact", {"firstname": None, "fullname": lambda row: row["lastName"]}),),
    (("lead", {"emailaddress1": lambda row: f" {row['email'].title()} "}),),
    (("lead", {}), ("lead", {"statuscode": 2})),                                     # two open leads
)  # fmt: skip
