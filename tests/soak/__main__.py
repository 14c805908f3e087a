"""`python -m tests.soak`: the soak for as long as one likes, from a seed that is told."""

import argparse
import shutil
import signal
import sys
from random import SystemRandom

from tests.fixtures import folders
from tests.fixtures.stack import Stack, free_port
from tests.proofs import power
from tests.soak.site import Site
from tests.soak.soak import Soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2, help="How long (2).")
    parser.add_argument("--rate", type=int, default=20, help="Commands a second that are tried (20).")
    parser.add_argument("--seed", type=int, help="Of everything that is left to chance; a random one if not given.")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated one stops its stack as an interrupted one
    seed = SystemRandom().randrange(1, 1_000_000) if asked.seed is None else asked.seed
    command = f"make soak MINUTES={asked.minutes:g} RATE={asked.rate} SEED={seed}"
    say(f"Seed {seed}. To repeat it: {command}")
    stack = Stack(folders.fresh(), free_port())
    soak = Soak(Site(stack, power.CAN_BE_CUT), seed, asked.rate, say)
    try:
        soak.site.open_up()
        soak.run(60 * asked.minutes)
    except BaseException:
        say(f"It broke. The logs are kept in {keep_logs(stack)}. To repeat it: {command}")
        raise
    else:
        if soak.differences:
            say(f"The logs are kept in {keep_logs(stack)}")
    finally:
        stack.remove()
    say("\n".join(soak.summary()))
    say(f"To repeat it: {command}")
    return 1 if soak.differences else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def keep_logs(stack: Stack) -> str:
    kept = stack.folder.parent.with_name(f"{stack.folder.parent.name}-soak-logs")
    if (stack.folder / "logs").exists():
        shutil.copytree(stack.folder / "logs", kept, dirs_exist_ok=True)
    return str(kept)


if __name__ == "__main__":
    try:
        status = main()
    finally:
        folders.remove(folders.of_this_run())
    sys.exit(status)
