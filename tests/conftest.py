"""What every test may use. Servers start when the first test asks for one, so `tests/rules` runs without any."""

import signal

import pytest
from django.conf import settings
from django.test import TransactionTestCase
from hypothesis import settings as hypothesis

from tests.fixtures import folders

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.book",
    "tests.fixtures.floor",
    "tests.fixtures.desk",
    "tests.fixtures.cutter",
    "tests.fixtures.watch",
    "tests.fixtures.lines",
]

# The suite tries the same examples each time; `--hypothesis-profile=explore` looks for new ones.
hypothesis.register_profile("suite", deadline=None, derandomize=True)
hypothesis.register_profile("explore", deadline=None, max_examples=500)
hypothesis.load_profile("suite")

# A terminated run stops its servers as an interrupted one does.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> None:
    """Emptying the tables after a test does not make all permissions anew, which takes longer than most tests."""
    TransactionTestCase.available_apps = list(settings.INSTALLED_APPS)


def pytest_unconfigure(config: pytest.Config) -> None:
    folders.remove(folders.of_this_run())
