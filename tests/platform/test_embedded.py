"""The embedded servers: start, stop, crash, and what an owner that died leaves behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest
import redis

from copytrading import embedded, endpoints
from copytrading.env import BASE_DIR
from tests.fixtures import folders
from tests.fixtures.book import Cluster
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = folders.fresh()
    yield made
    folders.remove(made)


def set_one(server: embedded.Valkey) -> None:
    with closing(server.client()) as client:
        client.set("kept", "1")


def get_one(server: embedded.Valkey) -> str | None:
    with closing(server.client()) as client:
        kept = client.get("kept")
        assert kept is None or isinstance(kept, str)
        return kept


def test_a_ledger_keeps_an_acknowledged_write_over_a_crash_and_a_restart(folder: Path) -> None:
    server = embedded.start_ledger(folder / "ledger")
    set_one(server)
    server.kill()
    assert server.pid is None
    server.start()
    assert get_one(server) == "1"
    server.restart()
    assert get_one(server) == "1"
    server.stop()


def test_the_ledger_runs_as_the_law_asks(folder: Path) -> None:
    server = embedded.start_ledger(folder / "ledger")
    with closing(server.client()) as client:
        asked = {name: client.config_get(name)[name] for name in embedded.LEDGER_CONFIG}
        assert asked == {
            "appendonly": "yes",
            "appendfsync": "always",
            "no-appendfsync-on-rewrite": "no",
            "maxmemory-policy": "noeviction",
        }
    server.stop()


def test_the_market_keeps_nothing_on_disk(folder: Path) -> None:
    server = embedded.market(folder / "market")
    server.start()
    set_one(server)
    server.restart()
    assert get_one(server) is None
    server.stop()


def test_sockets_are_for_their_owner_alone(folder: Path) -> None:
    with embedded.servers(folder):
        for name in ("ledger", "market", "postgresql"):
            assert (folder / name).stat().st_mode & 0o077 == 0, name
            assert psutil.Process(server_pid(folder / name)).net_connections(kind="tcp") == [], name


def server_pid(folder: Path) -> int:
    """The oldest process that works in `folder`."""
    return min(process.pid for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder))


def test_postgresql_keeps_what_was_committed_over_a_crash(folder: Path) -> None:
    server = embedded.Postgresql(folder / "postgresql")
    server.start()
    with closing(psycopg2.connect(server.url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 1 AS number")
    server.kill()
    server.start()
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT number FROM kept")
        assert cursor.fetchall() == [(1,)]
    server.stop()


def test_a_stale_postmaster_file_that_names_a_living_process_is_no_obstacle(folder: Path) -> None:
    server = embedded.Postgresql(folder / "postgresql", volatile=True)
    server.start()
    server.kill()
    stale = server.folder / "postmaster.pid"
    lines = stale.read_text().splitlines()
    stale.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    server.start()
    assert server.pid not in (None, os.getpid())
    server.stop()


def test_a_half_made_database_folder_is_made_again(folder: Path) -> None:
    (folder / "postgresql.new").mkdir(parents=True)
    (folder / "postgresql.new" / "PG_VERSION").write_text("18\n")
    server = embedded.Postgresql(folder / "postgresql", volatile=True)
    server.start()
    assert server.pid is not None
    server.stop()


OWNER = """
import pathlib, signal, sys, time
from copytrading import embedded
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background has it ignored
with embedded.servers(pathlib.Path(sys.argv[1])):
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def owner(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the three servers in `folder`."""
    started = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "up\n"
    yield started
    started.kill()
    started.wait()


def test_what_a_killed_owner_left_is_ended_and_its_data_kept(folder: Path, owner: subprocess.Popen[str]) -> None:
    left = server_pid(folder / "ledger"), server_pid(folder / "postgresql")
    set_one(embedded.ledger(folder / "ledger"))
    owner.kill()
    owner.wait()
    assert all(psutil.pid_exists(pid) for pid in left)
    with embedded.servers(folder):
        assert server_pid(folder / "ledger") != left[0]
        assert server_pid(folder / "postgresql") != left[1]
        assert get_one(embedded.ledger(folder / "ledger")) == "1"


def test_an_interrupt_of_the_whole_process_group_leaves_the_servers_to_their_owner(
    folder: Path, owner: subprocess.Popen[str]
) -> None:
    groups = {os.getpgid(server_pid(folder / name)) for name in ("ledger", "market", "postgresql")}
    assert owner.pid not in groups
    os.killpg(owner.pid, signal.SIGINT)
    owner.wait(timeout=60)
    eventually(lambda: not any(running(folder / name) for name in ("ledger", "market", "postgresql")))


def running(folder: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cwd", "status"])
        if process.info["cwd"] == str(folder) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    with pytest.raises(embedded.ServerFailed, match="Bad directive or wrong number of arguments"):
        embedded.start_ledger(folder / "ledger", no_such_setting="1")


def test_a_long_data_folder_gets_a_short_socket(folder: Path) -> None:
    long = folder / ("x" * 60) / ("y" * 60) / "ledger"
    server = embedded.start_ledger(long)
    socket = endpoints.socket_folder(long, endpoints.REDIS_SOCKET)
    assert socket.parent == Path("/tmp")
    assert len(os.fsencode(socket / endpoints.REDIS_SOCKET)) < 60
    set_one(server)
    server.stop()
    socket.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(folder: Path) -> None:
    long = folder / ("x" * 60) / ("z" * 60) / "ledger"
    socket = endpoints.socket_folder(long, endpoints.REDIS_SOCKET)
    socket.symlink_to("/")
    try:
        with pytest.raises(embedded.ServerFailed, match="belongs to somebody else"):
            embedded.start_ledger(long)
    finally:
        socket.unlink()


def test_three_nodes_form_a_cluster(cluster: Cluster) -> None:
    url = urlsplit(cluster.url)
    tags = [f"{{{number}}}" for number in range(50)]
    with closing(redis.RedisCluster(host="127.0.0.1", port=url.port or 0, decode_responses=True)) as client:
        for tag in tags:
            client.set(tag, f"value of {tag}")
        assert {client.get_node_from_key(tag).port for tag in tags} == {node.port for node in cluster.nodes}
        assert [client.get(tag) for tag in tags] == [f"value of {tag}" for tag in tags]
        client.flushall(target_nodes=redis.RedisCluster.PRIMARIES)
