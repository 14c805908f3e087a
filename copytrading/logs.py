"""How every process writes its log: one JSON object a line, with the context (request, account, order) bound to it.

An entry is one line, whatever a client typed, and nothing of it can pass for another entry: control characters
are escaped. Tracebacks show code, never the values it worked on.
"""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict

#: What stands in a plain line without quotes.
_WORD = re.compile(r"[!#-<>-~]+", re.ASCII)
_FIRST = ("timestamp", "level", "event")


def configure(level: str, log_format: str) -> dict[str, Any]:
    """Sets structlog up and returns Django's LOGGING, so that both kinds of loggers write alike, to standard error.

    Our own lines do not pass through `logging`, which takes three times as long. What other libraries attach to
    their records is left out: it may be a whole request, or a task's arguments.
    """
    known: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    written: list[Any] = [structlog.processors.format_exc_info, plain_line if log_format == "plain" else json_line]
    structlog.configure(
        processors=[*known, *written],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"broken": {"()": "django.utils.log.CallbackFilter", "callback": _is_broken}},
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": known,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
            }
        },
        "handlers": {"lines": {"class": "logging.StreamHandler", "stream": OUTPUT, "formatter": "structured"}},
        "root": {"handlers": ["lines"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            # Every answer has a line of its own; what is left for this one is what broke.
            "django.request": {"handlers": [], "level": "ERROR", "filters": ["broken"], "propagate": True},
            # What a client typed as host is told to him, and is no error of ours.
            "django.security.DisallowedHost": {"handlers": [], "level": "CRITICAL", "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
        },
    }


def json_line(logger: object, method: str, entry: EventDict) -> str:
    """When, how grave and what come first, for whoever reads it without a tool."""
    ordered = {name: entry.pop(name) for name in _FIRST if name in entry}
    return json.dumps({**ordered, **entry}, default=str)


def plain_line(logger: object, method: str, entry: EventDict) -> str:
    """`time [level] event key=value ...`, for people; the lines of a traceback are indented below it."""
    at, level, event = (entry.pop(name, "") for name in _FIRST)
    traceback = str(entry.pop("exception", "")).splitlines()
    words = [f"{key}={_shown(value)}" for key, value in entry.items()]
    head = " ".join([str(at), f"[{level}]", _shown(event), *words])
    return "\n    ".join([head, *(line if line.isprintable() else json.dumps(line) for line in traceback)])


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if _WORD.fullmatch(text) else json.dumps(text)


def _is_broken(record: logging.LogRecord) -> bool:
    return record.exc_info is not None


class _Output:
    """Standard error as it is when something is written, until another place is named."""

    def __init__(self) -> None:
        self._file: TextIO | None = None

    def turn_to(self, path: Path) -> None:
        """For a process whose standard error is somebody's screen."""
        self._file = path.open("a")

    def write(self, text: str) -> None:
        (self._file or sys.stderr).write(text)

    def flush(self) -> None:
        (self._file or sys.stderr).flush()


OUTPUT: Final = _Output()


class _Lines:
    """What structlog hands finished lines to."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        OUTPUT.write(f"{line}\n")
        OUTPUT.flush()

    debug = info = warning = error = critical = msg
