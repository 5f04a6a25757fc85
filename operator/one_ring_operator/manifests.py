"""What do we create? The batch/v1 Job of one attempt, as a plain dict that reads like its YAML."""

from __future__ import annotations

from typing import Any

from one_ring.api import ATTEMPT_LABEL, JOB_LABEL, MANAGED_BY, MANAGED_BY_LABEL, TrainingJob, Volume, child_name
from one_ring.api import pod as in_pod
from one_ring_operator.children import RUN_LABEL
from one_ring_operator.settings import Settings

_TOKEN_SECONDS = 3600
_HF_TOKEN = "HF_TOKEN"


def build_job(job: TrainingJob, *, attempt: int, settings: Settings, ca: str | None) -> dict[str, Any]:
    """The Job of one attempt; ``ca`` is the progress receiver's, in PEM."""
    labels = {
        MANAGED_BY_LABEL: MANAGED_BY,
        JOB_LABEL: job.metadata.name,
        ATTEMPT_LABEL: str(attempt),
        RUN_LABEL: job.metadata.uid,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": child_name(job.metadata.name, attempt),
            "namespace": job.metadata.namespace,
            "labels": labels,
            "ownerReferences": [job.owner_reference()],
        },
        "spec": {
            "backoffLimit": 0,  # attempts are ours to count
            "podReplacementPolicy": "Failed",  # never two writers on one volume
            "template": {
                "metadata": {"labels": labels, "annotations": _annotations(job, ca)},
                "spec": _pod(job, attempt, settings, ca),
            },
        },
    }


def _annotations(job: TrainingJob, ca: str | None) -> dict[str, str]:
    config = {in_pod.CONFIG_ANNOTATION: job.spec.config.model_dump_json(exclude_none=True)}
    return config | ({in_pod.CA_ANNOTATION: ca} if ca else {})


def _pod(job: TrainingJob, attempt: int, settings: Settings, ca: str | None) -> dict[str, Any]:
    spec = job.spec
    secrets = [*spec.image_pull_secrets, *settings.image_pull_secrets]
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": settings.grace_period_seconds,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": settings.run_as_user,
            "runAsGroup": settings.run_as_group,
            "fsGroup": settings.fs_group,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(job, attempt, settings, ca)],
        "volumes": _volumes(job, settings, ca),
    }
    optional = {
        "imagePullSecrets": [{"name": name} for name in dict.fromkeys(secret.name for secret in secrets)],
        "nodeSelector": dict(spec.node_selector),
        "tolerations": [t.model_dump(by_alias=True, exclude_none=True) for t in spec.tolerations],
    }
    return pod | {field: value for field, value in optional.items() if value}


def _container(job: TrainingJob, attempt: int, settings: Settings, ca: str | None) -> dict[str, Any]:
    return {
        "name": in_pod.TRAINER_CONTAINER,
        "image": settings.trainer_image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": _environment(job, attempt, settings, ca),
        "resources": _resources(job, settings),
        "volumeMounts": _mounts(job, settings),
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _resources(job: TrainingJob, settings: Settings) -> dict[str, Any]:
    wanted = settings.resources_of(job.spec.resources)
    amounts = {"cpu": wanted.cpu, "memory": wanted.memory}
    if wanted.gpus and wanted.gpu_resource:
        amounts[wanted.gpu_resource] = str(wanted.gpus)
    given = {name: amount for name, amount in amounts.items() if amount}
    return {"requests": given, "limits": given} if given else {}


def _environment(job: TrainingJob, attempt: int, settings: Settings, ca: str | None) -> list[dict[str, Any]]:
    """The user's variables, then ours: nobody may redirect the reports or the outputs."""
    values = _values(job, attempt, settings, ca)
    ours: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in values.items()]
    if secret := job.spec.hf_token_secret:
        ours.append({"name": _HF_TOKEN, "valueFrom": {"secretKeyRef": {"name": secret.name, "key": secret.key}}})
    taken = {variable["name"] for variable in ours}
    theirs = {variable.name: variable.value for variable in job.spec.env}
    return [*({"name": name, "value": value} for name, value in theirs.items() if name not in taken), *ours]


