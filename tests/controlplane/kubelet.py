"""The tests play the kubelet and the trainer: they take a pod through its life, and post what its trainer would."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from one_ring.api import JOB_LABEL, FinalReport, Outcome, Progress, ProgressReport, Stage
from one_ring.api.pod import PROGRESS_AUDIENCE, TRAINER_CONTAINER, progress_path
from tests.controlplane.api import Api, Object, until

NODE = "played-node"
CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "500Gi", "nvidia.com/gpu": "2"}
_CLAIMS = ("datasets", "models", "outputs")


def timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def offer_node(api: Api) -> None:
    """A node that the scheduler trusts, with two GPUs."""
    if api.find(f"/api/v1/nodes/{NODE}"):
        return
    api.post("/api/v1/nodes", {"metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}})
    ready = {"type": "Ready", "status": "True", "reason": "Played", "message": "", "lastHeartbeatTime": timestamp()}
    status = {"capacity": CAPACITY, "allocatable": CAPACITY, "conditions": [ready]}
    api.patch(f"/api/v1/nodes/{NODE}/status", {"status": status})
    api.patch(f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}})


def offer_claims(api: Api, namespace: str) -> None:
    """Claims for datasets, models and outputs, bound already: the volume controller takes its time."""
    for name in _CLAIMS:
        _offer_claim(api, namespace, name)


def _offer_claim(api: Api, namespace: str, name: str) -> None:
    shared = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    size = {"storage": "1Gi"}
    volume = f"{namespace}-{name}"
    claim = {
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": shared | {"volumeName": volume, "resources": {"requests": size}},
    }
    made = api.post(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim)
    reference = {"namespace": namespace, "name": name, "uid": made["metadata"]["uid"]}
    kept = {"persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": f"/tmp/{volume}"}}
    spec = shared | kept | {"capacity": size, "claimRef": reference}
    api.post("/api/v1/persistentvolumes", {"metadata": {"name": volume}, "spec": spec})
    bound = {"phase": "Bound", "capacity": size, "accessModes": shared["accessModes"]}
    api.patch(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}/status", {"status": bound})


def withdraw_claims(api: Api, namespace: str) -> None:
    """Removes the volumes; the claims go with their namespace."""
    for name in _CLAIMS:
        api.delete(f"/api/v1/persistentvolumes/{namespace}-{name}")


def pods_of(api: Api, namespace: str, job: str) -> list[Object]:
    items: list[Object] = api.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={JOB_LABEL}%3D{job}")["items"]
    return sorted(items, key=lambda pod: pod["metadata"]["creationTimestamp"])


class Pod:
    """One trainer pod, in the hands of the test."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        self.namespace = namespace
        self.name = name

    @property
    def body(self) -> Object:
        return self._api.get(self._path)

    def is_there(self) -> bool:
        return self._api.find(self._path) is not None

    def is_terminating(self) -> bool:
        return bool((self._api.find(self._path) or {}).get("metadata", {}).get("deletionTimestamp"))

    def scheduled(self) -> Pod:
        """Waits for the scheduler."""
        until(lambda: self.body["spec"].get("nodeName"), f"pod {self.name} to be scheduled")
        return self

    def waits(self, reason: str, message: str) -> None:
        """Its container cannot start."""
        self._patch("Pending", {"waiting": {"reason": reason, "message": message}})

    def runs(self) -> Pod:
        """Its trainer has started."""
        self.scheduled()
        self._patch("Running", {"running": {"startedAt": timestamp()}})
        return self

    def ends(self, exit_code: int = 0, *, message: str | FinalReport = "", reason: str = "") -> None:
        """Its trainer has exited."""
        text = message if isinstance(message, str) else message.model_dump_json(by_alias=True, exclude_none=True)
        state = {
            "exitCode": exit_code,
            "reason": reason or ("Error" if exit_code else "Completed"),
            "message": text,
            "startedAt": timestamp(),
            "finishedAt": timestamp(),
        }
        self._patch("Failed" if exit_code else "Succeeded", {"terminated": state})

    def is_pushed_out(self, reason: str, message: str) -> None:
        """The cluster takes the pod away before the trainer could say anything."""
        condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
        kept = [c for c in self.body["status"].get("conditions", []) if c["type"] != "DisruptionTarget"]
        status = {"phase": "Failed", "conditions": [*kept, condition], "reason": "Evicted", "message": message}
        self._api.patch(f"{self._path}/status", {"status": status})

    def is_deleted(self) -> None:
        """Somebody deletes it; the kubelet is still to end it."""
        self._api.delete(self._path)

    def vanishes(self) -> None:
        """The kubelet has ended it, and it is gone."""
        self._api.delete(self._path, grace_seconds=0)

    def token(self, *, audience: str = PROGRESS_AUDIENCE, bound: bool = True) -> str:
        """What the kubelet would project into it."""
        pod = {"kind": "Pod", "apiVersion": "v1", "name": self.name, "uid": self.body["metadata"]["uid"]}
        spec: Object = {"audiences": [audience], "expirationSeconds": 600}
        if bound:
            spec["boundObjectRef"] = pod
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default/token"
        token: str = self._api.post(path, {"spec": spec})["status"]["token"]
        return token

    def _patch(self, phase: str, state: Object) -> None:
        container = {
            "name": TRAINER_CONTAINER,
            "state": state,
            "ready": "running" in state,
            "started": "running" in state,
            "restartCount": 0,
            "image": "trainer",
            "imageID": "",
        }
        self._api.patch(f"{self._path}/status", {"status": {"phase": phase, "containerStatuses": [container]}})


