from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("mapping", "0016_redacted_hash")]
    operations = [
        migrations.AlterModelOptions(name="ownerdirectory", options={"verbose_name_plural": "owner directories"}),
        migrations.AlterModelOptions(
            name="remedy",
            options={"ordering": ["object_name", "source_id", "table", "column"], "verbose_name_plural": "remedies"},
        ),
    ]
