"""The supervisor as the host sees it: starting it, finding it, ending it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from node.network import NAMESPACE_FILE
from node.places import CHECKOUT, LOCAL, WHOLE_NODE, Place
from node.problems import Problem
from node.shell import tail, wait_for

_SUPERVISOR = LOCAL / "node/supervisor.py"
_DEATHS_TOLERATED = 5


@dataclass(frozen=True)
class Owner:
    """Who holds a cluster."""

    checkout: str
    pid: int


def start_supervisor(place: Place) -> None:
    """Starts it in PID and mount namespaces (the whole node also in its network) and notes who owns it."""
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    network = ["nsenter", f"--net={NAMESPACE_FILE}"] if place.name == WHOLE_NODE else []
    with (place.logs / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [*network, *isolated, "python3", str(_SUPERVISOR), str(place.state)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    place.owner_file.write_text(json.dumps({"checkout": str(CHECKOUT), "pid": process.pid}))


def owner(place: Place) -> Owner | None:
    """The living owner of the cluster; None when its processes are gone, whatever files they left."""
    try:
        noted = json.loads(place.owner_file.read_text())
    except (OSError, ValueError):
        return None
    alive = noted["pid"] in supervisors(place)
    return Owner(noted["checkout"], noted["pid"]) if alive else None


def supervisors(place: Place) -> list[int]:
    """Every process of the host that was started to hold this cluster, outermost first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            words = _words(entry)
            if str(place.state) in words and any(word.endswith("/node/supervisor.py") for word in words):
                found.append(int(entry.name))
    return sorted(found)


def end_supervisor(place: Place) -> None:
    """Asks the supervisor to end, then ends it; everything in its namespaces goes with it."""
    pids = supervisors(place)
    for pid in pids[1:] or pids:
        _signal(pid, signal.SIGTERM)
    if not wait_for(lambda: not supervisors(place), deadline_seconds=8):
        for pid in supervisors(place):
            _signal(pid, signal.SIGKILL)
    if not wait_for(lambda: not supervisors(place), deadline_seconds=10):
        raise Problem(f"the cluster's processes {supervisors(place)} do not end", "end them by hand: kill -9 PID")


def check_alive(place: Place) -> None:
    """Raises when the supervisor is gone or a component keeps dying, with the end of its log."""
    if not owner(place):
        raise Problem("the cluster's supervisor ended", "run `up` again", tail(place.logs / "supervisor.log"))
    for name, seen in status(place).items():
        if seen["deaths"] >= _DEATHS_TOLERATED:
            log = place.logs / f"{name}.log"
            raise Problem(
                f"{name} died {seen['deaths']} times", f"mend what {log} shows, then run `up` again", tail(log)
            )


def status(place: Place) -> dict[str, dict[str, int | None]]:
    """Component → ``{pid, deaths}`` as the supervisor last saw them."""
    try:
        seen: dict[str, dict[str, int | None]] = json.loads(place.status_file.read_text())
    except (OSError, ValueError):
        return {}
    return seen


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
