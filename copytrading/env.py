"""The only reader of the environment. Typed, frozen, and wrong values are named at start, before anything runs."""

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from copytrading import endpoints
from copytrading.kernel.decimals import parse_plain
from copytrading.kernel.errors import ConfigurationError

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
BASE_DIR = Path(__file__).resolve().parent.parent
_FOLDER_WANTED = "a path that is a folder or does not exist yet"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Env:
    """Every setting that comes from outside. A variable is a field in capitals; docs/operations.md has the table."""

    web_port: int
    bind: str
    web_workers: int
    data_dir: Path
    metrics_dir: Path
    database_url: str
    redis_url: str
    market_redis_url: str
    demo: bool
    demo_password: str
    feed: str
    secret_key: str
    debug: bool
    allowed_hosts: tuple[str, ...]
    behind_tls: bool
    api_rate: int
    allow_volatile_ledger: bool
    log_level: str
    log_format: str

    @property
    def own_host(self) -> str:
        """Where this machine reaches what listens on `bind`."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind, self.bind)  # noqa: S104

    @property
    def embedded(self) -> endpoints.Endpoints:
        """Where the embedded servers listen; a URL above that equals one of these is ours to start and stop."""
        return endpoints.embedded(self.data_dir)


@cache
def current() -> Env:
    return read(os.environ)


def for_child(env: Env, **more: str) -> dict[str, str]:
    """The environment of a process that works on the same data folder, wherever it is started from."""
    return {**os.environ, "DATA_DIR": str(env.data_dir), **more}


def share_metrics(folder: Path) -> None:
    """Every process of a stack counts into files of this folder. prometheus_client asks when it is first imported."""
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} can't be used ({error.strerror}). "
            "Set the environment variable METRICS_DIR to a folder that can be made and written to."
        ) from error
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def read(environ: Mapping[str, str]) -> Env:
    """Raises ConfigurationError, naming the variable and what to write. Unset and empty mean the default."""
    value = _Reader(environ)
    data_dir = value("DATA_DIR", str(BASE_DIR / ".data"), _folder, _FOLDER_WANTED)
    embedded = endpoints.embedded(data_dir)
    bind = value("BIND", "127.0.0.1", _host, "an address to listen on, such as 127.0.0.1 or 0.0.0.0")
    database_url = value("DATABASE_URL", embedded.database, _postgresql, "postgresql://user:password@host:5432/name")
    own_database = "1" if database_url == embedded.database else "0"
    return Env(
        web_port=value("WEB_PORT", "8000", _whole(1, 65535), "a port from 1 to 65535"),
        bind=bind,
        web_workers=value("WEB_WORKERS", "1", _whole(1, 64), "a number of processes from 1 to 64"),
        data_dir=data_dir,
        metrics_dir=value("METRICS_DIR", str(data_dir / "metrics"), _folder, _FOLDER_WANTED),
        database_url=database_url,
        redis_url=value(
            "REDIS_URL",
            embedded.ledger,
            _ledger,
            "redis://host:6379/0 or unix:///path?db=0, or for a cluster redis+cluster://host:7000",
        ),
        market_redis_url=value("MARKET_REDIS_URL", embedded.market, _redis, "redis://host:6380/0 or unix:///path?db=0"),
        demo=value("DEMO", own_database, _switch, "0 or 1"),
        demo_password=value("DEMO_PASSWORD", "", _at_least(8), "at least 8 characters"),
        feed=value("FEED", "", _feed, "simulated, replay:<path> or replay:<path>@<speed>, with a speed above 0"),
        secret_key=value("SECRET_KEY", "", _at_least(32), "32 characters or more") or _kept_secret_key(data_dir),
        debug=value("DEBUG", "0", _switch, "0 or 1"),
        allowed_hosts=value("ALLOWED_HOSTS", f"localhost,127.0.0.1,[::1],{bind}", _list, "host names between commas"),
        behind_tls=value("BEHIND_TLS", "0", _switch, "0 or 1"),
        api_rate=value("API_RATE", "500", _whole(1, 1_000_000), "requests a second from 1 to 1000000"),
        allow_volatile_ledger=value("ALLOW_VOLATILE_LEDGER", "0", _switch, "0 or 1"),
        log_level=value("LOG_LEVEL", "INFO", _one_of(*LOG_LEVELS), " or ".join(LOG_LEVELS)),
        log_format=value("LOG_FORMAT", "json", _one_of("json", "plain"), "json or plain"),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    environ: Mapping[str, str]

    def __call__(self, name: str, default: str, parse: Callable[[str], T], wanted: str) -> T:
        text = self.environ.get(name, "").strip() or default
        try:
            return parse(text)
        except ValueError:
            # A URL may hold a password, a secret is one: the wrong value itself is not repeated.
            raise ConfigurationError(f"Environment variable {name} is wrong. Write {wanted}, or unset it.") from None


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise ValueError
        return int(text)

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        for choice in choices:
            if text.casefold() == choice.casefold():
                return choice
        raise ValueError

    return parse


def _switch(text: str) -> bool:
    return _one_of("1", "true", "yes", "0", "false", "no")(text) in ("1", "true", "yes")


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _host(text: str) -> str:
    if not text.isascii() or any(character in text for character in " /@[]"):
        raise ValueError
    return text


def _folder(text: str) -> Path:
    try:
        folder = Path(text).expanduser().resolve()
        in_the_way = folder.exists() and not folder.is_dir()
    except (OSError, RuntimeError) as error:  # nobody may look there, or ~somebody is nobody
        raise ValueError from error
    if in_the_way:
        raise ValueError
    return folder


def _postgresql(text: str) -> str:
    return _url(text, ("postgresql", "postgres"))


def _redis(text: str) -> str:
    return _url(text, ("redis", "rediss", "unix"))


def _ledger(text: str) -> str:
    return _url(text, ("redis", "rediss", "unix", "redis+cluster"))


def _url(text: str, schemes: tuple[str, ...]) -> str:
    parts = urlsplit(text)
    _ = parts.port  # raises ValueError when it is no number
    located = parts.path if parts.scheme == "unix" else parts.netloc
    if parts.scheme not in schemes or not located:
        raise ValueError
    if parts.scheme.startswith("postgres") and not parts.path.strip("/"):
        raise ValueError
    return text


def _at_least(length: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text and len(text) < length:
            raise ValueError
        return text

    return parse


def _feed(text: str) -> str:
    """What is to be replayed must be there: its absence is told before anything starts."""
    if text in ("", "simulated"):
        return text
    replayed = text.removeprefix("replay:")
    if replayed in ("", text):
        raise ValueError
    path, at, speed = replayed.rpartition("@")
    factor = parse_plain(speed) if at else None
    if factor is None and _is_there(replayed):  # an @ may be part of a name
        return text
    if not _is_there(path):
        missing = replayed if factor is None else path
        raise ConfigurationError(
            f"Environment variable FEED is wrong: there is no file or folder {missing}. "
            "Correct the path, or unset it to replay the file that is shipped."
        )
    if factor is None or factor <= 0:
        raise ValueError
    return text


def _is_there(path: str) -> bool:
    try:
        return bool(path) and Path(path).expanduser().exists()
    except (OSError, RuntimeError):  # nobody may look there, or ~somebody is nobody
        return False


def _kept_secret_key(data_dir: Path) -> str:
    """Made once and kept in the data folder, readable by its owner alone."""
    try:
        return kept_secret(data_dir / "secret_key", lambda: secrets.token_urlsafe(48))
    except OSError as error:
        raise ConfigurationError(unusable(data_dir, error)) from error


def unusable(data_dir: Path, error: OSError) -> str:
    return (
        f"The data folder {data_dir} can't be used ({error.strerror}: {error.filename}). "
        "Set the environment variable DATA_DIR to a folder that can be made and written to, or unset it."
    )


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The content of `path`, made on the first call and kept with mode 0600."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        with suppress(FileExistsError):  # of two processes that start at once, one wins and both read the same
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()
