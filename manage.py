#!/usr/bin/env python
"""The command line of the project: `manage.py help` lists what it can do."""

import os
import sys

from copytrading.kernel.errors import ConfigurationError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "copytrading.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ConfigurationError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
