"""A machine of its own to try a node on: processes, mounts, network, control groups and /run, all apart from this one.

So the tests lose processes, kill supervisors and compare what is left, and never touch a node that people use.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from node.places import CHECKOUT, cache
from node.shell import wait_for
from node.tools import tool

_GROUPS = Path("/sys/fs/cgroup")
_NAME = "one-ring-test-machine"

# Processes enter the groups first: a control group namespace begins where its maker stands.
_JOIN = f"""
for group in {_GROUPS}/{_NAME} {_GROUPS}/*/{_NAME}; do
  if [ -d $group ]; then echo $$ > $group/cgroup.procs; fi
done
exec "$@"
"""
_BOOT = """set -eu
mapfile -t mounts < <(grep -E ' cgroup2? ' /proc/mounts)
for mount in "${mounts[@]}"; do
  read -r _ folder kind options _ <<< "$mount"
  umount "$folder"
  case $kind,$options in
    cgroup2,*) mount -t cgroup2 cgroup2 "$folder" ;;
    *,*name=systemd*) mount -t cgroup -o none,name=systemd cgroup "$folder" ;;
    *) mount -t cgroup -o "${folder##*/}" cgroup "$folder" ;;
  esac
done
mount -t tmpfs tmpfs /run
mkdir /run/lock
mount --bind "$1" "$2"
ip link set lo up
echo booted
while sleep 1000; do :; done
"""


class Machine:
    """Boot it, run commands on it, and let it go; nothing that ran on it stays."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="one-ring-machine-"))
        self.state = self.folder / "state"
        self.env = os.environ | {"ONE_RING_LOCAL_STATE": str(self.state), "ONE_RING_CACHE": str(cache())}

    def boot(self) -> None:
        registry, shared = self.folder / "registry", cache() / "registry"
        for folder in (registry, shared):
            folder.mkdir(parents=True, exist_ok=True)
        _make_groups()
        isolation = ["--cgroup", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = ["unshare", *isolation, "bash", "-c", _BOOT, "boot", str(registry), str(shared)]
        self._outer = subprocess.Popen(_joined(command), stdout=subprocess.PIPE, text=True)
        assert self._outer.stdout
        assert self._outer.stdout.readline() == "booted\n"
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
        self._first = children.read_text().split()[0]

    def halt(self) -> None:
        self._outer.send_signal(signal.SIGKILL)
        self._outer.wait()
        wait_for(_remove_groups, deadline_seconds=20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(
        self, *command: str, stdin: str | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command there; its exit code is the caller's to judge."""
        return subprocess.run(
            self.entering(command), input=stdin, env=env or self.env, capture_output=True, text=True, check=False
        )

    def say(self, *command: str, stdin: str | None = None) -> str:
        """The output of a command that has to succeed there."""
        done = self.run(*command, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def entering(self, command: Sequence[str]) -> list[str]:
        """The command that runs ``command`` there."""
        namespaces = ["--mount", "--net", "--pid", "--cgroup"]
        return _joined(["nsenter", f"--target={self._first}", *namespaces, f"--wd={CHECKOUT}", *command])

    def cluster(self, *arguments: str) -> str:
        return self.say("deploy/local/cluster", *arguments)

    def kubectl(self, *arguments: str, stdin: str | None = None, name: str = "node") -> str:
        return self.say(*self.kubectl_command(*arguments, name=name), stdin=stdin)

    def kubectl_command(self, *arguments: str, name: str = "node") -> list[str]:
        return [tool("kubectl"), f"--kubeconfig={self.state}/{name}/kubeconfig", *arguments]

    def start_kubectl(self, *arguments: str) -> subprocess.Popen[str]:
        """A kubectl that goes on until it is ended."""
        command = self.entering(self.kubectl_command(*arguments))
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, text=True)


def _joined(command: Sequence[str]) -> list[str]:
    return ["bash", "-c", _JOIN, "join", *command]


def _make_groups() -> None:
    controllers = [each for each in _GROUPS.iterdir() if (each / "cgroup.procs").exists()]
    for parent in controllers or [_GROUPS]:
        group = parent / _NAME
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # An empty set of processors takes no process in.
            if parent.name == "cpuset":
                (group / setting).write_text((parent / setting).read_text())


def _remove_groups() -> bool:
    tops = [*_GROUPS.glob(_NAME), *_GROUPS.glob(f"*/{_NAME}")]
    for top in tops:
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                os.rmdir(folder)
    return not any(top.exists() for top in tops)


def soon(check: Callable[[], object], *, seconds: float = 60) -> None:
    """Fails unless ``check`` is true within the deadline."""
    assert wait_for(lambda: bool(check()), deadline_seconds=seconds, poll_seconds=0.3), "it did not come true in time"
