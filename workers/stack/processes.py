"""Which processes run. One line each: its name, what it runs, and what it is for."""

import sys
from dataclasses import dataclass

from copytrading.env import BASE_DIR, Env

#: Workers that share one process here: each has little to do, and Django is loaded once instead of four times.
LIGHT = ("sweeper", "worker_record", "margin_monitor")

#: How Celery's warning for root begins. Its danger is a message that runs code; ours are JSON.
_AS_ROOT = "You're running the worker with superuser privileges"


@dataclass(frozen=True, slots=True)
class Process:
    name: str
    command: tuple[str, ...]
    purpose: str


def _manage(name: str, purpose: str, *arguments: str) -> Process:
    """System checks are for whoever changes the code: each process would load the whole web for them."""
    return Process(name, (sys.executable, str(BASE_DIR / "manage.py"), *arguments, "--skip-checks"), purpose)


def _python(name: str, purpose: str, *arguments: str) -> Process:
    return Process(name, (sys.executable, *arguments), purpose)


def _light(env: Env) -> Process:
    if not env.demo:
        return _manage("workers", "recorder, sweeper and margin monitor", "run_together", *LIGHT)
    purpose = "recorder, sweeper, margin monitor and a customer who never sleeps"
    return _manage("workers", purpose, "run_together", *LIGHT, "demo_trader")


def processes(env: Env) -> tuple[Process, ...]:
    """In the order they are started.

    Several threads a web worker, so that a few clients who stall while sending don't hold up the others
    (decision 0010). The web server's own warnings are not asked for: all it has at start is that this makes
    more threads than it likes.
    """
    return (
        _python(
            "web", "API, documentation and admin",
            "-m", "granian", "--interface", "wsgi", "copytrading.wsgi:application",
            "--host", env.bind, "--port", str(env.web_port), "--workers", str(env.web_workers),
            "--blocking-threads", "8", "--no-ws", "--respawn-failed-workers", "--workers-kill-timeout", "5",
            "--log-level", "error",
        ),
        *([_manage("market_feed", "prices", "market_feed")] if env.demo or env.feed else []),
        _manage("pending_monitor", "fires pending orders, stop losses and take profits", "pending_monitor"),
        _light(env),
        _python(
            "celery", "what the clock starts",
            "-W", f"ignore:{_AS_ROOT}", "-m", "celery", "--app", "copytrading", "--quiet", "worker", "--beat",
            "--pool", "solo", "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat",
            "--schedule", str(env.data_dir / "celerybeat-schedule"),
        ),
    )
