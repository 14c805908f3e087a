"""One soak: load, and a fault every few seconds; after every few of them the load rests and everything is compared."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.fixtures.waiting import eventually
from tests.proofs.day import unindexed
from tests.soak.faults import Fault, possible
from tests.soak.load import Load
from tests.soak.site import Site, rest
from tests.soak.truth import Truth

#: After a fault the load must be served again within this; the supervisor's own pauses grow to 30 s.
SERVED_LIMIT_S = 120.0
#: What rests must be recorded, and what is under way arrive, within this.
SETTLED_LIMIT_S = 120.0
FAULTS_BETWEEN_AUDITS = 4


@dataclass
class Soak:
    """`say` takes a line for whoever watches."""

    site: Site
    seed: int
    rate: int
    say: Callable[[str], None]
    truth: Truth = field(default_factory=Truth)
    faults: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    audits: int = 0
    fired: int = 0
    slowest_s: float = 0.0
    _compared: int = 0

    def run(self, seconds: float) -> None:
        """For so long, and as long after it as the last fault takes; ends early at the first difference."""
        chance, until = Random(self.seed), time.monotonic() + seconds
        bag: list[str] = []
        self._begin()
        while time.monotonic() < until and not self.differences:
            rest(chance.uniform(1.0, 4.0))
            if not bag:  # every kind comes as often as any other
                bag = sorted(possible(self.site))
                chance.shuffle(bag)
            if self.faults.total() > self._compared and self.faults.total() % FAULTS_BETWEEN_AUDITS == 0:
                self._compare()
                self.load.resume()
            self._fault(bag.pop())
        self._finish()

    def each_once(self) -> None:
        """Every kind of fault, in an order of the seed."""
        chance = Random(self.seed)
        kinds = sorted(possible(self.site))
        chance.shuffle(kinds)
        self._begin()
        for kind in kinds:
            if not self.differences:
                self._fault(kind)
        self._finish()

    def _begin(self) -> None:
        self.load = Load(self.site, self.truth, self.seed, self.rate)
        self.load.begin()
        self.load.goes_on(2 * self.rate, SERVED_LIMIT_S)

    def _fault(self, kind: str) -> None:
        """With a die of its own: how often one fault throws it, which depends on what it meets, changes no other."""
        fault: Fault = possible(self.site)[kind]
        told = fault(self.site, Random(f"{self.seed} {self.faults.total()}"))
        self.faults[kind] += 1
        try:
            served_s = self.load.goes_on(self.rate // 2 + 1, SERVED_LIMIT_S)
        except AssertionError:
            self.differences.append(f"{told}: the load was not served again within {SERVED_LIMIT_S:.0f} s")
            return
        self.slowest_s = max(self.slowest_s, served_s)
        self.say(f"{told}; served again after {served_s:.1f} s")

    def _compare(self) -> None:
        """The load rests from here on and all is recorded: what was told is what is there, and the audit is clean."""
        try:
            self.load.pause()
            eventually(lambda: not self.site.unrecorded(), limit_s=SETTLED_LIMIT_S, poll_s=0.2)
            eventually(lambda: not unindexed(self.site.client("ledger")), limit_s=SETTLED_LIMIT_S, poll_s=0.2)
            eventually(lambda: self.truth.wrong or not self._found(), limit_s=SETTLED_LIMIT_S, poll_s=1)
        except AssertionError as error:
            self.differences.append(f"the load did not come to rest: {error}")
        self.differences += self._found()
        audited = self.site.stack.manage("audit")
        if audited.returncode:
            said = f"{audited.stdout}{audited.stderr[-2000:]}"
            self.differences.append(f"audit ended with {audited.returncode}: {said}")
        self.audits += 1
        self._compared = self.faults.total()
        self.say(f"audit: {self.truth.acknowledged} commands acknowledged, {len(self.differences)} differences")

    def _found(self) -> list[str]:
        return self.truth.differences(self.site.query)

    def _finish(self) -> None:
        if not self.differences:
            self._compare()
            self.fired = self._fired()
        self.load.end()

    def _fired(self) -> int:
        ((number,),) = self.site.query("SELECT count(*) FROM orders_journalentry WHERE verb = 'fire'")
        return int(number)

    def summary(self) -> list[str]:
        kinds = ", ".join(f"{kind} {times}" for kind, times in sorted(self.faults.items()))
        return [
            f"acknowledged orders    {self.truth.births}",
            f"other commands         {self.truth.others}",
            f"levels that fired      {self.fired}",
            f"asked again on purpose {self.load.repeats}, and {self.load.reads} reads",
            f"faults                 {self.faults.total()} ({kinds}); the slowest return took {self.slowest_s:.1f} s",
            f"audits                 {self.audits}",
            f"differences            {len(self.differences)}",
            *(f"  {each}" for each in self.differences[:50]),
        ]
