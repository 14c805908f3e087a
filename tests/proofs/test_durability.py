"""The start-up check: a ledger that could lose what it acknowledged is not traded on, unless somebody allowed it."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from copytrading import embedded
from copytrading.kernel.errors import LedgerUnavailable
from orders.book import guard
from orders.book.connection import unguarded_ledger
from orders.messages import Done
from tests.accounts import rows
from tests.fixtures import folders
from tests.fixtures.book import Cluster, forget
from tests.fixtures.floor import Floor
from workers.stack import preparation
from workers.stack.refusal import StackRefused

FAULT = "the ledger's appendfsync is 'everysec'; set it to 'always', or allow ALLOW_VOLATILE_LEDGER=1"


@pytest.fixture
def everysec(
    floor: Floor, settings: Settings, start_server: Callable[[embedded.Server], embedded.Server]
) -> embedded.Server:
    """An empty ledger that writes to the disk once a second; from now on it is this process's."""
    server = start_server(embedded.ledger(folders.fresh(), appendfsync="everysec"))
    settings.LEDGER_URL = server.url
    forget()
    return server


@pytest.mark.usefixtures("everysec")
def test_a_ledger_that_writes_once_a_second_is_not_opened(floor: Floor) -> None:
    account = rows.account("live", "bob", sending_orders="rock").ref
    assert guard.clear() == [FAULT]
    for ask in (floor.open, lambda: floor.money("deposit", "5", account)):
        with pytest.raises(LedgerUnavailable, match="has not been compared with the record yet"):
            ask()


@pytest.mark.usefixtures("everysec")
def test_the_stack_does_not_start_on_it() -> None:
    with pytest.raises(StackRefused, match="can't be used") as refused:
        preparation.open_ledger()
    assert FAULT in str(refused.value)


@pytest.mark.usefixtures("everysec")
def test_unless_told_that_it_may(floor: Floor, settings: Settings) -> None:
    settings.ALLOW_VOLATILE_LEDGER = True
    account = rows.account("live", "bob", sending_orders="rock").ref
    assert guard.clear() == []
    assert isinstance(floor.money("deposit", "5", account), Done)


def test_a_setting_that_changes_later_is_found_by_the_next_check(
    floor: Floor, settings: Settings, everysec: embedded.Valkey
) -> None:
    """Of a cluster or a server that somebody else runs: what was durable at the start may not be so for ever."""
    everysec.client().config_set("appendfsync", "always")
    assert guard.clear() == []
    assert guard.check_settings(unguarded_ledger()) == []
    everysec.client().config_set("appendfsync", "everysec")
    assert guard.check_settings(unguarded_ledger()) == [FAULT]


def test_what_we_start_ourselves_is_durable(floor: Floor, cluster: Cluster, settings: Settings) -> None:
    assert guard.check_settings(unguarded_ledger()) == []
    settings.LEDGER_URL = cluster.url
    forget()
    assert guard.check_settings(unguarded_ledger()) == []
