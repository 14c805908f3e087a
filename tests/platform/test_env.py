"""What comes from outside is checked at start, and a wrong value is told in words."""

import stat
from pathlib import Path

import pytest

from copytrading import env
from copytrading.kernel.errors import ConfigurationError


def read(tmp_path: Path, **variables: str) -> env.Env:
    return env.read({"DATA_DIR": str(tmp_path), **variables})


def test_nothing_set_means_the_embedded_default(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert (found.bind, found.web_port, found.web_workers) == ("127.0.0.1", 8000, 1)
    assert found.redis_url == f"unix://{tmp_path}/ledger/redis.sock?db=0" == found.embedded.ledger
    assert found.market_redis_url == f"unix://{tmp_path}/market/redis.sock?db=0" == found.embedded.market
    assert found.database_url == found.embedded.database
    assert found.database_url.startswith("postgresql://copytrading@%2F")
    assert found.metrics_dir == tmp_path / "metrics"
    assert (found.debug, found.allow_volatile_ledger, found.feed) == (False, False, "")
    assert (found.behind_tls, found.api_rate, found.demo) == (False, 500, True)


@pytest.mark.parametrize(
    ("variable", "value", "advice"),
    [
        ("WEB_PORT", "eighty", "a port from 1 to 65535"),
        ("WEB_PORT", "65536", "a port from 1 to 65535"),
        ("WEB_PORT", "-1", "a port from 1 to 65535"),
        ("WEB_WORKERS", "0", "from 1 to 64"),
        ("METRICS_DIR", __file__, "a path that is a folder or does not exist yet"),
        ("BIND", "http://0.0.0.0", "127.0.0.1 or 0.0.0.0"),
        ("DATABASE_URL", "mysql://localhost/x", "postgresql://user:password@host:5432/name"),
        ("DATABASE_URL", "postgresql://localhost", "postgresql://user:password@host:5432/name"),
        ("REDIS_URL", "localhost:6379", "redis://host:6379/0"),
        ("REDIS_URL", "redis://localhost:port/0", "redis://host:6379/0"),
        ("MARKET_REDIS_URL", "redis+cluster://localhost:7000", "redis://host:6380/0"),
        ("DEMO_PASSWORD", "short", "at least 8 characters"),
        ("FEED", "live", "simulated, replay:<path>"),
        ("FEED", __file__, "simulated, replay:<path>"),
        ("FEED", f"replay:{__file__}@0", "a speed above 0"),
        ("FEED", f"replay:{__file__}@fast", "a speed above 0"),
        ("SECRET_KEY", "too short", "32 characters"),
        ("DEBUG", "maybe", "0 or 1"),
        ("BEHIND_TLS", "https", "0 or 1"),
        ("API_RATE", "-5", "requests a second from 1 to 1000000"),
        ("API_RATE", "0.5", "requests a second from 1 to 1000000"),
        ("ALLOW_VOLATILE_LEDGER", "2", "0 or 1"),
        ("LOG_LEVEL", "LOUD", "DEBUG or INFO or WARNING or ERROR"),
        ("LOG_FORMAT", "xml", "json or plain"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write_and_not_repeated(
    tmp_path: Path, variable: str, value: str, advice: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, **{variable: value})
    assert variable in str(raised.value)
    assert advice in str(raised.value)
    assert value not in str(raised.value)


def test_right_values_are_taken(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        WEB_PORT=" 8123 ",
        REDIS_URL="redis+cluster://10.0.0.1:7000",
        DATABASE_URL="postgresql://me:secret@db/book",
        FEED=f"replay:{__file__}@2.5",
        DEBUG="yes",
        BEHIND_TLS="1",
        API_RATE="20",
        ALLOWED_HOSTS="a.example, b.example",
        LOG_LEVEL="debug",
    )
    assert found.web_port == 8123
    assert found.redis_url == "redis+cluster://10.0.0.1:7000"
    assert found.database_url == "postgresql://me:secret@db/book"
    assert found.feed == f"replay:{__file__}@2.5"
    assert found.debug
    assert not found.demo  # a database of one's own is no place for it, unless asked for
    assert (found.behind_tls, found.api_rate) == (True, 20)
    assert found.allowed_hosts == ("a.example", "b.example")
    assert found.log_level == "DEBUG"


@pytest.mark.parametrize(
    ("feed", "missing"),
    [
        ("replay:/no/such/file", "/no/such/file"),
        ("replay:/no/such/file@2", "/no/such/file"),
        ("replay:/no/such/me@home", "/no/such/me@home"),
    ],
)
def test_what_is_to_be_replayed_and_is_not_there_is_named(tmp_path: Path, feed: str, missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"FEED is wrong: there is no file or folder {missing}. "):
        read(tmp_path, FEED=feed)


def test_a_replay_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"FEED is wrong\. Write simulated, replay:<path>"):
        read(tmp_path, FEED="replay:")


def test_a_path_to_replay_may_hold_an_at_sign(tmp_path: Path) -> None:
    (tmp_path / "me@home").mkdir()
    assert read(tmp_path, FEED=f"replay:{tmp_path}/me@home").feed == f"replay:{tmp_path}/me@home"


def test_a_data_folder_that_is_a_file_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="DATA_DIR"):
        env.read({"DATA_DIR": __file__})


def test_a_data_folder_that_can_not_be_made_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"The data folder /proc/x can't be used .*DATA_DIR"):
        env.read({"DATA_DIR": "/proc/x"})


def test_the_secret_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = read(tmp_path / "data").secret_key
    kept = tmp_path / "data" / "secret_key"
    assert len(first) >= 50
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert read(tmp_path / "data").secret_key == first
    assert [path.name for path in kept.parent.iterdir()] == ["secret_key"]


def test_a_given_secret_key_leaves_no_file(tmp_path: Path) -> None:
    assert read(tmp_path, SECRET_KEY="k" * 32).secret_key == "k" * 32
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_figures_that_can_not_be_made_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"/proc/figures can't be used .*METRICS_DIR"):
        env.share_metrics(Path("/proc/figures"))
