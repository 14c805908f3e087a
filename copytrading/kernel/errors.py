"""Exceptions. A refusal is a value (`copytrading.kernel.rejections`); these are for what is broken."""


class InvariantBroken(Exception):
    """State that the Law forbids was met. Nobody but a process loop catches this; it pages."""


class LedgerUnavailable(Exception):
    """The book can't be asked now: not reachable, not yet checked after a restart, or an account is missing.

    Nothing was done. The message says which of them, and what the operator can do.
    """


class OutcomeUnknown(Exception):
    """A commit was sent and its reply was lost: it may have happened.

    `command_id` is the key under which the answer can be asked for again.
    """

    def __init__(self, command_id: str) -> None:
        super().__init__(f"the reply to command {command_id} was lost; send it again with the same key to learn more")
        self.command_id = command_id


class ConfigurationError(Exception):
    """A setting is missing or wrong. The message names it and says what to write there."""
