"""From ticks that are due to quotes on the market instance, and a line of counts in the log each minute."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import redis
import structlog

from orders.book import quotes
from workers.feed.formats import Tick
from workers.feed.handler import DROPPED, LOCKED, PASSED, WIDENED, Handler

log = structlog.get_logger(__name__)

#: Handled and published / refused by the instance for their sequence / given up since the instance was away.
PUBLISHED, REFUSED, LOST = "published", "refused", "lost"


class Publisher:
    """Each tick goes through the handler of its feed, and each batch to the instance in one round trip."""

    def __init__(self, client: redis.Redis, handler: Handler, others: Mapping[str, Handler] | None = None) -> None:
        """`handler` is for every symbol that `others` has none for."""
        self._client = client
        self._handler = handler
        self._others = others or {}
        self._counts: Counter[str] = Counter()
        #: Since the start.
        self.published = 0

    def publish(self, ticks: Sequence[Tick]) -> None:
        """Raises redis.ConnectionError or redis.TimeoutError when the instance is away.

        These ticks are lost, and counted: a price is worth nothing later.
        """
        handled = (self._others.get(tick.symbol, self._handler).accept(tick) for tick in ticks)
        touches = [touch for touch in handled if touch is not None]
        if not touches:
            return
        try:
            written = quotes.publish_many(self._client, touches)
        except (redis.ConnectionError, redis.TimeoutError):
            self._counts[LOST] += len(touches)
            raise
        self.published += sum(written)
        self._counts[PUBLISHED] += sum(written)
        self._counts[REFUSED] += len(written) - sum(written)

    def report(self) -> dict[str, int]:
        """Logs and returns the counts of all feeds since the last report. Zeros that tell nothing are left out."""
        counts = Counter(self._counts)
        self._counts.clear()
        for handler in self._every_handler():
            counts.update(handler.counts)
            handler.counts.clear()
        told = {name: counts[name] for name in (PASSED, PUBLISHED)}
        told |= {name: counts[name] for name in (LOCKED, WIDENED, *DROPPED, REFUSED, LOST) if counts[name]}
        log.info("ticks", **told)
        return told

    def _every_handler(self) -> Iterable[Handler]:
        return {id(handler): handler for handler in (self._handler, *self._others.values())}.values()
