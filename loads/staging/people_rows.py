"""One person's row: mapped values, names, consent, owner and company, as the Web API takes them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectors.dataverse.columns import in_currency
from loads.destination import SOURCE_ID
from loads.models import Crosswalk
from loads.staging.context import StagingContext
from loads.staging.decisions import Money
from loads.staging.rows import Draft, lossy_columns
from loads.verification import BIND, MONEY
from mapping.computed import number
from mapping.consent import MEDIA, STRICTNESS, Consent, consent
from mapping.fieldmaps import compile_fieldmaps, reader, rules_of
from mapping.issues import Issue
from mapping.names import lead_subject, person_names, shorten
from mapping.transforms import utf16_length

if TYPE_CHECKING:
    from loads.staging.persons import Decision

ANSWERS = {place: answer for answer, place in STRICTNESS.items()}
OBJECT, TABLES = "user", ("contact", "lead")
NUMERIC = ("money", "decimal", "integer")  # transforms that make an amount of a number
COMPANY_NAME_LIMIT = 100
OF_COMPANY = {"contact": [f"parentcustomerid_account{BIND}"], "lead": [f"parentaccountid{BIND}", "companyname"]}  # keys of a body


def moneys_of_people(context: StagingContext) -> list[Money]:
    """The amounts that the maps put into columns of money, such as a lifetime value, by the field that says them; in the base currency."""
    found: dict[str, dict[str, list[str]]] = {}
    for table in TABLES:
        columns = context.destination.table(table).columns
        for rule in rules_of(context.contents["maps"], OBJECT, table):
            is_money = rule.column in columns and columns[rule.column].kind == MONEY and rule.transform in NUMERIC
            if is_money and rule.state == "confirmed":
                found.setdefault(rule.source, {name: [] for name in TABLES})[table][:] = [rule.column]
    return [_money(source, tables) for source, tables in sorted(found.items())]


def _money(source: str, tables: Mapping[str, Sequence[str]]) -> Money:
    raw = reader(source)
    names = {source, *(column for columns in tables.values() for column in columns)}
    return Money(source, tables, lambda record: ("", [number(raw(record))]), frozenset(("loss", name) for name in names))


class PersonRows:
    """Builds drafts of contacts and leads from raw records, by the maps as the run's plan has them."""

    def __init__(self, context: StagingContext) -> None:
        """Compile the maps once per table."""
        self.context, self.prefix = context, context.prefix
        maps = context.contents["maps"]
        self.rules = {table: rules_of(maps, OBJECT, table) for table in TABLES}
        self.sources = {
            table: {rule.column: rule.source for rule in rules if rule.state == "confirmed"} for table, rules in self.rules.items()
        }
        self.maps = {
            table: compile_fieldmaps(rules, in_currency(context.destination.table(table).columns, context.decimals()), context.time)
            for table, rules in self.rules.items()
        }
        self.readers = {rule.source: reader(rule.source) for rules in self.rules.values() for rule in rules}
        identity = context.playbook.identity
        self.first, self.last = reader(identity.first_name), reader(identity.last_name)
        self.full = [reader(name) for name in identity.full_names]
        self.consent_rules = context.person_rules.consent

    def person(self, record: dict[str, Any], decision: "Decision") -> tuple[Draft, list[Issue]]:
        """The draft of a person's row and every issue of its record. A record without a table is read as a contact, for its issues."""
        table = decision.table or "contact"
        mapped = self.maps[table](record)
        values, issues = mapped.values, mapped.issues
        full = next((text for text in (read(record) for read in self.full) if text), None)
        names = person_names(self.first(record), self.last(record), decision.email or None, full)
        issues += [issue for issue in names.issues if issue.severity == "reject" or issue.field not in values]
        if decision.consent_noted:
            issues += consent(record, self.consent_rules).issues
        if decision.inactive:
            issues.append(Issue("match.inactive", "", f"contact {decision.row_id}", "note"))
        if decision.untouched_lead:
            issues.append(Issue("match.lead_untouched", "", f"lead {decision.untouched_lead}", "note"))
        values.update(names.values(self.prefix))
        values["emailaddress1"] = decision.email
        values[f"{self.prefix}_{SOURCE_ID}"] = f"{OBJECT}:{decision.source_id}"
        values.update(self._consent(decision))
        parents = self._company(values, table, decision, issues)
        owner = self.context.owners.get(decision.owner)
        if owner:
            values[f"ownerid{BIND}"] = owner
        if decision.created:
            values["overriddencreatedon"] = decision.created
        if table == "lead":
            values["subject"], _ = lead_subject(self.context.playbook.title, names, decision.email)
        elif decision.lead_id:
            values[f"originatingleadid{BIND}"] = f"/leads({decision.lead_id})"
            values.update(dict.fromkeys(decision.lead_refused, True))  # what the person refused as a lead stays refused
        return self._draft(record, decision, table, values, parents, issues), issues

    def _draft(
        self, record: dict[str, Any], decision: "Decision", table: str, values: dict[str, Any], parents: list[str], issues: Sequence[Issue]
    ) -> Draft:
        sources = self.sources[table]
        return Draft(
            row_id=decision.row_id,
            source_id=decision.source_id,
            position=decision.position,
            main_table=table,
            origin=decision.origin,
            present=decision.present,
            applied_hash=decision.applied_hash,
            values=values,
            parents=parents,
            lossy=lossy_columns(issues, sources, values),
            source=lambda: {column: self.readers[source](record) for column, source in sources.items() if column in values},
            companions={f"{self.prefix}_name_derived": "lastname"},
            fills=[*self.maps[table].columns, "firstname", *OF_COMPANY[table]],
        )

    def _consent(self, decision: "Decision") -> dict[str, bool]:
        """The strictest answers of the cluster; a person on a suppression list is opted out of all."""
        answers: dict[str, Any] = {medium: ANSWERS[place] for medium, place in zip(MEDIA, decision.consent, strict=True)}
        strictest = Consent(**answers, suppressed=decision.suppressed, no_mail=decision.no_mail)
        return strictest.values(self.prefix, self.consent_rules.unknown_is_out)

    def _company(self, values: dict[str, Any], table: str, decision: "Decision", issues: list[Issue]) -> list[str]:
        if decision.ambiguous_company:
            issues.append(Issue("company.ambiguous", self.context.person_rules.lists, "", "note"))
        if not decision.company_row:
            return []
        navigation = "parentcustomerid_account" if table == "contact" else "parentaccountid"
        values[navigation + BIND] = f"/accounts({decision.company_row})"
        if table == "lead" and decision.company_name:
            self._company_name(values, decision.company_name, issues)
        return [f"account:{decision.company_row}"]

    def _company_name(self, values: dict[str, Any], name: str, issues: list[Issue]) -> None:
        values["companyname"], whole = shorten(name, COMPANY_NAME_LIMIT)
        if whole is not None:
            issues.append(Issue("text.shortened", "companyname", f"{utf16_length(whole)} of {COMPANY_NAME_LIMIT}", "loss"))
            self.maps["lead"].keep_whole(values, issues, f"{self.prefix}_original_values", {"companyname": whole})

    def former_lead(self, decision: "Decision") -> Draft:
        """The open lead of a person who is a contact now: tied to it and qualified, its history left where it is but for new refusals.

        QualifyLead would make new rows, so the state is set directly. Source: the service's lead states, 1 Qualified, 3 Qualified.

        The state goes with the ties and not in the late pass, since no row needs the lead open: what comes after looks up to the contact.
        So one version guards both, one before-image puts both back, and no seller finds the person twice between two phases.
        """
        ties: dict[str, Any] = {f"parentcontactid{BIND}": f"/contacts({decision.row_id})", "statecode": 1, "statuscode": 3}
        parents = [f"contact:{decision.row_id}"]
        refusals = {column: refused for column, refused in self._consent(decision).items() if refused}
        if decision.company_row:
            ties[f"parentaccountid{BIND}"] = f"/accounts({decision.company_row})"
            parents.append(f"account:{decision.company_row}")
        return Draft(
            row_id=str(decision.lead_id),
            source_id=decision.source_id,
            position=decision.position,
            main_table="contact",
            origin=Crosswalk.Origin.MATCHED,
            present=True,
            applied_hash=decision.lead_hash,
            values={f"{self.prefix}_{SOURCE_ID}": f"{OBJECT}:{decision.source_id}", **refusals},
            parents=parents,
            always=ties,
        )
