"""Runs 0002_guards.sql, which lies beside this file."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_tables")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(),
            "DROP FUNCTION orders_append_only CASCADE; DROP FUNCTION orders_forward_only CASCADE;",
        )
    ]
