"""What goes wrong, one thing at a time. Each says what it did; when it returns the cause is gone, not its effects."""

import signal
from collections.abc import Callable
from contextlib import closing, suppress
from decimal import Decimal
from itertools import count
from random import Random

import psutil
import redis

from orders.book import quotes
from tests.book.wire import Wire
from tests.fixtures.waiting import eventually
from tests.proofs.power import cut_back
from tests.soak.site import CHILDREN, PRICE_AGE_MS, SERVERS, Site, ended, rest

Fault = Callable[[Site, Random], str]

ANYTHING = (*CHILDREN, *SERVERS)
#: No feed would say so of EURUSD: crossed, nothing, negative.
GARBLED = (("7.7777", "6.6666"), ("0", "0"), ("-1.1", "1.1"), ("1.1", "0"))


def kill_a_process(site: Site, chance: Random) -> str:
    return _kill(site, chance, chance.choice(list(CHILDREN)))


def kill_a_server(site: Site, chance: Random) -> str:
    return _kill(site, chance, chance.choice(SERVERS))


def _kill(site: Site, chance: Random, name: str) -> str:
    """Any of what runs under that name: the first, or something it started."""
    process = chance.choice(site.running(name))
    process.kill()
    return f"killed {name}"


def kill_the_supervisor(site: Site, _: Random) -> str:
    """What it leaves behind works on; whoever starts the stack again ends that first."""
    site.supervisor.kill()
    site.stack.runs[-1].wait()
    rest(1.0)
    site.stack.start()
    site.stack.await_up()
    return "killed the supervisor and started the stack again"


def pause_something(site: Site, chance: Random) -> str:
    name, seconds = chance.choice(ANYTHING), chance.choice([0.5, 1.0, 2.0, 4.0, 8.0])
    _paused(site, name, seconds)
    return f"paused {name} for {seconds} s"


def stall_the_feed(site: Site, _: Random) -> str:
    """Until every price is too old."""
    _paused(site, "market_feed", PRICE_AGE_MS / 1000 + 2)
    return "stalled the feed"


def _paused(site: Site, name: str, seconds: float) -> None:
    processes = site.running(name)
    try:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        rest(seconds)
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def cut_the_power(site: Site, chance: Random) -> str:
    """Of the ledger, perhaps while it rewrites its file; it comes back with what was on its disk, or a little more."""
    rewriting, tearing = chance.random() < 0.5, chance if chance.random() < 0.5 else None
    if rewriting:
        with closing(site.client("ledger")) as client, suppress(redis.ResponseError):  # it does already
            client.bgrewriteaof()
        rest(chance.uniform(0, 0.5))
    with site.unsupervised():
        processes = site.running("ledger")
        for process in processes:
            process.kill()
        ended(processes)
        lost = cut_back(site.folder / "ledger", site.notes, tearing)
    return f"cut the ledger's power{' as it rewrote its file' * rewriting}: {lost} bytes were not on the disk"


def drop_replies(site: Site, chance: Random) -> str:
    """A wire takes the place of the ledger's socket, and loses the replies to the next few scripts that were sent."""
    wanted, own = chance.randrange(3, 10), site.socket.with_name("own.sock")
    site.socket.rename(own)
    wire = Wire(f"unix://{own}?db=0", at=site.socket)
    wire.watch("EVALSHA", "reply lost", times=wanted)
    try:
        with closing(site.client("ledger")) as client:
            client.client_kill_filter(_type="normal", skipme=True)  # whoever comes back comes by the wire
        with suppress(AssertionError):  # fewer is fine
            eventually(lambda: wire.seen >= wanted, limit_s=10)
    finally:
        own.rename(site.socket)
        wire.close()
    return f"dropped {min(wire.seen, wanted)} replies"


def stop_postgresql(site: Site, chance: Random) -> str:
    seconds = chance.choice([1.0, 3.0, 15.0])
    server = site.server("postgresql")
    with site.unsupervised():
        server.send_signal(signal.SIGINT)  # "fast": it ends its sessions and shuts down in order
        ended([server])
        rest(seconds)
    return f"stopped PostgreSQL for {seconds} s"


def garble_the_feed(site: Site, _: Random) -> str:
    """A feed that talks nonsense between the ticks of the real one."""
    numbers = count(1)
    with closing(site.client("market")) as client:
        sequence = quotes.resume_sequence(client, "garbled", ["EURUSD"])
        for _turn in range(100):
            for bid, ask in GARBLED:
                quotes.publish(client, "EURUSD", Decimal(bid), Decimal(ask), "garbled", sequence + next(numbers))
            rest(0.02)
    return f"garbled the feed {next(numbers) - 1} times"


FAULTS: dict[str, Fault] = {
    "kill a process": kill_a_process,
    "kill a server": kill_a_server,
    "kill the supervisor": kill_the_supervisor,
    "pause something": pause_something,
    "cut the power": cut_the_power,
    "drop replies": drop_replies,
    "stop PostgreSQL": stop_postgresql,
    "stall the feed": stall_the_feed,
    "garble the feed": garble_the_feed,
}


def possible(site: Site) -> dict[str, Fault]:
    return {name: fault for name, fault in FAULTS.items() if site.power_can_be_cut or name != "cut the power"}
