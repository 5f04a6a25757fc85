"""Holds a cluster's processes: the first process of its PID namespace, so that nothing outlives it.

Run as ``python3 supervisor.py STATE_FOLDER``. Waits for ``plan.json`` there, starts each component once what it needs
answers, starts it again when it dies, and writes what it sees to ``status.json``. A file ``control/<component>.stop``
keeps one standing still.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType
from typing import Any

TICK_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
# No setting moves the last three elsewhere: CNI's results, the kubelet's plugins, its links to container logs.
PRIVATE_FOLDERS = ("/run", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")


class Child:
    """One component and its process, if it runs."""

    def __init__(self, plan: dict[str, Any], state: Path) -> None:
        self.name: str = plan["name"]
        self.command: list[str] = plan["command"]
        self.after: list[list[Any]] = plan["after"]
        self.after_page: str = plan["after_page"]
        self.log = state / "logs" / f"{self.name}.log"
        self.stop_file = state / "control" / f"{self.name}.stop"
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self.not_before = 0.0

    def tend(self) -> None:
        """One look: reap it, stop it or start it."""
        if self.process and self.process.poll() is not None:
            self.process = None
            if not self.stop_file.exists():
                self.count_death()
        if self.stop_file.exists():
            self.crash()
        elif self.process is None and time.monotonic() >= self.not_before and self.can_start():
            self.start()

    def can_start(self) -> bool:
        return all(map(_answers, self.after)) and (not self.after_page or _is_there(self.after_page))

    def start(self) -> None:
        with self.log.open("ab") as log:
            try:
                self.process = subprocess.Popen(
                    self.command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
                )
            except OSError as failure:
                log.write(f"{failure}\n".encode())
                self.count_death()

    def count_death(self) -> None:
        self.deaths += 1
        self.not_before = time.monotonic() + min(0.5 * 2**self.deaths, LONGEST_PAUSE_SECONDS)

    def end(self) -> None:
        if self.process:
            self.process.terminate()

    def crash(self) -> None:
        """A component that is told to stand still goes as it would in an outage: at once."""
        if self.process:
            self.process.kill()

    def seen(self) -> dict[str, Any]:
        return {"pid": self.process.pid if self.process else None, "deaths": self.deaths}


def _answers(address: list[Any]) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((str(address[0]), int(address[1]))) == 0


def _is_there(page: str) -> bool:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(page, timeout=1, context=unchecked) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def _reap_orphans(children: list[Child]) -> None:
    """As the namespace's first process we inherit every orphan; our own children are Popen's to reap."""
    ours = {child.process.pid for child in children if child.process}
    while True:
        try:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if info is None or info.si_pid in ours:
            return
        os.waitpid(info.si_pid, 0)


def _make_private_mounts() -> None:
    """These folders are the namespace's own: what is mounted or left there goes with it."""
    for folder in PRIVATE_FOLDERS:
        Path(folder).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    # The CRI keeps the pods' network namespaces here.
    Path("/run/netns").mkdir()
    Path("/run/lock").mkdir()


def _wait_for_plan(file: Path) -> dict[str, Any]:
    while not file.exists():
        time.sleep(TICK_SECONDS / 5)
    plan: dict[str, Any] = json.loads(file.read_text())
    return plan


def main(state: Path) -> None:
    plan = _wait_for_plan(state / "plan.json")
    if plan["private_mounts"]:
        _make_private_mounts()
    children = [Child(component, state) for component in plan["components"]]
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    last = ""
    while not stopping:
        for child in children:
            child.tend()
        _reap_orphans(children)
        last = _write_status(state, children, last)
        time.sleep(TICK_SECONDS)
    _end_all(children)


def _write_status(state: Path, children: list[Child], last: str) -> str:
    text = json.dumps({child.name: child.seen() for child in children})
    if text != last:
        (state / "status.json.new").write_text(text)
        (state / "status.json.new").replace(state / "status.json")
    return text


def _end_all(children: list[Child]) -> None:
    """Asks everyone to end; whoever does not within three seconds goes with the namespace."""
    for child in reversed(children):
        child.end()
    end = time.monotonic() + 3
    while time.monotonic() < end and any(child.process and child.process.poll() is None for child in children):
        time.sleep(TICK_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
