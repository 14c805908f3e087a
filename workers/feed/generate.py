"""Makes the tick file that is shipped with this: `python -m workers.feed.generate [PATH]`.

One trading day of EURUSD, its calm of the night and its busy hours, pressed into MINUTES minutes, in
Lean's tick-quote format. Made by a seeded random walk that ends where it began, so that it loops
without a jump. No recorded price is in it.
"""

import math
import random
import sys
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from workers.feed.source import SHIPPED

SEED = 20260105
MINUTES = 40
TICK = Decimal("0.00001")
START = 110_000  # in ticks: 1.10000
#: Standard deviation in ticks of the walk over the file, before it is bent back to its start: a usual day's 60 pips.
DAY_MOVE = 600
BEGIN_MS = 8 * 3_600_000
#: How busy each hour of the day is (UTC), as a part of the busiest.
ACTIVITY = (
    0.25, 0.30, 0.30, 0.25, 0.25, 0.30, 0.50, 0.80, 0.90, 0.80, 0.70, 0.65,
    0.75, 0.95, 1.00, 1.00, 0.85, 0.60, 0.45, 0.40, 0.35, 0.20, 0.15, 0.20,
)  # fmt: skip
#: Ticks a second in the busiest hour, on average.
BUSIEST = 7.0
_MEMBER_TIME = (2026, 1, 5, 0, 0, 0)


def lines() -> Iterator[str]:
    """`milliseconds since midnight,bid,ask`, without line ends."""
    draw = random.Random(SEED)  # made-up prices, no secrets
    moments = list(_moments(draw))
    walk = [0.0]
    spread_over = math.sqrt(sum(_activity(moment) for moment in moments))
    for moment in moments[1:]:
        walk.append(walk[-1] + draw.gauss(0, DAY_MOVE * math.sqrt(_activity(moment)) / spread_over))
    for place, moment in enumerate(moments):
        mid = START + round(walk[place] - walk[-1] * place / (len(walk) - 1))
        spread = max(2, round(draw.gauss(10 - 3 * _activity(moment), 1.5)))
        bid = mid - spread // 2
        yield f"{BEGIN_MS + moment},{bid * TICK},{(bid + spread) * TICK}"


def write(path: Path) -> None:
    """The zip at `path`, whose name begins with the day; equal bytes on each run with the same zlib."""
    path.parent.mkdir(parents=True, exist_ok=True)
    member = zipfile.ZipInfo(f"{path.name[:8]}_eurusd_tick_quote.csv", _MEMBER_TIME)
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "".join(f"{line}\n" for line in lines()), compresslevel=9)


def _moments(draw: random.Random) -> Iterator[int]:
    """Milliseconds since the beginning, as a Poisson process of the activity of its hour."""
    moment = 0.0
    while moment < MINUTES * 60_000:
        yield int(moment)
        moment += max(1.0, draw.expovariate(BUSIEST * _activity(int(moment))) * 1_000)


def _activity(moment_ms: int) -> float:
    return ACTIVITY[moment_ms * len(ACTIVITY) // (MINUTES * 60_000)]


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
