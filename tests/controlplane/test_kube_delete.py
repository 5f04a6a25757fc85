"""Deleting with the one client takes along what it says it does."""

from __future__ import annotations

from typing import Any

import pytest

from one_ring.kube import JOBS, Conflict, Kube
from tests.controlplane.api import Api, until
from tests.controlplane.conftest import Run

CONTAINER = {"name": "c", "image": "nowhere.invalid/none", "command": ["true"]}
POD = {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}


def a_job_with_its_pod(kube: Kube, run: Run[Any], api: Api, namespace: str) -> str:
    """The uid of a Job whose pod the controllers have made."""
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": POD}}
    uid: str = run(kube.create(JOBS, body, namespace=namespace))["metadata"]["uid"]
    until(lambda: pods(api, namespace), "the Job's pod")
    return uid


def pods(api: Api, namespace: str) -> list[Any]:
    found: list[Any] = api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


@pytest.mark.parametrize("policy", ["Foreground", "Background"])
def test_a_job_deleted_by_its_uid_takes_its_pod_along(
    kube: Kube, run: Run[Any], api: Api, namespace: str, policy: str
) -> None:
    uid = a_job_with_its_pod(kube, run, api, namespace)
    run(kube.delete(JOBS, "j", namespace=namespace, propagation_policy=policy, uid=uid))
    until(lambda: not pods(api, namespace), "no pod left")


def test_another_job_of_the_same_name_is_left_alone(kube: Kube, run: Run[Any], api: Api, namespace: str) -> None:
    a_job_with_its_pod(kube, run, api, namespace)
    with pytest.raises(Conflict):
        run(kube.delete(JOBS, "j", namespace=namespace, uid="00000000-0000-0000-0000-000000000000"))
