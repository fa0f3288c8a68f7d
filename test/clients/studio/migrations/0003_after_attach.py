from importlib import import_module

from django.db import migrations, models

ATTACH = import_module('studio.migrations.0002_attach').ATTACH
# The counts view stands on the column whose type changes.
WITHOUT_VIEW = ATTACH.replace('remaining_column', 'make_view => false, remaining_column')


class Migration(migrations.Migration):
    dependencies = [('studio', '0002_attach')]
    operations = [
        migrations.AddField('Appointment', 'room', models.TextField(null=True)),
        migrations.AlterField('Pass', 'note', models.CharField(max_length=200, default='')),
        migrations.RunSQL(WITHOUT_VIEW, ATTACH),
        migrations.AlterField('Pass', 'credits_used', models.BigIntegerField(default=0, editable=False)),
        migrations.RunSQL(ATTACH, WITHOUT_VIEW),
    ]
