"""Runs 0004_audit_log_grows.sql, which lies beside this file."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_audit_log")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(), "DROP FUNCTION accounts_append_only CASCADE;"
        )
    ]
