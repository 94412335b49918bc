"""Discovery of an environment: does it answer, what may the application user do, who can own, which tables are there; then proposals."""

from collections.abc import Iterator

from django.db import transaction

from connectors.base import Finding
from connectors.dataverse import directory
from connectors.dataverse.client import Client
from connectors.dataverse.directory import User
from connectors.dataverse.metadata import read_table
from mapping import plan
from mapping.models import DiscoveryFinding, FieldMap, ObjectMap, OwnerMatch, SourceField
from mapping.playbooks import load_playbook
from mapping.profiles import FieldProfile
from mapping.propose import propose_map
from workbench.engagements import history
from workbench.engagements.models import Engagement, Environment

NEEDED = {
    "prvOverrideCreatedOnCreatedBy": "Without it rows get the load's date as created on.",
    "prvBypassCustomBusinessLogic": "Without it the quiet load can't switch custom logic off.",
    "prvDeleteContact": "Without it a rollback can't remove contacts.",
    "prvDeleteLead": "Without it a rollback can't remove leads.",
    "prvDeleteAccount": "Without it a rollback can't remove accounts.",
}
PERSON_OBJECT = "user"


def discover(environment: Environment, *, actor: object, progress) -> None:
    """Audit an environment and leave findings, matched owners and, where there are source profiles, proposed field maps."""
    engagement = environment.engagement
    progress(f"checking {environment.get_kind_display().lower()}")
    client = Client.from_connection(environment.connection)
    people = list(directory.users(client))
    findings = list(_findings(client, people))
    columns = {table: read_table(client, table).columns for row in ObjectMap.objects.filter(engagement=engagement) for table in row.tables}
    with transaction.atomic():
        DiscoveryFinding.objects.filter(engagement=engagement, environment=environment).delete()
        DiscoveryFinding.objects.bulk_create(
            DiscoveryFinding(engagement=engagement, environment=environment, check_name=one.check, severity=one.severity, evidence=one.evidence, remedy=one.remedy)
            for one in findings
        )
        _match_owners(engagement, people)
        _propose_maps(engagement, columns)
        plan.revise(engagement, "owners", actor=actor)
        plan.revise(engagement, "maps", actor=actor)
        history.record(engagement, actor=actor, action="discovered destination", subject=str(environment), detail={"users": len(people)})


def _findings(client: Client, people: list[User]) -> Iterator[Finding]:
    me = client.who_am_i()
    yield Finding("environment answers", "info", f"Signed in as application user {me['UserId']}.")
    held = directory.privileges(client, me["UserId"])
    for privilege, why in NEEDED.items():
        if privilege not in held:
            yield Finding(f"privilege {privilege}", "warning", why, "Add the privilege to the application user's role.")
    able = [user for user in people if user.can_own]
    yield Finding("users", "info", f"{len(able)} of {len(people)} users can own rows.")
    addresses = [user.email.lower() for user in able if user.email]
    doubled = sorted({address for address in addresses if addresses.count(address) > 1})
    if doubled:
        evidence = f"{len(doubled)} e-mail addresses belong to several enabled users."
        yield Finding("users with one e-mail", "warning", evidence, "Answer these owners by domain name.")
    currency = directory.base_currency(client)
    yield Finding("base currency", "info", currency.code)


def _match_owners(engagement: Engagement, people: list[User]) -> None:
    """Answer the owners whose e-mail or domain name is exactly one user's who can own rows; the others stay open."""
    for match in OwnerMatch.objects.filter(engagement=engagement, kind=OwnerMatch.Kind.OPEN).exclude(source_owner=""):
        for key in (lambda user: user.email, lambda user: user.domain_name):
            able = [user for user in people if user.can_own and key(user).strip().lower() == match.source_owner]
            if len(able) == 1:
                match.kind, match.answer, match.note = OwnerMatch.Kind.USER, key(able[0]), "Matched by e-mail or domain name."
                match.save(update_fields=["kind", "answer", "note"])
                break


def _propose_maps(engagement: Engagement, columns) -> None:
    """A proposed line for every profiled field in every table of its object; lines that are there already stay."""
    playbook = load_playbook(engagement.platform)
    profiles = [_profile(row) for row in SourceField.objects.filter(engagement=engagement, object_name=PERSON_OBJECT)]
    known = set(FieldMap.objects.filter(engagement=engagement).values_list("object_name", "source", "table"))
    rows = []
    for table in playbook.object(PERSON_OBJECT).tables:
        proposals = propose_map(
            profiles,
            playbook,
            object_name=PERSON_OBJECT,
            table=table,
            columns=columns[table],
            prefix=engagement.prefix,
            settings=plan.names_of(engagement),
        )
        for proposal in proposals:
            row = proposal.as_row()
            if (row["object"], row["source"], row["table"]) not in known:
                rows.append(FieldMap(engagement=engagement, object_name=row.pop("object"), **row))
    FieldMap.objects.bulk_create(rows, batch_size=500)


def _profile(row: SourceField) -> FieldProfile:
    return FieldProfile(
        name=row.name,
        declared_type=row.declared_type,
        rows=row.rows,
        filled=row.filled,
        distinct=row.distinct,
        top=tuple((value, count) for value, count in row.top),
        types=row.types,
        max_length=row.max_length,
        min=float(row.minimum) if row.minimum else None,
        max=float(row.maximum) if row.maximum else None,
        decimals=row.decimals,
    )
