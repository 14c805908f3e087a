"""Work streams: one group each, so that an entry is one worker's; acknowledged and deleted in one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis

from copytrading.kernel import clock
from orders.book import keys
from orders.book.connection import BLOCK_MS, Ledger, Script

GROUP = "workers"
#: Every work stream; each has its dead letters.
QUEUES = ("record",)
_ACK = Script("ack.lua")


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a work stream."""

    id: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed too often, with why and since when."""

    id: str
    queue: str
    fields: dict[str, str]
    error: str
    died_at_ms: int


class WorkStream:
    """The stream `queue:<name>` as one consumer of its group sees it."""

    def __init__(self, book: Ledger, name: str, consumer: str) -> None:
        self.name = name
        self._book = book
        self._key = keys.queue(name)
        self._consumer = consumer

    def prepare(self) -> None:
        """Makes the group if this is the first worker ever; it begins with the stream's oldest entry."""
        try:
            self._client.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except redis.exceptions.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def read(self, count: int, block: bool = True) -> list[Message]:
        """New entries, after waiting at most BLOCK_MS for the first."""
        read = self._client.xreadgroup(
            GROUP, self._consumer, {self._key: ">"}, count=count, block=BLOCK_MS if block else None
        )
        return _messages(read)

    def own(self, count: int) -> list[Message]:
        """What this consumer took before and did not finish."""
        return _messages(self._client.xreadgroup(GROUP, self._consumer, {self._key: "0"}, count=count))

    def claim(self, idle_ms: int, count: int) -> list[Message]:
        """Takes over what any consumer has left unfinished for `idle_ms`. Follows the cursor to its end."""
        cursor = "0-0"
        taken: list[Message] = []
        while True:
            answer = self._client.xautoclaim(self._key, GROUP, self._consumer, idle_ms, cursor, count=count)
            cursor = str(answer[0])
            taken.extend(Message(name, values) for name, values in answer[1] if values)
            if cursor == "0-0" or len(taken) >= count:
                return taken

    def acknowledge(self, messages: Sequence[Message]) -> None:
        if messages:
            self._book.run([_ACK.call([self._key], [GROUP, *(message.id for message in messages)])])

    def bury(self, message: Message, error: str) -> None:
        """Into the dead letters first, then out of the stream: between the two it is in both, never in none."""
        dead = keys.dead_letters(self.name)
        letter = {**message.fields, "_error": error[:2000], "_at_ms": str(clock.now_ms())}
        self._book.run([(dead, ("XADD", dead, "*", *(item for pair in letter.items() for item in pair)))])
        self.acknowledge([message])

    def length(self) -> int:
        return int(self._book.run([(self._key, ("XLEN", self._key))])[0])

    @property
    def _client(self) -> redis.Redis:
        return self._book.node_of(self._key)


def dead_letters(book: Ledger, queue: str, most: int | None = None) -> list[DeadLetter]:
    """Those of one queue, oldest first."""
    key = keys.dead_letters(queue)
    limit = () if most is None else ("COUNT", most)
    return [_letter(queue, name, values) for name, values in book.run([(key, ("XRANGE", key, "-", "+", *limit))])[0]]


def dead_letter(book: Ledger, queue: str, name: str) -> DeadLetter | None:
    """The one of this id, or None when it is gone: retried or discarded by somebody else."""
    key = keys.dead_letters(queue)
    found = book.run([(key, ("XRANGE", key, name, name))])[0]
    return _letter(queue, *found[0]) if found else None


def retry(book: Ledger, letter: DeadLetter) -> bool:
    """Back into its queue first, then out of the dead letters: between the two it is in both, never in none."""
    key = keys.queue(letter.queue)
    book.run([(key, ("XADD", key, "*", *(item for pair in letter.fields.items() for item in pair)))])
    return discard(book, letter)


def discard(book: Ledger, letter: DeadLetter) -> bool:
    """False when somebody else was quicker."""
    key = keys.dead_letters(letter.queue)
    return bool(book.run([(key, ("XDEL", key, letter.id))])[0])


def _letter(queue: str, name: str, values: dict[str, str]) -> DeadLetter:
    fields = {field: value for field, value in values.items() if not field.startswith("_")}
    return DeadLetter(name, queue, fields, values.get("_error", ""), int(values.get("_at_ms", "0")))


def _messages(read: Any) -> list[Message]:
    """redis-py gives [[stream, entries]] or {stream: [entries]}, by protocol; a deleted entry has no fields."""
    streams = read.values() if isinstance(read, dict) else (entries for _, entries in read or [])
    found: list[Message] = []
    for entries in streams:
        nested = entries[0] if entries and isinstance(entries[0], list) else entries
        found.extend(Message(name, values) for name, values in nested if values)
    return found
