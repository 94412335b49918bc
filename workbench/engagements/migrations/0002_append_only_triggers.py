"""Sign-offs and history are append-only in the database too, not only in the models.

PostgreSQL refuses UPDATE and DELETE of a row. TRUNCATE, which empties test databases, fires no row trigger.
SQLite refuses UPDATE only: a test database is emptied there by DELETE, which a trigger can't tell from a person's; and who can
write the file could drop the trigger as well. A deleted entry of the history is found by `verify_history`, on both.
"""

from django.db import migrations

TABLES = {"engagements_signoff": "Sign-offs", "engagements_auditentry": "Entries of the history"}

POSTGRESQL = """
CREATE FUNCTION {table}_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{words} are never changed or deleted.' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_stays();
"""
POSTGRESQL_BACK = """
DROP TRIGGER {table}_stays ON {table};
DROP FUNCTION {table}_stays();
"""
SQLITE = """
CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table}
BEGIN
    SELECT RAISE(ABORT, '{words} are never changed.');
END;
"""
SQLITE_BACK = "DROP TRIGGER {table}_stays;"


def _run(schema_editor, statements):
    for table, words in TABLES.items():
        for statement in statements.get(schema_editor.connection.vendor, ()):
            schema_editor.execute(statement.format(table=table, words=words), params=None)


def forwards(apps, schema_editor):
    _run(schema_editor, {"postgresql": [POSTGRESQL], "sqlite": [SQLITE]})


def backwards(apps, schema_editor):
    _run(schema_editor, {"postgresql": [POSTGRESQL_BACK], "sqlite": [SQLITE_BACK]})


class Migration(migrations.Migration):
    dependencies = [("engagements", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
