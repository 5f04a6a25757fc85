"""Our operator as a real process, which a test can kill and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from one_ring.api import dump_yaml
from tests.controlplane.api import Api, until

ROOT = Path(__file__).resolve().parents[2]
CRD = ROOT / "deploy/crds/trainingjobs.training.one-ring.io.yaml"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def make_certificate(folder: Path) -> None:
    """``ca.crt``, ``tls.crt`` and ``tls.key`` for localhost."""
    ca = ["-x509", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"]
    _openssl(folder, "req", *ca, "-subj", "/CN=tests", "-keyout", "ca.key", "-out", "ca.crt")
    request = ["-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=localhost"]
    _openssl(folder, "req", *request, "-keyout", "tls.key", "-out", "tls.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    signing = ["-req", "-days", "2", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-extfile", "names"]
    _openssl(folder, "x509", *signing, "-out", "tls.crt")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@dataclass
class Operator:
    """One operator; its settings, ports and log outlive a restart."""

    folder: Path
    kubeconfig: str
    settings: dict[str, Any] = field(default_factory=dict)
    probe_port: int = field(default_factory=free_port)
    progress_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        make_certificate(self.folder)
        volumes = {role: {"claimName": role} for role in ("datasets", "models", "outputs")}
        document = {
            "trainerImage": "registry.example/trainer:test",
            "progressUrl": f"https://localhost:{self.progress_port}",
            "caFile": self.ca,
            "tlsCertFile": str(self.folder / "tls.crt"),
            "tlsKeyFile": str(self.folder / "tls.key"),
            "resyncSeconds": 2,
            "probePort": self.probe_port,
            "progressPort": self.progress_port,
            "defaults": {"resources": {"gpus": 0, "cpu": "1", "memory": "1Gi"}, "storage": volumes},
        }
        (self.folder / "operator.yaml").write_text(dump_yaml(document | self.settings))

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.crt")

    @property
    def log(self) -> str:
        return (self.folder / "operator.log").read_text()

    def start(self) -> Operator:
        environment = os.environ | {
            "KUBECONFIG": self.kubeconfig,
            "ONE_RING_OPERATOR_SETTINGS": str(self.folder / "operator.yaml"),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'operator'}",
        }
        with (self.folder / "operator.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "one_ring_operator"], env=environment, stdout=log, stderr=log
            )
        return self

    def ready(self) -> Operator:
        """Waits until it has listed everything once."""
        until(lambda: self.probe("readyz").status_code == 200, "the operator to be ready")
        return self

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """As a lost node would: without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As Kubernetes would; its exit code."""
        return self._end(signal.SIGTERM)

    def probe(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.probe_port}/{path}", timeout=5)

    def metric(self, sample: str) -> float:
        """The value of one sample of /metrics; 0 if there is none."""
        lines = self.probe("metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample))

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(how)
        code = self.process.wait(timeout=40)
        self.process = None
        return code


@contextmanager
def api_server_away(kubeconfig: str) -> Iterator[None]:
    """Stops the real API server for a while."""
    name = Path(kubeconfig).parent.name
    component = [str(ROOT / "deploy/local/cluster"), "component", "kube-apiserver"]
    subprocess.run([*component, "stop", "--name", name], check=True, capture_output=True, timeout=60)
    try:
        yield
    finally:
        subprocess.run([*component, "start", "--name", name], check=True, capture_output=True, timeout=60)
        api = Api(kubeconfig)
        until(lambda: api.text("/readyz") == "ok", "the API server to be back", seconds=60)
        api.close()
