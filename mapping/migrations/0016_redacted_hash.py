from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mapping", "0015_quality_duties")]
    operations = [
        migrations.AddField(
            model_name="planversion",
            name="redacted_hash",
            field=models.CharField(blank=True, default="", editable=False, max_length=64),
        )
    ]
