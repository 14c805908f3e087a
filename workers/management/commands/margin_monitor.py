from workers.management.options import WorkerCommand
from workers.monitors.margin import MarginMonitor


class Command(WorkerCommand):
    help = (
        "Measures equity, free margin and margin level of every account that holds something, on every price, "
        "and latches margin calls. Stop-out is not carried out yet."
    )
    worker = MarginMonitor