def _values(job: TrainingJob, attempt: int, settings: Settings, ca: str | None) -> dict[str, str]:
    values = {
        in_pod.CONFIG_FILE: f"{in_pod.JOB_FILES}/config.json",
        in_pod.DATASETS_ROOT: in_pod.DATASETS_MOUNT,
        in_pod.MODELS_ROOT: in_pod.MODELS_MOUNT,
        in_pod.OUTPUTS_ROOT: in_pod.OUTPUTS_MOUNT,
        in_pod.JOB_DIR: in_pod.job_dir(job.metadata.name, job.metadata.uid),
        in_pod.RUN_ID: job.metadata.uid,
        in_pod.ATTEMPT: str(attempt),
        in_pod.TERMINATION_MESSAGE_FILE: "/dev/termination-log",
        "HOME": "/tmp",  # noqa: S108  (an emptyDir of the pod)
        "HF_HOME": "/tmp/hf",  # noqa: S108
    }
    if settings.progress_url:
        path = in_pod.progress_path(job.metadata.namespace, job.metadata.name)
        values[in_pod.PROGRESS_URL] = settings.progress_url.rstrip("/") + path
        values[in_pod.PROGRESS_TOKEN_FILE] = f"{in_pod.TOKEN_FILES}/token"
        if ca:
            values[in_pod.PROGRESS_CA_FILE] = f"{in_pod.JOB_FILES}/ca.crt"
    return values


def _mounts(job: TrainingJob, settings: Settings) -> list[dict[str, Any]]:
    storage = settings.storage_of(job.spec.storage)
    return [
        _mount("datasets", in_pod.DATASETS_MOUNT, storage.datasets, read_only=True),
        _mount("models", in_pod.MODELS_MOUNT, storage.models, read_only=True),
        _mount("outputs", in_pod.OUTPUTS_MOUNT, storage.outputs),
        _mount("job", in_pod.JOB_FILES, read_only=True),
        _mount("token", in_pod.TOKEN_FILES, read_only=True),
        _mount("tmp", "/tmp"),  # noqa: S108
        _mount("shm", "/dev/shm"),  # noqa: S108
    ]


def _mount(name: str, path: str, volume: Volume | None = None, *, read_only: bool = False) -> dict[str, Any]:
    mount: dict[str, Any] = {"name": name, "mountPath": path}
    if read_only:
        mount["readOnly"] = True
    if volume and volume.sub_path:
        mount["subPath"] = volume.sub_path
    return mount


def _volumes(job: TrainingJob, settings: Settings, ca: str | None) -> list[dict[str, Any]]:
    storage = settings.storage_of(job.spec.storage)
    files = [_annotation_file("config.json", in_pod.CONFIG_ANNOTATION)]
    if ca:
        files.append(_annotation_file("ca.crt", in_pod.CA_ANNOTATION))
    token = {"audience": in_pod.PROGRESS_AUDIENCE, "expirationSeconds": _TOKEN_SECONDS, "path": "token"}
    return [
        _claim("datasets", storage.datasets),
        _claim("models", storage.models),
        _claim("outputs", storage.outputs),
        {"name": "job", "downwardAPI": {"items": files}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory"}},
    ]


def _annotation_file(path: str, annotation: str) -> dict[str, Any]:
    return {"path": path, "fieldRef": {"fieldPath": f"metadata.annotations['{annotation}']"}}


def _claim(name: str, volume: Volume | None) -> dict[str, Any]:
    """The claim, or an empty folder where none is given: models can come from the hub."""
    if volume is None:
        return {"name": name, "emptyDir": {}}
    return {"name": name, "persistentVolumeClaim": {"claimName": volume.claim_name}}
