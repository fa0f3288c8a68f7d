from django.db import migrations

ATTACH = """
SELECT count(*) FROM session_consistency.attach('appointments', 'passes',
    member_column => 'customer_id', subscription_column => 'pass_id', type_column => NULL, status_column => 'state',
    scheduled_statuses => '{booked}', completed_statuses => '{attended}',
    subscription_member_column => 'customer_id', subscription_status_column => 'state',
    active_statuses => '{valid}', total_column => 'credits', used_column => 'credits_used',
    remaining_column => NULL, draw_order => 'valid_until')
"""
DETACH = "SELECT count(*) FROM session_consistency.detach('appointments', 'passes')"


class Migration(migrations.Migration):
    dependencies = [('studio', '0001_initial')]
    operations = [migrations.RunSQL(ATTACH, DETACH)]
