"""The database's clock, by which leases, signs of life and pauses are told: it is one for all machines, whose own may be minutes apart.

Queries take it as `Now()`, which both databases write in the form in which they keep moments; this is for comparing what was read.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import connection

_ASK = {"postgresql": "SELECT STATEMENT_TIMESTAMP()", "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')"}


def now() -> datetime:
    """The moment by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(_ASK[connection.vendor])
        found: Any = cursor.fetchone()[0]
    return found if isinstance(found, datetime) else datetime.fromisoformat(found).replace(tzinfo=UTC)
