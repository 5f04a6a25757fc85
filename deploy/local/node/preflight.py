"""What is checked before anything starts: everything at once, each problem with its remedy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from node import network, tools
from node.places import cache, state_root
from node.problems import Problem, Problems

Check = Callable[[], Problem | None]

_GIB = 2**30
_DISK_NEEDED_GIB = 25
_GO_NEEDED = (1, 24)


def check(*, whole_node: bool) -> None:
    """Raises ``Problems`` with all that a cluster lacks."""
    of_the_node: tuple[Check, ...] = (_control_groups, _addresses, _disk) if whole_node else ()
    _raise_all((_root, _programs, *_tool_checks(whole_node), *of_the_node))


def check_tools(*, whole_node: bool) -> None:
    """Raises ``Problems`` with all that is lacking to install and compile the tools."""
    _raise_all((_root, *_tool_checks(whole_node)))


def check_root() -> None:
    _raise_all([_root])


def _raise_all(checks: Iterable[Check]) -> None:
    if found := [problem for each in checks if (problem := each())]:
        raise Problems(found)


def _tool_checks(whole_node: bool) -> tuple[Check, Check]:
    return partial(_go, whole_node), partial(_apt, whole_node)


def _root() -> Problem | None:
    if os.geteuid() == 0:
        return None
    return Problem("the cluster needs root: it makes namespaces and mounts", "run it as root, for example by sudo")


def _programs() -> Problem | None:
    missing = [name for name in ("unshare", "nsenter", "mount", "sysctl") if not shutil.which(name)]
    if not missing:
        return None
    return Problem(f"missing programs: {', '.join(missing)}", "apt-get install util-linux procps")


def _go(whole_node: bool) -> Problem | None:
    if not tools.missing_modules(whole_node=whole_node):
        return None
    said = (
        subprocess.run(["go", "version"], capture_output=True, text=True, check=False) if shutil.which("go") else None
    )
    found = go_version(said.stdout if said else "")
    if found >= _GO_NEEDED:
        return None
    needed = ".".join(map(str, _GO_NEEDED))
    shown = f"Go {'.'.join(map(str, found))} is too old" if any(found) else "Go is not installed"
    return Problem(f"{shown}: the tools are compiled with it", f"install Go {needed} or newer and put `go` on PATH")


def go_version(said: str) -> tuple[int, int]:
    """What ``go version`` says, (0, 0) if it is not that."""
    match = re.search(r"\bgo(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _apt(whole_node: bool) -> Problem | None:
    missing = tools.missing_packages(whole_node=whole_node)
    if not missing or shutil.which("apt-get"):
        return None
    return Problem(
        f"missing Debian packages, and no apt-get to install them: {', '.join(missing)}",
        "use Debian or Ubuntu, or set KUBECONFIG and REGISTRY to a cluster that exists",
    )


def _control_groups() -> Problem | None:
    root = Path("/sys/fs/cgroup")
    if (root / "memory").is_dir() or (root / "cgroup.controllers").exists():
        return None
    return Problem("no control groups are mounted", "mount them at /sys/fs/cgroup (a usual Debian does at boot)")


def _addresses() -> Problem | None:
    taken = network.route_taken_by() if shutil.which("ip") else ""
    if not taken:
        return None
    return Problem(f"the node's addresses are in use by {taken}", f"take that link down: ip link delete {taken}")


def _disk() -> Problem | None:
    roots = (cache(), state_root())
    free = min(shutil.disk_usage(_existing(folder)).free for folder in roots)
    if free >= _DISK_NEEDED_GIB * _GIB or (state_root() / "node/containerd").exists():
        return None
    return Problem(
        f"{free / _GIB:.0f} GiB are free, and the images need {_DISK_NEEDED_GIB}",
        f"free some space, or set ONE_RING_CACHE and ONE_RING_LOCAL_STATE to folders of a larger disk (now {cache()})",
    )


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
