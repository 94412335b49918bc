import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('reports', '0001_initial'),
        ('reports', '0002_removed_files'),
    ]

    initial = True

    dependencies = [
        ('engagements', '0001_squashed_0013_pages_by_key'),
        ('loads', '0001_squashed_0033_pages_by_key'),
    ]

    operations = [
        migrations.CreateModel(
            name='Document',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=30)),
                ('format', models.CharField(max_length=6)),
                ('path', models.CharField(max_length=300)),
                ('sha256', models.CharField(max_length=64)),
                ('size', models.PositiveBigIntegerField(default=0, verbose_name='bytes')),
                ('written_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('removed_at', models.DateTimeField(blank=True, help_text='Since it named people; hash and size stay, by which a copy can be checked.', null=True, verbose_name='file removed')),
                ('engagement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='documents', to='engagements.engagement')),
                ('run', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='documents', to='loads.run')),
            ],
            options={
                'ordering': ['-written_at', 'kind'],
            },
        ),
    ]
