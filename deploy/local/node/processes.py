"""The supervisor as the host sees it: starting it, finding it, ending it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from node.places import CHECKOUT, WHOLE_NODE, Place
from node.problems import Problem
from node.shell import tail, wait_for

_SUPERVISOR = "deploy/local/node/supervisor.py"
_DEATHS_TOLERATED = 5


@dataclass(frozen=True)
class Supervisor:
    """A process that holds a cluster, read from its own command line: files lie when processes are lost."""

    pid: int
    checkout: Path
    state: Path


@dataclass(frozen=True)
class Seen:
    """One component: its process in the cluster's PID namespace, None while it has none, and how often it died."""

    pid: int | None
    deaths: int


def start_supervisor(place: Place) -> int:
    """Starts it in PID and mount namespaces, the whole node also in a network namespace; its process."""
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    network = ["--net"] if place.name == WHOLE_NODE else []
    with (place.logs / "supervisor.log").open("ab") as log:
        outer = subprocess.Popen(
            [*isolated, *network, sys.executable, str(CHECKOUT / _SUPERVISOR), str(place.state)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            # No component has to leave the machine, and a proxy knows nothing of the node's addresses.
            env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        )
    if network and not wait_for(lambda: _network_of(outer.pid) != _network_of("self"), deadline_seconds=10):
        raise Problem("no network namespace could be made", "run as root, on a kernel that has them")
    return outer.pid


def _network_of(pid: int | str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return os.readlink("/proc/self/ns/net")


def supervisors() -> list[Supervisor]:
    """Every process of this machine that holds a cluster, of any checkout."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (held := supervised(_words(entry))):
            found.append(Supervisor(int(entry.name), *held))
    return found


def supervised(words: Sequence[str]) -> tuple[Path, Path] | None:
    """The checkout and the state folder that a command line names, if it is a supervisor's."""
    for word, following in pairwise(words):
        if word.endswith(f"/{_SUPERVISOR}"):
            return Path(word.removesuffix(f"/{_SUPERVISOR}")), Path(following)
    return None


def holders(place: Place) -> list[Supervisor]:
    """The processes that hold this cluster; there is one whole node on a machine, wherever its state lies."""
    is_node = place.name == WHOLE_NODE
    return [each for each in supervisors() if each.state == place.state or (is_node and each.state.name == WHOLE_NODE)]


def end_supervisor(place: Place) -> None:
    """Asks the supervisor to end, then ends it; everything in its namespaces goes with it."""
    for each in holders(place):
        # Its outer process, `unshare`, ignores this, and ends with it.
        _signal(each.pid, signal.SIGTERM)
    if not wait_for(lambda: not holders(place), deadline_seconds=8):
        for each in holders(place):
            _signal(each.pid, signal.SIGKILL)
    if not wait_for(lambda: not holders(place), deadline_seconds=10):
        pids = " ".join(str(each.pid) for each in holders(place))
        raise Problem(f"the cluster's processes {pids} do not end", f"end them by hand: kill -9 {pids}")


def check_alive(place: Place) -> None:
    """Raises when the supervisor is gone or a component keeps dying, with the end of its log."""
    if not holders(place):
        raise Problem("the cluster's supervisor ended", "run `up` again", tail(place.logs / "supervisor.log"))
    for name, seen in status(place).items():
        if seen.deaths >= _DEATHS_TOLERATED:
            log = place.logs / f"{name}.log"
            raise Problem(f"{name} died {seen.deaths} times", f"mend what {log} shows, then run `up` again", tail(log))


def status(place: Place) -> dict[str, Seen]:
    """The components by name, as the supervisor last saw them."""
    try:
        return {name: Seen(**seen) for name, seen in json.loads(place.status_file.read_text()).items()}
    except (OSError, ValueError):
        return {}


def _words(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
