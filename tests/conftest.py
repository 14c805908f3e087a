"""What every test may use. Servers start when the first test asks for one, so `tests/rules` runs without any."""

import signal

import pytest

from tests.fixtures import folders

pytest_plugins = ["tests.fixtures.servers", "tests.fixtures.book", "tests.fixtures.floor", "tests.fixtures.watch"]

# A terminated run stops its servers as an interrupted one does.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    folders.remove(folders.of_this_run())
