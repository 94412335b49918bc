from django.db import migrations, models

REDACTED = models.CharField(blank=True, default="", editable=False, max_length=64)


class Migration(migrations.Migration):
    dependencies = [("engagements", "0009_schema_signature")]
    operations = [
        migrations.AddField(model_name="auditentry", name="redacted_hash", field=REDACTED),
        migrations.AddField(model_name="signoff", name="redacted_hash", field=REDACTED),
    ]
