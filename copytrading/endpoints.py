"""Where the embedded servers of a data folder listen: a pure function of the folder, so that every process agrees."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

#: A unix socket path may have 104 to 108 bytes, depending on the system; a margin is kept for PostgreSQL's lock file.
LONGEST_SOCKET_PATH = 95

POSTGRESQL_SOCKET = ".s.PGSQL.5432"
REDIS_SOCKET = "redis.sock"
DATABASE = "copytrading"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs of the three servers the project needs."""

    ledger: str
    market: str
    database: str


def socket_folder(folder: Path, name: str) -> Path:
    """Where socket `name` of the server with its data in `folder` is: there, or in a short folder if the path is long.

    The short one is under /tmp and not under TMPDIR, which may differ between two terminals.
    """
    if len(os.fsencode(folder / name)) <= LONGEST_SOCKET_PATH:
        return folder
    # Predictable, so whoever uses it checks owner and mode first.
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path("/tmp") / f"copytrading-{digest}"  # noqa: S108


def redis_url(folder: Path) -> str:
    return f"unix://{socket_folder(folder, REDIS_SOCKET) / REDIS_SOCKET}?db=0"


def postgresql_url(folder: Path, database: str = DATABASE) -> str:
    return f"postgresql://{DATABASE}@{quote(str(socket_folder(folder, POSTGRESQL_SOCKET)), safe='')}/{database}"


def embedded(data_dir: Path) -> Endpoints:
    return Endpoints(
        ledger=redis_url(data_dir / "ledger"),
        market=redis_url(data_dir / "market"),
        database=postgresql_url(data_dir / "postgresql"),
    )
