"""Where things lie: what is built once (the cache), and what a running cluster writes (its state)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
LOCAL = CHECKOUT / "deploy/local"
WHOLE_NODE = "node"


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("ONE_RING_CACHE") or f"{home}/one-ring")


def state_root() -> Path:
    return Path(os.environ.get("ONE_RING_LOCAL_STATE") or "/var/lib/one-ring-local")


@dataclass(frozen=True)
class Place:
    """The folders of one cluster, by its name."""

    name: str

    @property
    def state(self) -> Path:
        return state_root() / self.name

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def config(self) -> Path:
        return self.state / "config"

    @property
    def control(self) -> Path:
        """Holds `<component>.stop` for each component that is to stand still."""
        return self.state / "control"

    @property
    def plan_file(self) -> Path:
        """The components that the supervisor runs."""
        return self.state / "plan.json"

    @property
    def status_file(self) -> Path:
        """What the supervisor last saw of them."""
        return self.state / "status.json"

    @property
    def kernel_file(self) -> Path:
        """The machine's kernel settings as they were before the cluster."""
        return self.state / "kernel.json"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def volumes(self) -> Path:
        return self.state / "volumes"
