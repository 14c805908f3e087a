"""The rules of the house hold in every file, and each rule notices what it forbids."""

import dataclasses
import re
from pathlib import Path

import pytest

from copytrading.env import BASE_DIR, Env
from tests.platform import house

EVERYWHERE = [*house.ROOMS]


def name(path: Path) -> str:
    return str(path.relative_to(BASE_DIR))


@pytest.mark.parametrize("path", house.sources(*EVERYWHERE), ids=name)
def test_a_file_keeps_the_rules(path: Path) -> None:
    source = path.read_text()
    wrong = [*house.long_functions(source), *house.long_file(source), *house.empty_name(path)]
    if name(path) != "copytrading/kernel/clock.py":
        wrong += house.own_clock(source)
    if name(path) != "copytrading/env.py":
        wrong += house.own_environment(source)
    if path.parts[len(BASE_DIR.parts)] in ("orders", "accounts") and name(path) not in house.FLOATS:
        wrong += house.floats(source)
    if name(path).startswith("orders/rules/"):
        wrong += house.float_literals(source)
    assert wrong == []


@pytest.mark.parametrize("path", house.sources("tests"), ids=name)
def test_a_test_file_has_a_name_that_says_something(path: Path) -> None:
    assert house.empty_name(path) == []


def test_long_functions_are_noticed() -> None:
    body = "    pass\n" * house.LONGEST_FUNCTION
    assert house.long_functions(f"def f():\n{body}") == ["f has 71 lines; at most 70 fit on a screen"]
    assert house.long_functions("def f():\n" + body.removesuffix("    pass\n")) == []


def test_long_files_are_noticed() -> None:
    assert house.long_file("pass\n" * 401) == ["401 lines; at most 400"]
    assert house.long_file("pass\n" * 400) == []


@pytest.mark.parametrize("path", ["orders/utils.py", "orders/helpers/money.py", "misc.py"])
def test_names_that_say_nothing_are_noticed(path: str) -> None:
    assert len(house.empty_name(Path(path))) == 1


@pytest.mark.parametrize("source", ["datetime.now(UTC)", "time.time()", "timezone.now()", "a = time.monotonic"])
def test_clocks_are_noticed(source: str) -> None:
    assert len(house.own_clock(source)) == 1
    assert house.own_clock(f"# {source}") == []


def test_reading_the_environment_is_noticed() -> None:
    assert len(house.own_environment('os.environ["HOME"]; os.getenv("HOME")')) == 2
    assert house.own_environment('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "copytrading.settings")') == []


def test_floats_are_noticed() -> None:
    assert len(house.floats("x = float(y)")) == 1
    assert house.floats("x: float = y * 2") == []
    assert len(house.float_literals("x = y * 0.5")) == 1
    assert house.float_literals("x = y * 5") == []


@pytest.mark.parametrize("file", house.FLOATS)
def test_a_file_that_may_use_floats_does(file: str) -> None:
    assert house.floats((BASE_DIR / file).read_text()) != []


def test_every_variable_is_in_the_table_of_settings() -> None:
    page = (BASE_DIR / "docs" / "operations.md").read_text()
    documented = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    assert sorted(documented) == sorted(field.name.upper() for field in dataclasses.fields(Env))


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned(file: str) -> None:
    lines = (BASE_DIR / file).read_text().splitlines()
    loose = [line for line in lines if line and not line.startswith(("#", "-r ")) and "==" not in line]
    assert loose == []


def test_every_target_of_the_makefile_is_described() -> None:
    targets = re.findall(r"^([a-z][a-z-]*):(.*)$", (BASE_DIR / "Makefile").read_text(), re.MULTILINE)
    assert len(targets) > 5
    assert [target for target, rest in targets if "## " not in rest] == []
