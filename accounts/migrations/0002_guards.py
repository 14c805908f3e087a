"""Runs 0002_guards.sql, which lies beside this file."""

from pathlib import Path

from django.db import migrations

_FUNCTIONS = ("accounts_kept", "accounts_currency_of_group", "accounts_permanent", "accounts_sessions_valid")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_tables")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(),
            # Each function takes its triggers and its CHECK with it.
            "".join(f"DROP FUNCTION {name} CASCADE;" for name in _FUNCTIONS),
        )
    ]
