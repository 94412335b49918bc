import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('connectors', '0001_initial'),
        ('connectors', '0002_dataset_memory'),
        ('connectors', '0003_dataset_findings'),
        ('connectors', '0004_dataset_counts'),
        ('connectors', '0005_delta'),
        ('connectors', '0006_pace_of_users'),
    ]

    initial = True

    dependencies = [
        ('engagements', '0001_squashed_0013_pages_by_key'),
    ]

    operations = [
        migrations.CreateModel(
            name='ServiceUser',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=24, unique=True)),
                ('held_until', models.DateTimeField(blank=True, help_text='The service asked it to wait until then.', null=True)),
                ('learned', models.JSONField(default=dict)),
                ('learned_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Dataset',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('object_name', models.CharField(max_length=60, verbose_name='object')),
                ('purpose', models.CharField(choices=[('discovery', 'Discovery'), ('load', 'Load')], max_length=10)),
                ('derived', models.BooleanField(default=False, help_text='Made from other datasets, as companies are from lists and domains.')),
                ('origin', models.CharField(blank=True, editable=False, help_text='Hash of where it came from and how records get their ids.', max_length=40)),
                ('state', models.CharField(choices=[('open', 'Being landed'), ('sealed', 'Sealed')], default='open', max_length=8)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, help_text='The boundary of the extraction window.')),
                ('sealed_at', models.DateTimeField(blank=True, null=True)),
                ('rows', models.PositiveBigIntegerField(default=0)),
                ('bad_rows', models.PositiveBigIntegerField(default=0, help_text='Lines that are not one JSON object; kept, and rejected with their reason.')),
                ('repeated_rows', models.PositiveBigIntegerField(default=0, help_text='Equal records from overlapping slices, which count once.')),
                ('size', models.PositiveBigIntegerField(default=0, verbose_name='bytes')),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('memory', models.JSONField(default=dict, editable=False, help_text='What the next task must know to go on landing.')),
                ('findings', models.JSONField(default=list, editable=False, help_text="What the source couldn't give, as it was read.")),
                ('counts', models.JSONField(default=list, editable=False, help_text='Of samples: how many records there are per value, exactly.')),
                ('base', models.ForeignKey(blank=True, help_text='The complete dataset whose unchanged records were carried over; empty where everything was asked for.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='connectors.dataset')),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='datasets', to='engagements.engagement')),
            ],
            options={
                'ordering': ['-started_at', '-pk'],
                'indexes': [models.Index(fields=['engagement', 'object_name', 'purpose'], name='connectors__engagem_20c489_idx')],
            },
        ),
        migrations.CreateModel(
            name='Piece',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('name', models.CharField(max_length=80)),
                ('rows', models.PositiveBigIntegerField()),
                ('bad_rows', models.PositiveBigIntegerField()),
                ('seconds', models.FloatField(default=0)),
                ('newest_at', models.DateTimeField(blank=True, editable=False, help_text='The greatest moment that the source filters by, not after the boundary.', null=True)),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='pieces', to='connectors.dataset')),
            ],
            options={
                'ordering': ['dataset', 'number'],
                'constraints': [models.UniqueConstraint(fields=('dataset', 'name'), name='piece_once')],
            },
        ),
    ]
