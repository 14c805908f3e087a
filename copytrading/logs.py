"""How every process writes its log: one JSON object a line, with the context (request, account, order) bound to it.

An entry is one line, whatever a client typed, and nothing of it can pass for another entry: control characters
are escaped. Tracebacks show code, never the values it worked on.
"""

import json
import logging
import re
from typing import Any

import structlog

#: What stands in a plain line without quotes.
_WORD = re.compile(r"[!#-<>-~]+", re.ASCII)


def configure(level: str, log_format: str) -> dict[str, Any]:
    """Sets structlog up and returns Django's LOGGING, so that both kinds of loggers write alike, to standard error.

    What other libraries attach to their records is left out: it may be a whole request, or a task's arguments.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    written: Any = plain_line if log_format == "plain" else structlog.processors.JSONRenderer(default=str)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"broken": {"()": "django.utils.log.CallbackFilter", "callback": _is_broken}},
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    written,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            # Every answer has a line of its own; what is left for this one is what broke.
            "django.request": {"handlers": [], "level": "ERROR", "filters": ["broken"], "propagate": True},
            # What a client typed as host is told to him, and is no error of ours.
            "django.security.DisallowedHost": {"handlers": [], "level": "CRITICAL", "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
        },
    }


def plain_line(logger: object, method: str, entry: structlog.typing.EventDict) -> str:
    """`time [level] event key=value ...`, for people; the lines of a traceback are indented below it."""
    at, level, event = entry.pop("timestamp", ""), entry.pop("level", ""), entry.pop("event", "")
    traceback = str(entry.pop("exception", "")).splitlines()
    words = [f"{key}={_shown(value)}" for key, value in entry.items()]
    head = " ".join([str(at), f"[{level}]", _shown(event), *words])
    return "\n    ".join([head, *(line if line.isprintable() else json.dumps(line) for line in traceback)])


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if _WORD.fullmatch(text) else json.dumps(text)


def _is_broken(record: logging.LogRecord) -> bool:
    return record.exc_info is not None
