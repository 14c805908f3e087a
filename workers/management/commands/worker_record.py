from workers.management.options import WorkerCommand
from workers.queues.record import RecordWorker


class Command(WorkerCommand):
    help = "The recorder: folds the journals of announced accounts into PostgreSQL. Any number may run."
    worker = RecordWorker
