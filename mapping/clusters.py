"""Who is the same person, who survives, and which company a person belongs to: SQL over the keys of people.

Every function takes a DuckDB connection with a table `keys` (see mapping.people.KEYS) and leaves tables behind it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from connectors.store import fill
from mapping.companies import company_keys
from mapping.consent import MEDIA


def load_keys(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The table `keys` from its Parquet file."""
    con.execute("CREATE TABLE keys AS SELECT * FROM read_parquet(?) ORDER BY position", [str(path)])


def add_memberships(con: duckdb.DuckDBPyConnection, path: Path, lists: Collection[str]) -> None:
    """Add to `keys.lists` the memberships of these lists that the profiles don't name, as those of dynamic lists.

    path: a file of mapping.side_keys.MEMBERS. To be called before `cluster`; a member is every record with that user id or e-mail.
    """
    if not lists:
        return
    fill(con, "wanted_lists", WANTED_LISTS, ((key,) for key in sorted(lists)))
    con.execute(
        """
        CREATE TABLE listed_members AS
        SELECT position, list(DISTINCT list_id ORDER BY list_id) AS more FROM (
            SELECT k.position, m.list_id FROM read_parquet($path) m JOIN wanted_lists USING (list_id)
            JOIN (SELECT position, email AS name FROM keys UNION ALL SELECT position, user_key FROM keys) k USING (name)
        ) GROUP BY position
        """,
        {"path": str(path)},
    )
    con.execute("""
        UPDATE keys SET lists = list_distinct(list_concat(lists, more)) FROM listed_members WHERE keys.position = listed_members.position
    """)


