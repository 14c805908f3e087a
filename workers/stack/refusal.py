"""Why nothing was started."""


class StackRefused(Exception):
    """The message says what is in the way and what to do."""
