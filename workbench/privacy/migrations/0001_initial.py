import django.db.models.deletion
import django.utils.timezone
import workbench.engagements.secrets
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '__first__'),
        ('engagements', '0001_squashed_0013_pages_by_key'),
    ]

    operations = [
        migrations.CreateModel(
            name='Purge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('requested_by', models.CharField(max_length=150)),
                ('begun_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('evidence', models.JSONField(default=dict)),
                ('counts', models.JSONField(default=dict)),
                ('entry', models.PositiveIntegerField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('engagement', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='purge', to='engagements.engagement')),
            ],
        ),
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('person', models.CharField(max_length=80)),
                ('names', models.JSONField(default=list)),
                ('sought', workbench.engagements.secrets.EncryptedTextField(blank=True, editable=False)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('counts', models.JSONField(default=dict)),
                ('entry', models.PositiveIntegerField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='erasures', to='engagements.engagement')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-requested_at', '-pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('finished_at', None)), fields=('engagement',), name='one_open_erasure_per_engagement')],
            },
        ),
    ]
