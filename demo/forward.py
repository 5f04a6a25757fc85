"""http://localhost:8000 on the gateway, for as long as one wants it: also when the gateway restarts.

`python -m demo.forward` keeps it open until Ctrl-C. kubectl's own port-forward stays with one pod and ends with it, or
worse, stays and answers nothing; so its health is asked for, and a new one takes over.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Self

from demo.cluster import Cluster, connect, name_of_port_holder
from demo.places import NAMESPACE
from demo.problems import StepFailed
from demo.shell import stop_on_signals

PORT = 8000
URL = f"http://localhost:{PORT}"
COMMAND = f"kubectl -n {NAMESPACE} port-forward service/one-ring-gateway {PORT}:{PORT}"
_PROBE_SECONDS = 1.0
_MISSES_BEFORE_A_NEW_ONE = 3


class Forward:
    """A context in which port 8000 of this machine is the gateway."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="port-forward", daemon=True)

    def __enter__(self) -> Self:
        check_port_is_free()
        self._thread.start()
        if not _answers_within(60):
            self._end()
            remedy = f"look at the gateway: kubectl -n {NAMESPACE} logs deploy/one-ring-gateway"
            raise StepFailed("forwarding port 8000 to the gateway", tail="no answer within 60 s", remedy=remedy)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        self._over.set()
        self._thread.join(timeout=10)

    def _keep(self) -> None:
        while not self._over.is_set():
            with subprocess.Popen(
                COMMAND.split(), env=dict(self._cluster.env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                self._watch(process)
                process.terminate()
            self._over.wait(0.3)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Returns when the process has ended, has stopped answering, or is no longer wanted."""
        misses = 0
        while process.poll() is None and misses < _MISSES_BEFORE_A_NEW_ONE and not self._over.is_set():
            self._over.wait(_PROBE_SECONDS)
            misses = 0 if answers() else misses + 1


def answers() -> bool:
    """Whether the gateway answers on the port."""
    try:
        with urllib.request.urlopen(f"{URL}/healthz", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _answers_within(seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answers():
            return True
        time.sleep(0.2)
    return False


def check_port_is_free() -> None:
    """Raises ``StepFailed`` while something else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError as taken:
            holder = name_of_port_holder(PORT) or "another program"
            remedy = f"end what listens on port {PORT} (the guide's curl lines need it), then: make demo"
            raise StepFailed(f"taking port {PORT}", tail=f"{taken}: {holder}", remedy=remedy) from None


def main() -> int:
    """Keeps the port open until Ctrl-C."""
    stop_on_signals()
    try:
        with Forward(connect()):
            print(f"{URL} is the gateway, also when it restarts. API page: {URL}/docs. Ctrl-C ends it.", flush=True)
            threading.Event().wait()
    except StepFailed as problem:
        print(f"Failed: {problem.step}\n{problem.tail}\nWhat to do: {problem.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
