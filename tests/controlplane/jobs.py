"""TrainingJobs as the tests drive and watch them."""

from __future__ import annotations

import json
from typing import Any

from one_ring.api import API_VERSION, KIND
from tests.controlplane.api import Api, Object, until
from tests.controlplane.kubelet import Pod, Trainer, pods_of
from tests.controlplane.operating import Operator


class Job:
    """One TrainingJob."""

    def __init__(self, api: Api, operator: Operator, namespace: str, name: str) -> None:
        self._api = api
        self._operator = operator
        self.namespace = namespace
        self.name = name
        self.path = f"/apis/{API_VERSION}/namespaces/{namespace}/trainingjobs/{name}"

    @property
    def body(self) -> Object:
        return self._api.get(self.path)

    @property
    def status(self) -> Object:
        status: Object = self.body["status"]
        return status

    def writes_since(self, version: str) -> int:
        """How often it has been written since that resourceVersion, as a watch tells it."""
        collection, _, name = self.path.rpartition("/")
        query = f"watch=true&fieldSelector=metadata.name%3D{name}&resourceVersion={version}&timeoutSeconds=2"
        events = [json.loads(line) for line in self._api.text(f"{collection}?{query}").splitlines()]
        return sum(event["type"] == "MODIFIED" for event in events)

    def change(self, **spec: Any) -> None:
        self._api.patch(self.path, {"spec": spec})

    def delete(self, policy: str = "Background") -> None:
        self._api.delete(self.path, policy=policy)

    def reaches(self, phase: str, *, seconds: float = 30) -> Object:
        """Waits for the phase; the status then."""

        def there() -> Object | None:
            status = self.status
            assert status["phase"] == phase, f"it is {status}"
            return status

        return until(there, f"{self.name} to be {phase}", seconds=seconds)

    def shows(self, kind: str, status: str, reason: str = "") -> Object:
        """Waits for a condition."""

        def there() -> Object | None:
            found = self.condition(kind)
            assert found.get("status") == status, f"it is {self.status}"
            return found if reason in ("", found["reason"]) else None

        return until(there, f"condition {kind}={status} {reason} on {self.name}")

    def condition(self, kind: str) -> Object:
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def children(self) -> list[Object]:
        """Its batch/v1 Jobs."""
        items: list[Object] = self._api.get(f"/apis/batch/v1/namespaces/{self.namespace}/jobs")["items"]
        uid = self.body["metadata"]["uid"]
        return [c for c in items if any(o["uid"] == uid for o in c["metadata"].get("ownerReferences", []))]

    def child_path(self, attempt: int) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{self.name}-{attempt}"

    def pods(self) -> list[Object]:
        return pods_of(self._api, self.namespace, self.name)

    def settles(self) -> None:
        """Waits until the operator has looked at every job at least twice more."""
        sample = 'trainingjob_api_requests_total{resource="trainingjobs",verb="list"}'
        before = self._operator.metric(sample)
        until(lambda: self._operator.metric(sample) >= before + 2, "two rounds of the resync")

    def delete_child(self, attempt: int, policy: str = "Background") -> None:
        self._api.delete(self.child_path(attempt), policy=policy)

    def pod(self, attempt: int = 1, *, seconds: float = 30) -> Pod:
        """Waits for the attempt's pod."""

        def there() -> str | None:
            names: list[str] = [pod["metadata"]["name"] for pod in pods_of(self._api, self.namespace, self.name)]
            return next((name for name in names if name.startswith(f"{self.name}-{attempt}-")), None)

        return Pod(
            self._api, self.namespace, until(there, f"the pod of attempt {attempt} of {self.name}", seconds=seconds)
        )

    def trainer(self, pod: Pod, attempt: int = 1) -> Trainer:
        return Trainer(pod, self.name, port=self._operator.progress_port, ca=self._operator.ca, attempt=attempt)

    def events(self) -> list[Object]:
        selector = f"fieldSelector=involvedObject.name%3D{self.name}"
        items: list[Object] = self._api.get(f"/api/v1/namespaces/{self.namespace}/events?{selector}")["items"]
        return items


class Jobs:
    """The TrainingJobs of one namespace."""

    def __init__(self, api: Api, operator: Operator, namespace: str) -> None:
        self._api = api
        self.operator = operator
        self.namespace = namespace
        self._count = 0

    def create(self, *, name: str = "", config: Object | None = None, **spec: Any) -> Job:
        self._count += 1
        name = name or f"job-{self._count}"
        document = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name},
            "spec": {"config": {"train_file": "train.jsonl"} | (config or {})} | spec,
        }
        self._api.post(f"/apis/{API_VERSION}/namespaces/{self.namespace}/trainingjobs", document)
        return Job(self._api, self.operator, self.namespace, name)