def load_buyers(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Tables `purchases` (number, names, currency, total, order_id) and `bought` (number, cluster): whose purchase each is, if known.

    path: a file of mapping.side_keys.PURCHASES. Needs `members` and `names`. Of several names of a purchase the first that somebody has
    decides.
    """
    con.execute("CREATE TABLE purchases AS SELECT row_number() OVER () AS number, * FROM read_parquet(?)", [str(path)])
    con.execute("""
        CREATE TABLE bought AS
        SELECT number, arg_min(cluster, place) AS cluster
        FROM (SELECT number, unnest(names) AS name, generate_subscripts(names, 1) AS place FROM purchases)
        JOIN (SELECT DISTINCT name, cluster FROM names JOIN members USING (position)) USING (name)
        GROUP BY number
    """)


def cluster(con: duckdb.DuckDBPyConnection, *, one: Collection[str] = (), several: Collection[str] = ()) -> None:
    """Tables `members` (position, cluster) and `clusters`, one row per person.

    Records with an equal e-mail or user id are one person, also through a third record; a user id that is another record's e-mail
    is equal to it, since both would be the same source id. The survivor is the most recently updated one (ties: the later row of
    the export). Forgotten and unreadable records are nobody's.
    one, several: of records with different last names, digests of those that somebody said are one person, and of those that are several.
    clusters: cluster, survivor (position), size, names (distinct last names), lists (of all members), the strictest consents.
    """
    con.execute("""
        CREATE TABLE members AS
        SELECT position, email, user_key, position AS cluster FROM keys WHERE problem IS NULL AND NOT forgotten
    """)
    con.execute("""
        CREATE TABLE names AS
        SELECT position, email AS name FROM members WHERE email IS NOT NULL
        UNION SELECT position, user_key FROM members WHERE user_key IS NOT NULL
    """)
    while _join(con):
        pass
    if several:
        _part(con, several)
    strictest = ", ".join(f"max(consent_{medium}) AS consent_{medium}" for medium in MEDIA)
    con.execute(f"""
        CREATE TABLE clusters AS
        SELECT m.cluster, arg_max(k.position, (k.updated, k.position)) AS survivor, count(*) AS size,
               count(DISTINCT nullif(k.last_name, '')) AS names,
               list_distinct(flatten(list(k.lists))) AS lists,
               {strictest}, bool_or(k.suppressed) AS suppressed, bool_or(k.no_mail) AS no_mail
        FROM members m JOIN keys k USING (position) GROUP BY m.cluster
    """)  # noqa: S608 - names of our own
    if one:
        fill(con, "said_one", DIGESTS, ((record,) for record in one))
        con.execute(f"UPDATE clusters SET names = 1 WHERE cluster IN ({_SAID.format(table='said_one')})")  # noqa: S608 - the same


DIGESTS = pa.schema([("record", pa.string())])
_SAID = """
    SELECT m.cluster FROM members m JOIN keys k USING (position) WHERE left(sha256(k.source_id), 24) IN (SELECT record FROM {table})
"""


def _part(con: duckdb.DuckDBPyConnection, several: Collection[str]) -> None:
    """Make a person of each last name in clusters that somebody said are several; who has none goes with the newest that has one.

    Records with one id can't be told apart by it: where they have different last names, the cluster stays whole.
    """
    fill(con, "said_several", DIGESTS, ((record,) for record in several))
    con.execute(f"""
        CREATE TABLE parts AS
        WITH named AS (
            SELECT m.cluster, k.position, k.source_id, coalesce(nullif(k.last_name, ''), arg_max(nullif(k.last_name, ''),
                   (k.updated, k.position)) OVER (PARTITION BY m.cluster), '') AS name
            FROM members m JOIN keys k USING (position) WHERE m.cluster IN ({_SAID.format(table="said_several")})),
        whole AS (SELECT cluster FROM named GROUP BY cluster, source_id HAVING count(DISTINCT name) > 1)
        SELECT position, min(position) OVER (PARTITION BY cluster, name) AS cluster FROM named
        WHERE cluster NOT IN (SELECT cluster FROM whole)
    """)  # noqa: S608 - names of our own
    con.execute("UPDATE members SET cluster = parts.cluster FROM parts WHERE members.position = parts.position")


def _join(con: duckdb.DuckDBPyConnection) -> int:
    """Give records with an equal e-mail or id their smallest cluster; how many records changed."""
    con.execute("""
        CREATE OR REPLACE TABLE joined AS
        SELECT position, min(smallest) AS smallest FROM (
            SELECT position, min(cluster) OVER (PARTITION BY name) AS smallest FROM names JOIN members USING (position))
        GROUP BY position
    """)
    [(changed,)] = con.execute("""
        UPDATE members SET cluster = joined.smallest FROM joined
        WHERE members.position = joined.position AND members.cluster <> joined.smallest
    """).fetchall()
    return changed


def load_organisations(con: duckdb.DuckDBPyConnection, lists: Mapping[str, str], free_mail: frozenset[str]) -> None:
    """Tables `organisation_lists` (list_id, name, name_key, folded) and `free_mail` (domain)."""
    fill(con, "organisation_lists", ORGANISATION_LISTS, ((key, name, *company_keys(name)) for key, name in lists.items()))
    fill(con, "free_mail", FREE_MAIL, ((domain,) for domain in sorted(free_mail)))


WANTED_LISTS = pa.schema([("list_id", pa.string())])
ORGANISATION_LISTS = pa.schema([(name, pa.string()) for name in ("list_id", "name", "name_key", "folded")])
FREE_MAIL = pa.schema([("domain", pa.string())])


# A person's own domain, unless a mail provider's.
PERSON_DOMAIN = """
    SELECT c.cluster, c.lists, d.domain FROM clusters c
    JOIN (SELECT position, split_part(email, '@', 2) AS domain FROM keys) d ON d.position = c.survivor
"""


def assign_companies(con: duckdb.DuckDBPyConnection, *, by_domain: bool) -> None:
    """Tables `organisations` (company, name, list_ids, domain, members) and `assigned` (cluster, company, ambiguous).

    Needs `clusters`, `wanted` (clusters that may bring a company of their domain), `organisation_lists`, `free_mail`.
    company: `list:<smallest list id>` of an organisation's lists, or `domain:<domain>`. A person in one organisation gets it;
    in several, the one whose members' commonest domain is theirs, else none, flagged; in none, that of their e-mail's domain.
    """
    con.execute(f"""
        CREATE TABLE people AS SELECT p.cluster, p.lists, CASE WHEN f.domain IS NULL THEN nullif(p.domain, '') END AS domain
        FROM ({PERSON_DOMAIN}) p LEFT JOIN free_mail f ON f.domain = p.domain
    """)  # noqa: S608 - text of our own
    con.execute("""
        CREATE TABLE organisations AS
        SELECT 'list:' || arg_min(list_id, (try_cast(list_id AS BIGINT), list_id)) AS company, name_key,
               arg_min(name, (try_cast(list_id AS BIGINT), list_id)) AS name, list(list_id ORDER BY list_id) AS list_ids
        FROM organisation_lists WHERE name_key <> '' GROUP BY name_key
    """)
    con.execute("""
        CREATE TABLE listed AS
        SELECT DISTINCT p.cluster, p.domain, o.company FROM people p, unnest(p.lists) AS l(list_id)
        JOIN organisation_lists ol ON ol.list_id = l.list_id JOIN organisations o USING (name_key)
    """)
    # The commonest domain of an organisation's members; none where two share the first place.
    con.execute("""
        CREATE TABLE commonest AS
        WITH counted AS (SELECT company, domain, count(*) AS n FROM listed WHERE domain IS NOT NULL GROUP BY ALL),
             ranked AS (SELECT *, max(n) OVER (PARTITION BY company) AS most FROM counted)
        SELECT company, any_value(domain) AS domain, any_value(n) AS n FROM ranked WHERE n = most GROUP BY company HAVING count(*) = 1
    """)
    _assign_listed(con)
    if by_domain:
        _assign_by_domain(con)


def _assign_listed(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""
        CREATE TABLE assigned AS
        WITH fitting AS (
            SELECT l.cluster, l.company, count(*) OVER (PARTITION BY l.cluster) AS organisations,
                   (c.domain IS NOT NULL AND c.domain = l.domain) AS fits
            FROM listed l LEFT JOIN commonest c USING (company))
        SELECT cluster,
               CASE WHEN any_value(organisations) = 1 THEN any_value(company)
                    WHEN count(*) FILTER (fits) = 1 THEN any_value(company) FILTER (fits) END AS company,
               any_value(organisations) > 1 AND count(*) FILTER (fits) <> 1 AS ambiguous
        FROM fitting GROUP BY cluster
    """)


def _assign_by_domain(con: duckdb.DuckDBPyConnection) -> None:
    """People in no organisation: the organisation whose members' commonest domain is theirs, else one of the domain itself."""
    con.execute("""
        CREATE TABLE domain_company AS
        WITH known AS (SELECT domain, arg_max(company, (n, company)) AS company FROM commonest GROUP BY domain),
             alone AS (SELECT DISTINCT p.domain FROM people p JOIN wanted USING (cluster)
                       WHERE p.domain IS NOT NULL AND p.cluster NOT IN (SELECT cluster FROM assigned))
        SELECT a.domain, coalesce(k.company, 'domain:' || a.domain) AS company, k.company IS NULL AS new
        FROM alone a LEFT JOIN known k USING (domain)
    """)
    con.execute("""
        INSERT INTO organisations
        SELECT company, domain AS name_key, domain AS name, [] AS list_ids FROM domain_company WHERE new
    """)
    con.execute("""
        INSERT INTO assigned
        SELECT p.cluster, d.company, false FROM people p JOIN wanted USING (cluster) JOIN domain_company d USING (domain)
        WHERE p.cluster NOT IN (SELECT cluster FROM assigned)
    """)
