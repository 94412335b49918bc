"""Sign-offs and history are append-only in the database too, not only in the models.

What names people may be taken out of a row, where the row gets the hash of what is left. All else is refused: the row's own hashes, numbers,
moments and people. PostgreSQL refuses to delete a row as well. TRUNCATE, which empties test databases, fires no row trigger.
On SQLite a test database is emptied by DELETE, which a trigger can't tell from a person's; and who can write the file could drop the trigger
as well. A deleted entry of the history is found by `verify_history`, on both. SQLite makes a table anew to alter it, and its triggers go with
the old one: a migration that alters one of these makes them anew.
"""

from django.db import migrations

# Table -> what is said, and the columns that may change together with redacted_hash.
TABLES = {
    "engagements_signoff": ("Sign-offs", ("content", "note")),
    "engagements_auditentry": ("Entries of the history", ("subject", "detail")),
}

POSTGRESQL = """
CREATE OR REPLACE FUNCTION {table}_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.redacted_hash <> '' AND NEW.redacted_hash <> OLD.redacted_hash
       AND to_jsonb(NEW) - '{{{columns}}}'::text[] = to_jsonb(OLD) - '{{{columns}}}'::text[] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '{words} are never changed or deleted.' USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER IF EXISTS {table}_stays ON {table};
CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_stays();
"""
POSTGRESQL_BACK = """
DROP TRIGGER {table}_stays ON {table};
DROP FUNCTION {table}_stays();
"""
SQLITE_DROP = "DROP TRIGGER IF EXISTS {table}_stays;"
SQLITE = """
CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table}
WHEN NOT (NEW.redacted_hash <> '' AND NEW.redacted_hash <> OLD.redacted_hash AND {same})
BEGIN
    SELECT RAISE(ABORT, '{words} are never changed.');
END;
"""


def _run(schema_editor, statements):
    connection = schema_editor.connection
    for table, (words, changing) in TABLES.items():
        with connection.cursor() as cursor:
            columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
        free = ("redacted_hash", *changing)
        same = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in columns if name not in free)
        for statement in statements[connection.vendor]:
            schema_editor.execute(statement.format(table=table, words=words, columns=",".join(free), same=same), params=None)


def forwards(apps, schema_editor):
    _run(schema_editor, {"postgresql": [POSTGRESQL], "sqlite": [SQLITE_DROP, SQLITE]})


def backwards(apps, schema_editor):
    _run(schema_editor, {"postgresql": [POSTGRESQL_BACK], "sqlite": [SQLITE_DROP]})


class Migration(migrations.Migration):
    dependencies = [("engagements", "0001_squashed_0013_pages_by_key")]
    operations = [migrations.RunPython(forwards, backwards)]
