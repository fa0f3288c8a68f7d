from django.db import migrations, models


def link(constraint):
    return models.ForeignKey('studio.Pass', models.PROTECT, null=True, editable=False, db_column='pass_id',
                             db_constraint=constraint)


class Migration(migrations.Migration):
    dependencies = [('studio', '0003_after_attach')]
    operations = [
        migrations.AlterField('Appointment', 'paid_by', link(False)),
        migrations.AlterField('Appointment', 'paid_by', link(True)),
    ]
