from django.db import migrations, models
from django.utils import timezone


class Migration(migrations.Migration):

    dependencies = [
        ('mapping', '0013_list_id_length'),
    ]

    operations = [
        migrations.AddField(
            model_name='sourcefield',
            name='first_seen_at',
            field=models.DateTimeField(default=timezone.now, help_text='When a profile first had it; new profiles keep it.'),
        ),
    ]
