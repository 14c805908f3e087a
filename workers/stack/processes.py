"""Which processes run. One line each: its name, what it runs, and what it is for."""

import sys
from dataclasses import dataclass

from copytrading.env import BASE_DIR, Env

#: Workers that share one process here: each has little to do, and Django is loaded once instead of four times.
LIGHT = ("sweeper", "worker_record", "margin_monitor", "demo_trader")


@dataclass(frozen=True, slots=True)
class Process:
    name: str
    command: tuple[str, ...]
    purpose: str


def _manage(name: str, purpose: str, *arguments: str) -> Process:
    """System checks are for whoever changes the code: each process would load the whole web for them."""
    return Process(name, (sys.executable, str(BASE_DIR / "manage.py"), *arguments, "--skip-checks"), purpose)


def _module(name: str, purpose: str, *arguments: str) -> Process:
    return Process(name, (sys.executable, "-m", *arguments), purpose)


def processes(env: Env) -> tuple[Process, ...]:
    """In the order they are started. Several threads a web worker: a client that stalls while sending blocks nobody."""
    return (
        _module(
            "web", "API, documentation and admin", "granian", "--interface", "wsgi", "copytrading.wsgi:application",
            "--host", env.bind, "--port", str(env.web_port), "--workers", str(env.web_workers),
            "--blocking-threads", "8", "--no-ws", "--respawn-failed-workers", "--workers-kill-timeout", "5",
            "--log-level", "warning",
        ),
        _manage("market_feed", "prices", "market_feed"),
        _manage("pending_monitor", "fires pending orders, stop losses and take profits", "pending_monitor"),
        _manage("workers", "recorder, sweeper, margin monitor and a customer who never sleeps", "run_together", *LIGHT),
        _module(
            "celery", "what the clock starts", "celery", "--app", "copytrading", "--quiet", "worker", "--beat",
            "--pool", "solo", "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat",
            "--schedule", str(env.data_dir / "celerybeat-schedule"),
        ),
    )
