
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reports', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='document',
            name='removed_at',
            field=models.DateTimeField(blank=True, help_text='Since it named people; hash and size stay, by which a copy can be checked.', null=True, verbose_name='file removed'),
        ),
    ]
