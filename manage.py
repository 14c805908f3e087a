#!/usr/bin/env python
"""The command line of the project: `manage.py help` lists what it can do."""

import os
import sys

from copytrading.kernel.errors import ConfigurationError, LedgerUnavailable

#: Exit status when a server can't be reached; audit's for "could not check" is the same.
UNREACHABLE = 3


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "copytrading.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ConfigurationError as error:
        sys.exit(str(error))
    except Exception as error:
        if told := _unreachable(error):
            sys.stderr.write(f"{told}\n")
            sys.exit(UNREACHABLE)
        raise


def _unreachable(error: Exception) -> str | None:
    """One line, when a server does not answer; None for an error of any other kind."""
    import psycopg2
    import redis
    from django.db import OperationalError

    said = " ".join(str(error).split())
    advice = "start everything with make run, or check"
    if isinstance(error, LedgerUnavailable):
        return f"The ledger is unavailable: {said}; {advice} REDIS_URL and MARKET_REDIS_URL"
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        return f"Redis can't be reached: {said}; {advice} REDIS_URL and MARKET_REDIS_URL"
    cause = error.__cause__ if isinstance(error, OperationalError) else error
    # An error with a code is the answer of a server that was reached.
    if isinstance(cause, psycopg2.OperationalError) and cause.pgcode is None:
        return f"PostgreSQL can't be reached: {said}; {advice} DATABASE_URL"
    return None


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
