"""What the end-to-end tests talk with: commands, waits, and kubectl on the cluster under test."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from one_ring.api import dump_yaml

ROOT = Path(__file__).parents[2]
NAMESPACE = "one-ring"
REGISTRY = os.environ.get("REGISTRY", "10.245.0.1:5000")  # the local node's own
BASE_MODEL = "meta-llama/Llama-2-7b-chat-hf"
Json = dict[str, Any]


def run(*command: str, stdin: str | None = None, timeout_seconds: float = 300) -> str:
    """The output of a command that has to succeed; its errors become the test's."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def wait_for(what: str, check: Callable[[], Any], *, deadline_seconds: float = 120, poll_seconds: float = 0.5) -> Any:
    """The first true answer of ``check``; fails with ``what`` and the last answer after the deadline."""
    end = time.monotonic() + deadline_seconds
    while not (answer := check()):
        assert time.monotonic() < end, f"not within {deadline_seconds:.0f} s: {what}; last seen: {answer!r}"
        time.sleep(poll_seconds)
    return answer


@dataclass(frozen=True)
class Cluster:
    """kubectl against the cluster under test, in the release's namespace."""

    volumes: Path

    def kubectl(self, *args: str, stdin: str | None = None, timeout_seconds: float = 120) -> str:
        return run("kubectl", "-n", NAMESPACE, *args, stdin=stdin, timeout_seconds=timeout_seconds)

    def get(self, kind: str, name: str) -> Json | None:
        found = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found.strip() else None

    def find(self, kind: str, *, selector: str = "") -> list[Json]:
        found: list[Json] = json.loads(self.kubectl("get", kind, "-l", selector, "-o", "json"))["items"]
        return found

    def pods_of(self, job: str) -> list[Json]:
        return self.find("pods", selector=f"training.one-ring.io/job={job}")

    def apply(self, name: str, config: Json, **spec: Any) -> str:
        """Applies a TrainingJob with small defaults (no GPU) and returns its name."""
        small = {"model_name_or_path": BASE_MODEL, "train_file": "data/train.jsonl", "logging_steps": 1}
        document = {
            "apiVersion": "training.one-ring.io/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": name},
            "spec": {"config": small | config, "resources": {"gpus": 0}} | spec,
        }
        self.kubectl("apply", "-f", "-", stdin=dump_yaml(document))
        return name

    def patch(self, name: str, **spec: Any) -> None:
        self.kubectl("patch", "tjob", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def status(self, name: str) -> Json:
        job = self.get("tjob", name)
        assert job is not None, f"TrainingJob {name} is gone"
        status: Json = job.get("status") or {}
        return status

    def wait_for_phase(self, name: str, *phases: str, deadline_seconds: float = 240) -> Json:
        """The status once the job is in one of ``phases``; a different terminal phase fails at once."""

        def reached() -> Json | None:
            status = self.status(name)
            phase = status.get("phase")
            assert phase in phases or phase not in {"Succeeded", "Failed", "Cancelled"}, json.dumps(status, indent=1)
            return status if phase in phases else None

        status: Json = wait_for(f"{name} is {' or '.join(phases)}", reached, deadline_seconds=deadline_seconds)
        return status

    def wait_for_step(self, name: str, step: int, *, deadline_seconds: float = 240) -> Json:
        def reached() -> Json | None:
            status = self.status(name)
            assert status.get("phase") not in {"Succeeded", "Failed", "Cancelled"}, json.dumps(status, indent=1)
            return status if (status.get("progress") or {}).get("step", 0) >= step else None

        status: Json = wait_for(f"{name} is at step {step}", reached, deadline_seconds=deadline_seconds)
        return status

    def output(self, name: str) -> Path:
        """The job's folder on the outputs volume."""
        job = self.get("tjob", name)
        assert job is not None
        return self.volumes / "outputs" / f"{name}-{job['metadata']['uid'][:8]}"
