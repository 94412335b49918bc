import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('pipeline', '0001_initial'),
        ('pipeline', '0002_step_leases'),
        ('pipeline', '0003_check_step'),
        ('pipeline', '0004_documents_step'),
        ('pipeline', '0005_delta_steps'),
        ('pipeline', '0006_sample'),
        ('pipeline', '0007_schema_removal'),
        ('pipeline', '0008_privacy_steps'),
    ]

    initial = True

    dependencies = [
        ('engagements', '0001_squashed_0013_pages_by_key'),
    ]

    operations = [
        migrations.CreateModel(
            name='Step',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(choices=[('discover', 'Discovery'), ('check', 'Checks of the environments'), ('extract', 'Extraction'), ('delta', 'Delta extraction'), ('provision', 'Provisioning'), ('remove', 'Removal of the schema'), ('refresh', 'Look at a refreshed environment'), ('sample', 'Sample'), ('load', 'Load'), ('documents', 'Documents'), ('handoff', 'Handoff'), ('erase', 'Erasure of a person'), ('purge', 'Purge')], max_length=12)),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed')], default='queued', max_length=8)),
                ('progress', models.CharField(blank=True, max_length=300)),
                ('message', models.TextField(blank=True)),
                ('requested_by', models.CharField(max_length=150)),
                ('queued_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('heartbeat_at', models.DateTimeField(blank=True, null=True)),
                ('worker', models.CharField(blank=True, editable=False, max_length=120)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False, help_text='Tasks that began since a part was last done.')),
                ('done', models.JSONField(default=list, editable=False, help_text='Names of the parts that are done.')),
                ('kept', models.JSONField(default=dict, editable=False, help_text='What the parts kept for those that follow.')),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='engagements.engagement')),
                ('environment', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='engagements.environment')),
            ],
            options={
                'ordering': ['-queued_at', '-pk'],
            },
        ),
    ]
