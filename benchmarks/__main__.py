"""`make bench`: every benchmark, one table. Each part also runs alone: `python -m benchmarks.commits`."""

from benchmarks import commits, http, recorder
from benchmarks.place import place
from benchmarks.table import show

ACCOUNTS = 2_000

if __name__ == "__main__":
    with place(ACCOUNTS) as made:
        show([*commits.measure(made), *recorder.measure(made), *http.measure(made)])
