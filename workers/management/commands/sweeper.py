from workers.management.options import WorkerCommand
from workers.sweeper import Sweeper


class Command(WorkerCommand):
    help = (
        "Walks all accounts: announces again what lags, indexes what was missed, finishes transfers under way, and "
        "opens a restarted ledger for trading once nothing in it is behind the record. One is enough; more do no harm."
    )
    worker = Sweeper
