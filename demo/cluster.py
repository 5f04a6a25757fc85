"""Which cluster the demo runs on, and how it talks to it.

With KUBECONFIG and REGISTRY set it is that one; otherwise the local node, which `deploy/local/cluster up` starts.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.places import NAMESPACE, cache
from demo.shell import run

LOCAL_CLUSTER = "deploy/local/cluster"


def is_foreign(env: Mapping[str, str] = os.environ) -> bool:
    """Whether the user named a cluster of their own."""
    return bool(env.get("KUBECONFIG") and env.get("REGISTRY"))


@dataclass(frozen=True)
class Cluster:
    """A running cluster; ``env`` makes kubectl, helm and the SDK reach it, in the release's namespace."""

    env: Mapping[str, str]
    is_local: bool

    @property
    def kubeconfig(self) -> Path:
        return Path(self.env["KUBECONFIG"])

    def run(
        self, *command: str, doing: str, remedy: str, stdin: str | None = None, timeout_seconds: float = 300
    ) -> str:
        return run(*command, doing=doing, remedy=remedy, env=self.env, stdin=stdin, timeout_seconds=timeout_seconds)

    def kubectl(self, *args: str, doing: str, stdin: str | None = None, timeout_seconds: float = 120) -> str:
        return self.run("kubectl", *args, doing=doing, remedy=self.remedy, stdin=stdin, timeout_seconds=timeout_seconds)

    def job(self, name: str) -> dict[str, Any]:
        """The TrainingJob as the API server has it."""
        found: dict[str, Any] = json.loads(
            self.kubectl("get", "trainingjob", name, "-o", "json", doing=f"reading TrainingJob {name}")
        )
        return found

    @property
    def remedy(self) -> str:
        if self.is_local:
            return f"see what runs: {LOCAL_CLUSTER} status; start afresh: make cluster-down, then make demo"
        return f"check the cluster: kubectl --kubeconfig {self.kubeconfig} get pods -n {NAMESPACE}"


def connect() -> Cluster:
    """The cluster that is up now, by a kubeconfig of the demo's own whose namespace is the release's."""
    env = dict(os.environ) if is_foreign() else _local_env()
    kubeconfig = _in_the_releases_namespace(env)
    return Cluster(env=env | {"KUBECONFIG": str(kubeconfig)}, is_local=not is_foreign())


def _local_env() -> dict[str, str]:
    command = f'eval "$({LOCAL_CLUSTER} env)"; env -0'
    shown = run("bash", "-c", command, doing="asking for the local cluster's settings", remedy="make cluster-up")
    return dict(entry.split("=", 1) for entry in shown.split("\0") if "=" in entry)


def _in_the_releases_namespace(env: Mapping[str, str]) -> Path:
    """A copy of the current context: the user's own file stays as it is."""
    remedy = "check that KUBECONFIG names a file with a current context"
    doing = "reading the kubeconfig"
    view = ("kubectl", "config", "view", "--raw", "--minify", "--flatten")
    text = run(*view, doing=doing, remedy=remedy, env=env)
    file = cache() / "kubeconfig"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)
    setting = ("kubectl", "--kubeconfig", str(file), "config", "set-context", "--current", f"--namespace={NAMESPACE}")
    run(*setting, doing=doing, remedy=remedy, env=env)
    return file


def name_of_port_holder(port: int) -> str:
    """The process that listens on a port, if this machine tells; else nothing."""
    try:
        shown = subprocess.run(["ss", "-ltnpH", f"sport = :{port}"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    _, _, holder = shown.stdout.partition("users:")
    return holder.strip()
