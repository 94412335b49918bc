import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import workbench.engagements.secrets
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('engagements', '0001_initial'),
        ('engagements', '0002_append_only_triggers'),
        ('engagements', '0003_edition_and_storage'),
        ('engagements', '0004_invitation'),
        ('engagements', '0005_insights_journeys'),
        ('engagements', '0006_further_connections'),
        ('engagements', '0007_refreshed'),
        ('engagements', '0008_daily_requests'),
        ('engagements', '0009_schema_signature'),
        ('engagements', '0010_redacted_hash'),
        ('engagements', '0011_redaction_triggers'),
        ('engagements', '0012_pseudonyms'),
        ('engagements', '0013_pages_by_key'),
    ]

    initial = True

    dependencies = [
        ('auth', '__first__'),
    ]

    operations = [
        migrations.CreateModel(
            name='Engagement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120)),
                ('slug', models.SlugField(help_text="Part of every row id that is made: it can't change once rows exist.", max_length=60, unique=True)),
                ('platform', models.CharField(choices=[('iterable', 'Iterable'), ('customerio', 'Customer.io'), ('salesmate', 'Salesmate'), ('sparkcrm', 'Spark CRM'), ('wetroo', 'Wetroo')], max_length=20, verbose_name='source platform')),
                ('prefix', models.CharField(default='mwb', max_length=8, validators=[django.core.validators.RegexValidator('^(?!mscrm)[a-z][a-z0-9]{1,7}$', '2 to 8 lower-case letters or digits, a letter first, not starting with mscrm.')], verbose_name='publisher prefix')),
                ('options', models.JSONField(blank=True, default=dict, help_text='lifecycle_field, owner_field, organisation_list_prefix, source_zone, day_zone, ...', verbose_name='names and zones')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Connection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('iterable', 'Iterable'), ('customerio', 'Customer.io'), ('salesmate', 'Salesmate'), ('sparkcrm', 'Spark CRM'), ('wetroo', 'Wetroo'), ('dataverse', 'Dataverse')], max_length=20)),
                ('name', models.CharField(max_length=80)),
                ('base_url', models.CharField(help_text='https://api.iterable.com, https://contoso.crm4.dynamics.com', max_length=300, validators=[django.core.validators.URLValidator(['https', 'http'])], verbose_name='address')),
                ('settings', models.JSONField(blank=True, default=dict)),
                ('secret', workbench.engagements.secrets.EncryptedTextField(blank=True, help_text='Stored encrypted and never shown again.', verbose_name='key or client secret')),
                ('ca_pem', models.TextField(blank=True, help_text='Only where the address has a private certificate.', verbose_name='certificate authority (PEM)')),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='connections', to='engagements.engagement')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('engagement', 'name'), name='connection_name_once')],
            },
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('redacted_hash', models.CharField(blank=True, default='', editable=False, max_length=64)),
                ('number', models.PositiveIntegerField()),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(help_text='User name, or the task that acted.', max_length=150)),
                ('action', models.CharField(max_length=80)),
                ('subject', models.CharField(max_length=200)),
                ('detail', models.JSONField(default=dict)),
                ('previous_hash', models.CharField(max_length=64)),
                ('hash', models.CharField(max_length=64)),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='history', to='engagements.engagement')),
            ],
            options={
                'verbose_name': 'history entry',
                'verbose_name_plural': 'history',
                'ordering': ['engagement', 'number'],
                'indexes': [models.Index(fields=['engagement', 'id'], name='engagements_engagem_325813_idx')],
                'constraints': [models.UniqueConstraint(fields=('engagement', 'number'), name='audit_number_once')],
            },
        ),
        migrations.CreateModel(
            name='Environment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('sandbox', 'Sandbox'), ('production', 'Production')], max_length=12)),
                ('edition', models.CharField(blank=True, choices=[('', 'Not entered'), ('professional', 'Sales Professional'), ('enterprise', 'Sales Enterprise'), ('premium', 'Sales Premium')], default='', max_length=12)),
                ('licences', models.PositiveIntegerField(blank=True, help_text='Dynamics 365 Enterprise or Professional licences of the tenant.', null=True)),
                ('daily_requests', models.PositiveBigIntegerField(blank=True, help_text="What the load may use of the tenant's pool, each row counted; the whole pool where this is empty. A run that has used it pauses, and goes on by itself when there is room again.", null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='requests in 24 hours')),
                ('insights_journeys', models.BooleanField(blank=True, help_text='Whether it is licensed: journeys of the source can be rebuilt there.', null=True, verbose_name='Customer Insights - Journeys')),
                ('free_database_gb', models.DecimalField(blank=True, decimal_places=2, max_digits=9, null=True, verbose_name='free database GB')),
                ('free_file_gb', models.DecimalField(blank=True, decimal_places=2, max_digits=9, null=True, verbose_name='free file GB')),
                ('free_log_gb', models.DecimalField(blank=True, decimal_places=2, max_digits=9, null=True, verbose_name='free log GB')),
                ('refreshed_at', models.DateTimeField(blank=True, editable=False, help_text='When somebody last said that it was copied anew: what was loaded before may be gone.', null=True)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='environments', to='engagements.connection')),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='environments', to='engagements.engagement')),
                ('further_connections', models.ManyToManyField(blank=True, help_text='Connections to the same address as other application users: each may call as often as the first; they share the load.', related_name='+', to='engagements.connection', verbose_name='further application users')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('engagement', 'kind'), name='environment_kind_once'), models.CheckConstraint(condition=models.Q(('free_database_gb__isnull', True), ('free_database_gb__gte', 0), _connector='OR'), name='environment_free_database'), models.CheckConstraint(condition=models.Q(('free_file_gb__isnull', True), ('free_file_gb__gte', 0), _connector='OR'), name='environment_free_file'), models.CheckConstraint(condition=models.Q(('free_log_gb__isnull', True), ('free_log_gb__gte', 0), _connector='OR'), name='environment_free_log')],
            },
        ),
        migrations.CreateModel(
            name='ErasedName',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pseudonym', models.CharField(max_length=80)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='erased_names', to='engagements.engagement')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('engagement', 'pseudonym'), name='erased_name_once')],
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(help_text='It becomes the name that the person signs in with.', max_length=150, verbose_name='e-mail')),
                ('role', models.CharField(choices=[('approver', 'Customer approver'), ('viewer', 'Customer viewer'), ('dynamics_admin', "Customer's Dynamics admin")], max_length=20)),
                ('key', models.CharField(editable=False, max_length=64, unique=True)),
                ('invited_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('accepted_at', models.DateTimeField(blank=True, null=True)),
                ('accepted_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to='engagements.engagement')),
                ('invited_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-invited_at', '-pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('accepted_at__isnull', True), ('revoked_at__isnull', True)), fields=('engagement', 'email', 'role'), name='one_open_invitation_per_role')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('engineer', 'Engineer'), ('approver', 'Customer approver'), ('viewer', 'Customer viewer'), ('dynamics_admin', "Customer's Dynamics admin")], max_length=20)),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='engagements.engagement')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('engagement', 'user', 'role'), name='one_role_once')],
            },
        ),
        migrations.CreateModel(
            name='PseudonymKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', workbench.engagements.secrets.EncryptedTextField(editable=False)),
                ('engagement', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='pseudonym_key', to='engagements.engagement')),
            ],
        ),
        migrations.CreateModel(
            name='SignOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('redacted_hash', models.CharField(blank=True, default='', editable=False, max_length=64)),
                ('kind', models.CharField(choices=[('matrix', 'Split matrix and companies'), ('sandbox', 'Sandbox run'), ('schema', 'Removal of the schema')], max_length=12)),
                ('covers', models.JSONField()),
                ('content', models.JSONField(help_text='What the signer was shown.')),
                ('content_sha256', models.CharField(max_length=64)),
                ('signed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('address', models.GenericIPAddressField(null=True)),
                ('note', models.TextField(blank=True)),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='signoffs', to='engagements.engagement')),
                ('signed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'sign-off',
                'ordering': ['-signed_at'],
            },
        ),
    ]
