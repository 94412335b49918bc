from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from tests.pages import cast
from workbench.engagements import history, redaction
from workbench.engagements.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.database]
TABLE = AuditEntry._meta.db_table


@pytest.fixture
def northwind():
    engagement = cast.make_engagement("Northwind")
    for number in range(3):
        history.record(engagement, actor="ada", action="changed", subject=f"thing {number}", detail={"n": number})
    return engagement


@pytest.fixture
def _without_triggers():
    """Someone with the rights to do so went around the triggers."""
    with connection.cursor() as cursor:
        on = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER {TABLE}_stays{on}")


def forge(sql: str, *values) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def test_entries_are_numbered_and_chained_per_engagement(northwind):
    other = cast.make_engagement("Contoso")
    first = history.record(other, actor="ada", action="opened", subject="Contoso")
    numbers = list(AuditEntry.objects.filter(engagement=northwind).order_by("number").values_list("number", flat=True))
    assert numbers == [1, 2, 3]
    assert (first.number, first.previous_hash) == (1, history.GENESIS)
    assert list(history.breaks(northwind)) == []


@pytest.mark.usefixtures("_without_triggers")
@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (f"UPDATE {TABLE} SET subject = 'nothing' WHERE number = 2", "Entry 2 was changed"),
        (f"UPDATE {TABLE} SET actor = 'eve' WHERE number = 3", "Entry 3 was changed"),
        (f"DELETE FROM {TABLE} WHERE number = 2", "Entry 2 is missing"),
        (f"UPDATE {TABLE} SET previous_hash = 'x' WHERE number = 2", "Entry 2 doesn't follow"),
    ],
)
def test_a_forged_entry_is_named(northwind, sql, says):
    forge(sql)
    assert any(line.startswith(says) for line in history.breaks(northwind))


@pytest.mark.usefixtures("northwind")
def test_the_command_is_content_with_a_chain_that_holds():
    out = StringIO()
    call_command("verify_history", stdout=out)
    assert "northwind: 3 entries, the chain holds." in out.getvalue()


@pytest.mark.usefixtures("northwind", "_without_triggers")
def test_the_command_fails_and_names_the_break():
    forge(f"UPDATE {TABLE} SET subject = 'nothing' WHERE number = 2")
    err = StringIO()
    with pytest.raises(CommandError):
        call_command("verify_history", stdout=StringIO(), stderr=err)
    assert "northwind: Entry 2 was changed" in err.getvalue()


def test_the_command_refuses_a_slug_that_nobody_has():
    with pytest.raises(CommandError, match="nobody"):
        call_command("verify_history", "nobody")


def test_an_entry_can_not_be_changed_or_deleted_through_the_model(northwind):
    entry = northwind.history.get(number=1)
    entry.subject = "something else"
    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        entry.delete()


def test_the_database_itself_refuses_to_change_an_entry(northwind):
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        AuditEntry.objects.filter(engagement=northwind).update(actor="eve")


@pytest.mark.skipif(connection.vendor == "sqlite", reason="see the migration: SQLite has no trigger for DELETE")
def test_the_database_itself_refuses_to_delete_an_entry(northwind):
    with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
        AuditEntry.objects.filter(engagement=northwind).delete()


def test_what_names_people_is_taken_out_of_an_entry_and_the_chain_holds(northwind):
    entry = northwind.history.get(number=2)
    assert redaction.redact(entry, subject="(removed)", detail={})
    assert not redaction.redact(entry, subject="(removed)", detail={})
    history.record(northwind, actor="ada", action="purged", subject="Northwind", detail={"redacted": redaction.told(northwind)})
    assert northwind.history.get(number=2).subject == "(removed)"
    assert list(history.breaks(northwind)) == []


def test_a_redaction_that_no_entry_tells_of_is_named(northwind):
    redaction.redact(northwind.history.get(number=2), subject="(removed)")
    assert any("no entry tells of it" in line for line in history.breaks(northwind))


@pytest.mark.usefixtures("_without_triggers")
@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (f"UPDATE {TABLE} SET subject = 'nothing' WHERE number = 2", "Entry 2 was changed after it was redacted."),
        (f"UPDATE {TABLE} SET redacted_hash = 'x' WHERE number = 3", "The redacted rows aren't those that entry 4 tells of."),
        (f"UPDATE {TABLE} SET redacted_hash = '' WHERE number = 2", "Entry 2 was changed after it was written."),
    ],
)
def test_a_forged_redaction_is_named(northwind, sql, says):
    redaction.redact(northwind.history.get(number=2), subject="(removed)", detail={})
    history.record(northwind, actor="ada", action="purged", subject="Northwind", detail={"redacted": redaction.told(northwind)})
    forge(sql)
    assert says in list(history.breaks(northwind))


@pytest.mark.parametrize("column", ["actor", "action", "hash", "previous_hash"])
def test_the_database_lets_a_redaction_change_what_names_people_and_nothing_else(northwind, column):
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        AuditEntry.objects.filter(engagement=northwind, number=2).update(**{column: "x"}, redacted_hash="y")
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        AuditEntry.objects.filter(engagement=northwind, number=2).update(subject="x")
