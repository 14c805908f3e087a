"""The fixtures of the tests keep their word: an empty book, no strange keys, no Redis of somebody else flushed."""

import subprocess
import sys

import pytest
from django.db import connection

from copytrading import embedded
from copytrading.env import BASE_DIR
from orders.book.connection import ledger, market
from tests.fixtures import folders
from tests.fixtures.book import Book
from tests.fixtures.servers import TEST_MARK, Stand, _claim, client_of


def test_the_book_is_empty_and_may_be_used(book: Book) -> None:
    assert book.keys() == []
    assert ledger().run([("ledger:id", ("SET", "ledger:id", "x", "GET"))]) == [None]
    assert book.keys() == ["ledger:id"]


@pytest.mark.parametrize("round_number", [1, 2])
def test_nothing_stays_from_one_test_to_the_next(book: Book, round_number: int) -> None:
    assert book.ledger.get("halts") is None
    book.ledger.set("halts", str(round_number))


@pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)
def test_the_book_works_on_a_single_node_and_on_a_cluster(book: Book) -> None:
    ledger().run([(key, ("SET", key, "1")) for key in ("ledger:id", "halts", "terms:epoch")])
    assert book.keys() == ["halts", "ledger:id", "terms:epoch"]


def test_strange_keys_are_noticed_on_both_instances(book: Book) -> None:
    book.ledger.set("user:17", "1")
    book.market.set("price_EURUSD", "1")
    book.market.set("celery:_kombu", "1")
    book.market.set("cache:1:x", "1")
    assert book.strangers() == ["user:17", "price_EURUSD"]
    book.ledger.delete("user:17")
    book.market.delete("price_EURUSD")


@pytest.mark.ledger
def test_a_mark_gives_the_book_as_well() -> None:
    assert market().ping() is True


@pytest.mark.django_db
def test_the_database_is_a_test_database() -> None:
    assert str(connection.settings_dict["NAME"]).startswith("test_")


def test_a_child_process_sees_the_database_of_the_test(environ: dict[str, str]) -> None:
    ask = "from django.db import connection as c; c.ensure_connection(); print(c.settings_dict['NAME'])"
    told = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", ask],
        cwd=BASE_DIR,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == connection.settings_dict["NAME"]


@pytest.mark.parametrize("round_number", [1, 2])
def test_a_stand_has_servers_of_its_own(stand: Stand, round_number: int) -> None:
    assert stand.query("SELECT count(*) FROM accounts_user") == [(0,)]
    assert stand.manage("seed_demo", "--password=for-a-test").wait() == 0
    assert stand.query("SELECT count(*) FROM accounts_user") == [(6,)]
    stand.database.kill()
    stand.database.start()
    assert stand.query("SELECT count(*) FROM accounts_user") == [(6,)]


def test_a_redis_with_data_is_not_flushed() -> None:
    server = embedded.start_ledger(folders.fresh())
    try:
        client = client_of(server.url)
        client.set("precious", "1")
        with pytest.raises(pytest.exit.Exception, match="may not be flushed"):
            _claim(server.url)
        client.delete("precious")
        _claim(server.url)
        client.set("left by a test", "1")
        _claim(server.url)
        assert client.get(TEST_MARK) == "1"
        client.close()
    finally:
        server.kill()
