"""What `up` checks before it starts: everything at once, each with its remedy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from node import network
from node.places import cache, state_root
from node.problems import Problem, Problems

_GIB = 2**30
_DISK_NEEDED_GIB = 25


def check(*, whole_node: bool) -> None:
    """Raises ``Problems`` with all that is missing."""
    checks = [_root, _programs, *([_cgroups, _addresses, _disk] if whole_node else [])]
    if found := [problem for each in checks if (problem := each())]:
        raise Problems(found)


def _root() -> Problem | None:
    if os.geteuid() == 0:
        return None
    return Problem("the cluster needs root: it makes namespaces and mounts", "run it as root, for example by sudo")


def _programs() -> Problem | None:
    missing = [name for name in ("unshare", "nsenter", "mount", "sysctl", "ip", "openssl") if not shutil.which(name)]
    if not missing:
        return None
    return Problem(f"missing programs: {', '.join(missing)}", "apt-get install util-linux procps iproute2 openssl")


def _cgroups() -> Problem | None:
    root = Path("/sys/fs/cgroup")
    if (root / "memory").is_dir() or (root / "cgroup.controllers").exists():
        return None
    return Problem("no control groups are mounted", "mount them at /sys/fs/cgroup (a usual Debian does at boot)")


def _addresses() -> Problem | None:
    taken = network.route_taken_by()
    if not taken:
        return None
    return Problem(f"the node's addresses are in use by {taken}", f"take that link down: ip link delete {taken}")


def _disk() -> Problem | None:
    for folder in (cache(), state_root()):
        folder.mkdir(parents=True, exist_ok=True)
    free = min(shutil.disk_usage(folder).free for folder in (cache(), state_root()))
    if free >= _DISK_NEEDED_GIB * _GIB or (state_root() / "node/containerd").exists():
        return None
    return Problem(
        f"{free / _GIB:.0f} GiB are free, and the images need {_DISK_NEEDED_GIB}",
        f"free some space, or set ONE_RING_CACHE and ONE_RING_LOCAL_STATE to folders of a larger disk (now {cache()})",
    )
