"""The Kubernetes client against a real API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from one_ring import kube as kube_module
from one_ring.api import API_VERSION, KIND
from one_ring.kube import (
    PODS,
    TRAINING_JOBS,
    AlreadyExists,
    Conflict,
    Invalid,
    Kube,
    KubeError,
    NotFound,
    Object,
    Resource,
    connect,
)
from tests.controlplane.api import Api
from tests.controlplane.conftest import Run
from tests.controlplane.users import as_user, token_with

CONFIG_MAPS = Resource("/api/v1", "configmaps")


def job(name: str = "x", **config: Any) -> Object:
    spec = {"config": {"train_file": "a"} | config}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}


def test_a_stale_writer_is_told(kube: Kube, run: Run[Any], namespace: str) -> None:
    stored = run(kube.create(TRAINING_JOBS, job(), namespace=namespace))
    version = stored["metadata"]["resourceVersion"]
    change = {"metadata": {"resourceVersion": version}, "spec": {"suspend": True}}
    run(kube.merge_patch(TRAINING_JOBS, "x", change, namespace=namespace))
    change["spec"]["suspend"] = False
    with pytest.raises(Conflict):
        run(kube.merge_patch(TRAINING_JOBS, "x", change, namespace=namespace))


def test_a_taken_name_is_no_conflict(kube: Kube, run: Run[Any], namespace: str) -> None:
    run(kube.create(TRAINING_JOBS, job(), namespace=namespace))
    with pytest.raises(AlreadyExists):
        run(kube.create(TRAINING_JOBS, job(), namespace=namespace))


def test_faults_carry_the_servers_causes(kube: Kube, run: Run[Any], namespace: str) -> None:
    with pytest.raises(Invalid) as refused:
        run(kube.create(TRAINING_JOBS, job(learning_rate=0, lora_r=0), namespace=namespace))
    assert {cause["field"] for cause in refused.value.causes} >= {"spec.config.learning_rate", "spec.config.lora_r"}


def test_an_unknown_field_is_refused(kube: Kube, run: Run[Any], namespace: str) -> None:
    with pytest.raises(KubeError, match=r"spec\.config\.optim") as refused:
        run(kube.create(TRAINING_JOBS, job(optim="lion"), namespace=namespace))
    assert refused.value.status == 400


def test_what_is_not_there_is_told_from_what_is_not_known(kube: Kube, run: Run[Any], namespace: str) -> None:
    with pytest.raises(NotFound) as missing:
        run(kube.get(TRAINING_JOBS, "nobody", namespace=namespace))
    with pytest.raises(NotFound) as unknown:
        run(kube.get(Resource("/apis/nobody.io/v1", "things"), "x", namespace=namespace))
    assert missing.value.body
    assert not unknown.value.body


def test_a_delete_may_insist_on_the_very_object(kube: Kube, run: Run[Any], namespace: str) -> None:
    uid = run(kube.create(TRAINING_JOBS, job(), namespace=namespace))["metadata"]["uid"]
    with pytest.raises(Conflict):
        run(kube.delete(TRAINING_JOBS, "x", namespace=namespace, uid="00000000-0000-4000-8000-000000000000"))
    run(kube.delete(TRAINING_JOBS, "x", namespace=namespace, uid=uid))
    run(kube.delete(TRAINING_JOBS, "x", namespace=namespace, uid=uid))  # gone already is fine


def test_a_list_is_whole_however_it_is_cut(
    kube: Kube, run: Run[Any], namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_module, "_LIST_CHUNK", 2)
    for number in range(5):
        labels = {"parity": "odd" if number % 2 else "even"}
        run(kube.create(CONFIG_MAPS, {"metadata": {"name": f"n{number}", "labels": labels}}, namespace=namespace))
    even = run(kube.list(CONFIG_MAPS, namespace=namespace, label_selector="parity=even"))
    assert [item["metadata"]["name"] for item in even] == ["n0", "n2", "n4"]
    one = run(kube.list(CONFIG_MAPS, namespace=namespace, field_selector="metadata.name=n3"))
    assert [item["metadata"]["name"] for item in one] == ["n3"]


def test_a_missing_pods_log_is_not_found(kube: Kube, run: Run[Any], namespace: str) -> None:
    async def read() -> list[bytes]:
        return [chunk async for chunk in kube.stream_log("nobody", namespace=namespace)]

    with pytest.raises(NotFound):
        run(read())
    assert PODS.path(namespace, "x", "log").endswith(f"/namespaces/{namespace}/pods/x/log")


PLUGIN = """#!/bin/sh
token=expired
if [ -e "$0.asked" ]; then token=$(cat "$0.token"); fi
touch "$0.asked"
printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}' "$token"
"""
READS = [{"apiGroups": ["training.one-ring.io"], "resources": ["trainingjobs"], "verbs": ["get", "list"]}]


def test_a_token_that_expires_is_renewed_by_the_kubeconfigs_plugin(
    cluster: str, api: Api, run: Run[Any], namespace: str, tmp_path: Path
) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(PLUGIN)
    plugin.chmod(0o755)
    Path(f"{plugin}.token").write_text(token_with(api, namespace, READS))
    exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    own = as_user(cluster, {"exec": exec_}, tmp_path)

    async def read() -> list[Object]:
        kube = await connect(kubeconfig=own)
        try:
            return await kube.list(TRAINING_JOBS, namespace=namespace)
        finally:
            await kube.close()

    assert run(read()) == []
