"""`manage.py stack`: servers, demo data and every process of the project, until Ctrl-C."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from copytrading.embedded import ServerFailed
from workers.stack import folder, run
from workers.stack.refusal import StackRefused


class Command(BaseCommand):
    help = "Runs everything under one supervisor, with demo data, until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reset", action="store_true", help="Removes all data instead: the next run starts over.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["reset"]:
                folder.reset(settings.ENV.data_dir)
                self.stdout.write(f"{settings.ENV.data_dir} is empty now; the next run starts over.")
            else:
                run.everything(settings.ENV)
        except (StackRefused, ServerFailed) as error:
            sys.exit(str(error))
        except KeyboardInterrupt:
            sys.exit(130)
