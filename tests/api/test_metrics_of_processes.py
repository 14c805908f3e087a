"""Figures of several processes: added up as one, not one lost or counted twice when a process dies."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from django.conf import settings as project

from copytrading import env, telemetry
from copytrading.env import BASE_DIR
from orders.book import keys
from tests.fixtures.desk import Desk
from tests.fixtures.scrape import Scrape
from tests.fixtures.waiting import eventually
from workers.stack.processes import processes


@dataclass
class Web:
    """The web server as the stack runs it, with two workers."""

    process: subprocess.Popen[bytes]
    address: str
    figures: Path

    def ask(self, path: str) -> tuple[int, str]:
        """A connection to a process that is being killed breaks: whoever asked asks again, as Prometheus does."""
        try:
            return self._ask(path)
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, ConnectionError):
            return self._ask(path)

    def _ask(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"{self.address}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()

    def scrape(self) -> Scrape:
        status, text = self.ask("/metrics")
        assert status == 200
        return Scrape(text)

    def answered(self) -> float:
        return self.scrape().value("requests_total", method="GET", route="/healthz", status="200")

    def workers(self) -> set[int]:
        """Those that have counted something."""
        alive = {child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}
        return alive & {int(file.stem.partition("_")[2]) for file in self.figures.glob("counter_*.db")}

    def both_have_answered(self) -> bool:
        self.ask_many(8)
        return len(self.workers()) == 2

    def ask_many(self, times: int) -> None:
        with ThreadPoolExecutor(8) as askers:
            assert {status for status, _ in askers.map(self.ask, ["/healthz"] * times)} == {200}


@pytest.fixture
def web(environ: dict[str, str], tmp_path: Path) -> Iterator[Web]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = environ | {"METRICS_DIR": str(tmp_path / "figures"), "WEB_PORT": str(port), "WEB_WORKERS": "2"}
    (server, *_) = processes(env.read(given))
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(
            server.command, env=given, cwd=BASE_DIR, stdout=log, stderr=log, start_new_session=True
        )
    made = Web(process, f"http://127.0.0.1:{port}", tmp_path / "figures")
    try:
        eventually(lambda: _answers(port), limit_s=60)
        yield made
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.timeout(240)
def test_two_web_processes_count_as_one_and_a_death_takes_nothing_back(web: Web) -> None:
    eventually(web.both_have_answered, limit_s=60)
    began = web.answered()
    assert began >= 8
    web.ask_many(200)
    assert web.answered() == began + 200

    killed = min(web.workers())
    psutil.Process(killed).kill()
    seen = [web.answered() for _ in range(20)]
    eventually(web.both_have_answered, limit_s=60)
    assert killed not in web.workers()
    assert seen == [began + 200] * 20
    asked_since = web.answered() - (began + 200)
    assert asked_since > 0
    assert asked_since % 8 == 0

    web.ask_many(100)
    assert web.answered() == began + 200 + asked_since + 100


@pytest.mark.timeout(240)
def test_workers_count_into_the_same_figures(desk: Desk, web: Web, environ: dict[str, str]) -> None:
    desk.quote()  # the server took its time to start
    desk.buy()
    waiting = desk.book.ledger.xlen(keys.QUEUE_RECORD)
    assert waiting > 0
    command = [sys.executable, "manage.py", "worker_record", "--once"]
    given = environ | {"METRICS_DIR": str(web.figures)}
    subprocess.run(command, cwd=BASE_DIR, env=given, check=True, capture_output=True)

    told = web.scrape()
    assert told.total("recorded_entries_total") == sum(map(int, desk.versions().values()))
    assert told.series("up") == {"ledger": 1, "market": 1, "database": 1}
    assert told.series("queue_waiting") == {"record": 0}


def test_a_command_that_counts_nothing_leaves_no_file(environ: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "dead_letters", "list"]
    given = environ | {"METRICS_DIR": str(tmp_path / "figures")}
    subprocess.run(command, cwd=BASE_DIR, env=given, check=True, capture_output=True)

    assert list((tmp_path / "figures").iterdir()) == []


COUNTS_WITHOUT_A_FOLDER = """
import django, shutil, sys
django.setup()
from django.conf import settings
from copytrading import telemetry
shutil.rmtree(settings.ENV.metrics_dir)
for _ in range(3):
    telemetry.count_command("open", "live", "local", "done", 0.001)
    telemetry.count_request("GET", "/", 200, 0.001)
print("went on")
"""


def test_figures_that_can_not_be_kept_stand_in_nobodys_way(tmp_path: Path) -> None:
    given = os.environ | {"METRICS_DIR": str(tmp_path / "figures"), "DJANGO_SETTINGS_MODULE": "copytrading.settings"}
    command = [sys.executable, "-c", COUNTS_WITHOUT_A_FOLDER]
    done = subprocess.run(command, cwd=BASE_DIR, env=given, capture_output=True, text=True, check=True)

    assert done.stdout == "went on\n"
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["event"] for line in lines} == {"not_counted"}
    assert len(lines) <= 2  # one a file, not one a command


def test_this_very_process_counts_into_files() -> None:
    """prometheus_client asks for the folder when it is first imported: nobody may do that before the settings."""
    telemetry.count_request("GET", "unmatched", 404, 0.001)

    assert (project.ENV.metrics_dir / f"counter_{os.getpid()}.db").exists()
