"""Running other programs, and waiting for conditions."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from node.problems import Problem

T = TypeVar("T")


def say(message: str) -> None:
    """Progress for people, on standard error: standard output is for answers."""
    print(message, file=sys.stderr, flush=True)


def run(command: Sequence[str], *, stdin: str | None = None, remedy: str = "see the output above") -> str:
    """The output of a command that has to succeed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        shown = (done.stdout + done.stderr)[-3000:]
        raise Problem(f"`{' '.join(command)}` failed with exit code {done.returncode}", remedy, shown)
    return done.stdout


def attempt(command: Sequence[str]) -> bool:
    """Whether a command succeeded; its output does not matter."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def logged(command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    """Runs a long command with its output in ``log``; a failure shows the end of it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        code = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=cwd, check=False
        ).returncode
    if code:
        raise Problem(
            f"`{' '.join(command)}` failed with exit code {code}", f"read {log}, then run it again", tail(log)
        )


@contextmanager
def only_one(lock_file: Path) -> Iterator[None]:
    """Holds ``lock_file`` while the body runs; waits, and says so, while someone else does."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another command to end (it holds {lock_file}) …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(it wrote nothing)"


def wait_for(check: Callable[[], T | None], *, deadline_seconds: float, poll_seconds: float = 0.1) -> T | None:
    """The first true answer of ``check`` within the deadline, else None."""
    end = time.monotonic() + deadline_seconds
    while True:
        if answer := check():
            return answer
        if time.monotonic() > end:
            return None
        time.sleep(poll_seconds)
