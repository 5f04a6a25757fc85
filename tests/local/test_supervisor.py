"""The supervisor with small real programs in place of the cluster's."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from machine import soon
from node.places import LOCAL

Start = Callable[..., None]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a supervisor over the given components; their state lies in ``tmp_path``."""
    started: list[subprocess.Popen[bytes]] = []

    def run(commands: dict[str, list[str]], *, after: dict[str, list[Any]] | None = None) -> None:
        for folder in ("logs", "control"):
            (tmp_path / folder).mkdir()
        needs = after or {}
        plan = [
            {"name": name, "command": command, "after": needs.get(name, []), "after_page": ""}
            for name, command in commands.items()
        ]
        (tmp_path / "plan.json").write_text(json.dumps({"private_mounts": False, "components": plan}))
        started.append(subprocess.Popen([sys.executable, LOCAL / "node/supervisor.py", tmp_path]))

    yield run
    for process in started:
        process.terminate()
        process.wait()


def seen(state: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((state / "status.json").read_text()))
    except FileNotFoundError:
        return {}


def runs(state: Path, name: str) -> bool:
    return bool(seen(state).get(name, {}).get("pid"))


def test_a_component_that_dies_is_started_again_and_counted(start: Start, tmp_path: Path) -> None:
    start({"short": ["sh", "-c", "echo once more"]})
    soon(lambda: seen(tmp_path).get("short", {}).get("deaths", 0) >= 2)
    assert "once more\nonce more" in (tmp_path / "logs/short.log").read_text()


def test_a_stop_file_holds_a_component_still_and_is_no_death(start: Start, tmp_path: Path) -> None:
    start({"steady": ["sleep", "1000"]})
    soon(lambda: runs(tmp_path, "steady"))
    (tmp_path / "control/steady.stop").touch()
    soon(lambda: not runs(tmp_path, "steady"))
    (tmp_path / "control/steady.stop").unlink()
    soon(lambda: runs(tmp_path, "steady"))
    assert seen(tmp_path)["steady"]["deaths"] == 0


def test_a_component_waits_for_the_address_it_needs(start: Start, tmp_path: Path) -> None:
    with socket.socket() as needed:
        needed.bind(("127.0.0.1", 0))
        sleeping = {"first": ["sleep", "1000"], "second": ["sleep", "1000"]}
        start(sleeping, after={"second": [needed.getsockname()]})
        soon(lambda: runs(tmp_path, "first"))
        assert not runs(tmp_path, "second")
        needed.listen()
        soon(lambda: runs(tmp_path, "second"))


def test_a_program_that_is_missing_is_said_in_its_log(start: Start, tmp_path: Path) -> None:
    start({"absent": ["/does/not/exist"]})
    soon(lambda: seen(tmp_path).get("absent", {}).get("deaths", 0) >= 1)
    assert "/does/not/exist" in (tmp_path / "logs/absent.log").read_text()
