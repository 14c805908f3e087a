"""`make bench`: every benchmark, one table. Each part also runs alone: `python -m benchmarks.commits`."""

from benchmarks import commits, http, margin, recorder, ticks
from benchmarks.place import place
from benchmarks.table import show

ACCOUNTS = 2_000

if __name__ == "__main__":
    with place(ACCOUNTS) as made:
        rows = [*commits.measure(made), *recorder.measure(made), *http.measure(made)]
        show([*rows, *ticks.measure(), *margin.measure()])
