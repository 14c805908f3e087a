"""`manage.py create_api_key USER --scopes read,trade`: prints a key once."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import trail
from accounts.models import ApiKey, Scope, User
from copytrading.kernel import clock


class Command(BaseCommand):
    help = "Makes an API key of a user and prints it once; only its hash is kept. Noted in the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The user name.")
        parser.add_argument("--scopes", required=True, help=f"Of {', '.join(Scope.values)}; commas between them.")
        parser.add_argument("--name", default="command line", help="What the key is for.")
        parser.add_argument("--days", type=int, default=365, help="Until it expires (365).")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}. Give the name of a user that exists.")
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        expires_at = clock.now() + timedelta(days=options["days"])
        try:
            key, secret = ApiKey.issue(user, options["name"], scopes, expires_at)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        after = {"user": user.username, "name": key.name, "prefix": key.prefix, "scopes": key.scopes}
        trail.note(trail.console(), "create_api_key", f"key:{key.pk}", after={**after, "expires_at": str(expires_at)})
        self.stdout.write(secret)
        scopes_given = ", ".join(key.scopes)
        self.stderr.write(
            f"Key {key.prefix} of {user}: {scopes_given}, until {expires_at:%Y-%m-%d}. It is not shown again."
        )