class Trainer:
    """The program in the pod, as far as the operator hears of it."""

    def __init__(self, pod: Pod, job: str, *, port: int, ca: str, attempt: int = 1) -> None:
        self._url = f"https://localhost:{port}{progress_path(pod.namespace, job)}"
        self._tls = ssl.create_default_context(cafile=ca)
        self._token = pod.token()
        self.attempt = attempt
        self.sequence = 0

    def says(self, stage: Stage, step: int = 0, **more: Any) -> None:
        """A report that the operator takes."""
        self.sequence += 1
        report = self.report(stage, step, **more)
        until(lambda: self.post(report).status_code == 204, f"the report {stage} to be taken")

    def report(self, stage: Stage, step: int = 0, **more: Any) -> ProgressReport:
        progress = Progress(epoch=step / 100, step=step, total_steps=100, percent=step, loss=2.0 - step / 100)
        return ProgressReport(
            attempt=self.attempt,
            sequence=self.sequence,
            time=datetime.now(UTC),
            stage=stage,
            progress=progress if step else None,
            **more,
        )

    def post(self, report: ProgressReport | str, *, token: str | None = None, url: str = "") -> httpx.Response:
        text = report if isinstance(report, str) else report.model_dump_json(by_alias=True, exclude_none=True)
        headers = {} if token == "" else {"Authorization": f"Bearer {token or self._token}"}
        return httpx.post(url or self._url, content=text, headers=headers, verify=self._tls, timeout=20)


def succeeded(step: int = 100) -> FinalReport:
    progress = Progress(epoch=1.0, step=step, total_steps=100, percent=100, loss=1.0)
    checkpoint = {
        "step": step,
        "path": f"run/checkpoints/step-{step}",
        "time": datetime.now(UTC) - timedelta(seconds=1),
    }
    output = {"kind": "adapter", "path": "run/adapter", "bytes": 1234}
    return FinalReport.model_validate(
        {
            "outcome": Outcome.SUCCEEDED,
            "message": "trained 100 steps",
            "progress": progress,
            "last_checkpoint": checkpoint,
            "outputs": [output],
        }
    )


def was_stopped(step: int) -> FinalReport:
    progress = Progress(epoch=step / 100, step=step, total_steps=100, percent=step, loss=1.5)
    message = f"stopped at step {step}, saved"
    return FinalReport(outcome=Outcome.STOPPED, saved=True, message=message, progress=progress)
