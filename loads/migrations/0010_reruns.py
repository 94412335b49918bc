import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loads', '0009_rehearsal'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='groups',
            field=models.JSONField(default=list, editable=False, help_text='Of a re-run: the groups of exceptions that are sent again.'),
        ),
        migrations.AddField(
            model_name='run',
            name='rerun_of',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reruns', to='loads.run'),
        ),
    ]
