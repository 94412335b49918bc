import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import workbench.engagements.secrets


class Migration(migrations.Migration):
    dependencies = [("engagements", "0011_redaction_triggers")]
    operations = [
        migrations.CreateModel(
            name="PseudonymKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", workbench.engagements.secrets.EncryptedTextField(editable=False)),
                (
                    "engagement",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pseudonym_key", to="engagements.engagement"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ErasedName",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("pseudonym", models.CharField(max_length=80)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "engagement",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="erased_names", to="engagements.engagement"),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("engagement", "pseudonym"), name="erased_name_once")]},
        ),
    ]
