"""`manage.py reasons`: every reason for a refusal, as docs/reasons.md has them."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.api.schema import reasons_table

PAGE = """# Reasons

Every refusal, by API, admin, queues and statistics, has one of these names. HTTP is the status the API answers with;
where trying again may help, the answer has a `Retry-After` header. When several apply, the earlier in this table is
given. This page is what `manage.py reasons` prints.

"""


class Command(BaseCommand):
    help = "Prints the table of all reasons for a refusal in Markdown: name, HTTP status, whether to try again, advice."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(PAGE + reasons_table(), ending="")
