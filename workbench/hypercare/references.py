"""What people write to name a record: the address of its row in Dynamics 365, a table with a row id, or an object with a source id."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from loads import tracing
from mapping.playbooks import load_playbook
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement, Environment
from workbench.hypercare.models import Ticket, TicketRecord

AT_MOST, LONGEST = 10, 2_000
ROW = re.compile(r"([a-z][a-z0-9_]{0,99})[\s:(]+\{?([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\}?\)?", re.IGNORECASE)
HOW = "Write an address from Dynamics 365, a table and a row id, or an object and a source id such as user:u-118; one a line."


class NamesNoRecord(BadInput):
    """Lines that name no record; `problems` says of each what is wrong with it."""

    remedy = HOW

    def __init__(self, problems: list[str]) -> None:
        """Keep them apart for the form."""
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Reference:
    """A record that somebody named: by object and source id, by table and row id, or by both once the one was found by the other."""

    environment: Environment
    object_name: str = ""
    source_id: str = ""
    table: str = ""
    row_id: UUID | None = None

    def of(self, ticket: Ticket | None) -> TicketRecord:
        """As a ticket keeps it."""
        return TicketRecord(
            ticket=ticket,
            environment=self.environment,
            object_name=self.object_name,
            source_id=self.source_id,
            table=self.table,
            row_id=self.row_id,
        )


def read(engagement: Engagement, text: str) -> list[Reference]:
    """The records that a text names, one a line, each once. Raises NamesNoRecord with every line that names none, and BadInput."""
    lines = list(dict.fromkeys(filter(None, (line.strip() for line in text.splitlines()))))
    if len(lines) > AT_MOST:
        raise BadInput(f"These are {len(lines)} records.", remedy=f"Name at most {AT_MOST}, and say in the text how many more there are.")
    environments = _environments(engagement)
    if not lines:
        return []
    if not environments:
        raise BadInput("The engagement has no environment yet.", remedy="Raise the ticket without a record.")
    found: list[Reference] = []
    problems: list[str] = []
    for line in lines:
        try:
            found.append(_found(_read(engagement, environments, line)))
        except BadInput as error:
            problems.append(f"“{line[:80]}”: {error}{'' if error.remedy == HOW else f' {error.remedy}'}")
    if problems:
        raise NamesNoRecord(problems)
    return list(dict.fromkeys(found))


def _environments(engagement: Engagement) -> list[Environment]:
    """Production first: it is meant where nothing says otherwise."""
    rows = engagement.environments.select_related("connection").defer("connection__secret")
    return sorted(rows, key=lambda row: not row.is_production)


def _read(engagement: Engagement, environments: list[Environment], line: str) -> Reference:
    if len(line) > LONGEST:
        raise BadInput("The line is too long.", remedy=HOW)
    if re.match(r"https?://", line, re.IGNORECASE):
        return _address(environments, line)
    if row := ROW.fullmatch(line):
        return Reference(environments[0], table=row[1].lower(), row_id=UUID(row[2]))
    name, _, source_id = line.partition(":")
    known = {rule.name.casefold(): rule.name for rule in load_playbook(engagement.platform).objects}
    object_name = known.get(name.strip().casefold())
    if object_name is None or not source_id.strip() or len(source_id.strip()) > 330:
        id_alone = name == line and not any(map(str.isspace, line))
        more = f": before an id stands its object, such as user:{line[:80]}" if id_alone else ""
        raise BadInput(f"This names no record{more}.", remedy=HOW)
    return Reference(environments[0], object_name=object_name, source_id=source_id.strip())


def _address(environments: Iterable[Environment], address: str) -> Reference:
    """The row that an address of a record's page names, see `loads.destination.page_of`."""
    remedy = "Open the record in Dynamics 365 and copy the whole address: it has etn= and id= in it."
    try:
        parts = urlsplit(address)
        origin = _origin(address)
        query = {key.lower(): values[-1].strip() for key, values in parse_qs(parts.query, max_num_fields=50).items()}
    except ValueError as error:
        raise BadInput("The address can't be read.", remedy=remedy) from error
    environment = next((row for row in environments if _origin(row.connection.base_url) == origin), None)
    if environment is None:
        raise BadInput("The address isn't one of this engagement's environments.", remedy=remedy)
    row = ROW.fullmatch(f"{query.get('etn', '')} {query.get('id', '')}")
    if row is None:
        raise BadInput("The address names no record.", remedy=remedy)
    return Reference(environment, table=row[1].lower(), row_id=UUID(row[2]))


def _origin(address: str) -> tuple[str | None, int | None]:
    parts = urlsplit(address)
    return parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())


def _found(reference: Reference) -> Reference:
    """With the source record that the row was made of, where a run made it."""
    if reference.row_id is None:
        return reference
    source = tracing.source_of(reference.environment, reference.table, str(reference.row_id))
    if source is None:
        return reference
    return Reference(reference.environment, source.object_name, source.source_id, reference.table, reference.row_id)
