import datetime
import django.db.models.deletion
import django.utils.timezone
import workbench.hypercare.models
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
            name='HypercareCalendar',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('handed_off_on', models.DateField(blank=True, help_text='Only where another day counts than that of the first hand-off after production.', null=True, verbose_name='handed off on')),
                ('holidays', models.JSONField(blank=True, default=list, validators=[workbench.hypercare.models.valid_holidays], verbose_name='public holidays')),
                ('engagement', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='hypercare_calendar', to='engagements.engagement')),
            ],
            options={
                'verbose_name': 'hypercare calendar',
                'ordering': ['engagement__name'],
            },
        ),
        migrations.CreateModel(
            name='Ticket',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('title', models.CharField(max_length=200)),
                ('text', models.TextField(max_length=10000)),
                ('kind', models.CharField(choices=[('missing', 'Missing record'), ('wrong', 'Wrong value'), ('duplicate', 'Duplicate'), ('owner', 'Owner'), ('consent', 'Consent'), ('other', 'Something else')], max_length=10)),
                ('severity', models.CharField(choices=[('critical', 'Critical: work stands still'), ('high', 'High: work is hampered'), ('normal', 'Normal'), ('low', 'Low: a question or a wish')], default='normal', max_length=8)),
                ('state', models.CharField(choices=[('open', 'Open'), ('triaged', 'Triaged'), ('in_work', 'In work'), ('answered', 'Answered'), ('closed', 'Closed'), ('reopened', 'Reopened')], default='open', max_length=8)),
                ('cause', models.CharField(blank=True, choices=[('bug', 'Bug'), ('training', 'Training'), ('change', 'Change request')], max_length=8, verbose_name='triaged as')),
                ('raised_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('clock_from', models.DateTimeField(default=django.utils.timezone.now)),
                ('paused_at', models.DateTimeField(blank=True, null=True)),
                ('paused_for', models.DurationField(default=datetime.timedelta)),
                ('due_at', models.DateTimeField(verbose_name='due')),
                ('assignee', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tickets', to='engagements.engagement')),
                ('raised_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-raised_at', '-pk'],
                'indexes': [models.Index(fields=['engagement', 'state', 'due_at'], name='hypercare_t_engagem_cbe3c6_idx')],
                'constraints': [models.UniqueConstraint(fields=('engagement', 'number'), name='ticket_number_once'), models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['triaged', 'in_work', 'answered']), _negated=True), models.Q(('cause', ''), _negated=True), _connector='OR'), name='ticket_triaged_with_cause')],
            },
        ),
        migrations.CreateModel(
            name='TicketEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('by_customer', models.BooleanField()),
                ('internal', models.BooleanField(default=False, help_text='Seen by engineers only.')),
                ('text', models.TextField(blank=True, max_length=10000)),
                ('change', models.JSONField(blank=True, default=dict)),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('ticket', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='hypercare.ticket')),
            ],
            options={
                'verbose_name_plural': 'ticket entries',
                'ordering': ['ticket', 'pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(('internal', False), ('by_customer', False), _connector='OR'), name='ticket_note_of_engineers')],
            },
        ),
        migrations.CreateModel(
            name='TicketRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('object_name', models.CharField(blank=True, max_length=60, verbose_name='object')),
                ('source_id', models.CharField(blank=True, max_length=330)),
                ('table', models.CharField(blank=True, max_length=100)),
                ('row_id', models.UUIDField(blank=True, null=True)),
                ('environment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='engagements.environment')),
                ('ticket', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='records', to='hypercare.ticket')),
            ],
            options={
                'ordering': ['ticket', 'pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('object_name__gt', ''), ('source_id__gt', '')), models.Q(('row_id__isnull', False), ('table__gt', '')), _connector='OR'), name='ticket_record_named')],
            },
        ),
    ]
