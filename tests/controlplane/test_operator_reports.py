"""Who may report progress, and what the operator makes of it; tokens are real ones of the real API server."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from one_ring.api import Stage
from one_ring.api.pod import progress_path
from tests.controlplane.api import Api, until
from tests.controlplane.jobs import Job, Jobs
from tests.controlplane.kubelet import Pod, Trainer


@pytest.fixture
def job(jobs: Jobs) -> Job:
    return jobs.create()


@pytest.fixture
def pod(job: Job) -> Pod:
    return job.pod().runs()


@pytest.fixture
def trainer(job: Job, pod: Pod) -> Trainer:
    return job.trainer(pod)


def test_a_report_reaches_the_status(job: Job, trainer: Trainer) -> None:
    trainer.says(Stage.RUNNING, step=7)
    progress = job.reaches("Running")["progress"]
    assert (progress["step"], progress["totalSteps"], progress["loss"]) == (7, 100, 1.93)
    assert job.status["firstStepTime"]


def test_progress_follows_within_seconds(job: Job, trainer: Trainer) -> None:
    for step in range(1, 6):
        trainer.says(Stage.RUNNING, step=step)
    until(lambda: job.status["progress"]["step"] == 5, "the last report to be seen")


def test_a_report_that_is_not_newer_is_refused(trainer: Trainer) -> None:
    trainer.says(Stage.RUNNING, step=7)
    assert trainer.post(trainer.report(Stage.RUNNING, 7)).status_code == 409
    trainer.sequence -= 1
    assert trainer.post(trainer.report(Stage.RUNNING, 6)).status_code == 409


def forged(token: str, **claims: Any) -> str:
    """The token with other claims, under the old signature."""
    header, payload, signature = token.split(".")
    return ".".join([header, _encoded(_decoded(payload) | claims), signature])


def resigned(token: str, kubeconfig: str, *, age_seconds: int = 0) -> str:
    """The token as it would be after that time, signed by the cluster's own key."""
    key = Path(kubeconfig).parent / "pki/service-account.key"
    if not key.exists():
        pytest.skip("the key of a foreign cluster is not known")
    header, payload, _ = token.split(".")
    claims = _decoded(payload)
    shifted = {name: claims[name] - age_seconds for name in ("iat", "nbf", "exp")}
    signed = f"{header}.{_encoded(claims | shifted)}"
    command = ["openssl", "dgst", "-sha256", "-sign", str(key)]
    signature = subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout
    return f"{signed}.{_base64(_two_numbers(signature))}"


def _two_numbers(der: bytes) -> bytes:
    """An ECDSA signature (P-256) as tokens hold it: two numbers of 32 bytes."""
    first, rest = der[4 : 4 + der[3]], der[4 + der[3] :]
    return b"".join(number[-32:].rjust(32, b"\0") for number in (first, rest[2:]))


def _decoded(part: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _encoded(claims: dict[str, Any]) -> str:
    return _base64(json.dumps(claims).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


BAD_TOKENS: dict[str, Callable[[Pod, str], str]] = {
    "none": lambda pod, cluster: "",
    "garbage": lambda pod, cluster: "x.y.z",
    "forged": lambda pod, cluster: forged(pod.token(), exp=int(time.time()) + 9999),
    "expired": lambda pod, cluster: resigned(pod.token(), cluster, age_seconds=3600),
    "for another audience": lambda pod, cluster: pod.token(audience="elsewhere"),
    "bound to no pod": lambda pod, cluster: pod.token(bound=False),
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_bad_token_is_refused(
    cluster: str, job: Job, pod: Pod, trainer: Trainer, make: Callable[[Pod, str], str]
) -> None:
    answer = trainer.post(trainer.report(Stage.RUNNING, 50), token=make(pod, cluster))
    assert answer.status_code == 401
    job.settles()
    assert "progress" not in job.status


def test_the_resigned_token_is_refused_for_its_age_alone(cluster: str, pod: Pod, trainer: Trainer) -> None:
    """Proof that the expired row tests what it says: the same signing with a future expiry is accepted."""
    fresh = resigned(pod.token(), cluster)
    trainer.sequence += 1
    assert trainer.post(trainer.report(Stage.RUNNING, 1), token=fresh).status_code == 204


def test_the_token_of_another_job_is_refused(jobs: Jobs, job: Job, trainer: Trainer) -> None:
    other = jobs.create()
    token = other.pod().runs().token()
    assert trainer.post(trainer.report(Stage.RUNNING, 50), token=token).status_code == 403
    job.settles()
    assert "progress" not in job.status


def test_the_token_of_a_pod_that_only_wears_our_labels_is_refused(api: Api, pod: Pod, trainer: Trainer) -> None:
    labels = pod.body["metadata"]["labels"]
    worn = {name: value for name, value in labels.items() if "one-ring" in name and "run-id" not in name}
    made = api.post(
        f"/api/v1/namespaces/{pod.namespace}/pods",
        {"metadata": {"name": "stranger", "labels": worn}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    )
    stranger = Pod(api, pod.namespace, made["metadata"]["name"])
    assert trainer.post(trainer.report(Stage.RUNNING, 50), token=stranger.token()).status_code == 403


def test_the_token_of_another_attempt_is_refused(trainer: Trainer) -> None:
    trainer.attempt = 2
    assert trainer.post(trainer.report(Stage.RUNNING, 50)).status_code == 403


def test_the_token_of_a_pod_that_is_gone_is_refused(job: Job, pod: Pod, trainer: Trainer) -> None:
    job.change(cancel=True)
    until(pod.is_terminating, "the pod to be told to stop")
    pod.vanishes()
    job.reaches("Cancelled")
    until(lambda: trainer.post(trainer.report(Stage.RUNNING, 50)).status_code == 401, "the token to be void")
    assert "progress" not in job.status


def test_a_job_that_does_not_exist_is_not_found(jobs: Jobs, trainer: Trainer) -> None:
    url = f"https://localhost:{jobs.operator.progress_port}{progress_path(jobs.namespace, 'nobody')}"
    assert trainer.post(trainer.report(Stage.RUNNING, 1), url=url).status_code == 404


BAD_BODIES = {
    "not JSON": ("{", 422),
    "no attempt": ('{"sequence": 1}', 422),
    "not a number": (
        '{"attempt":1,"sequence":9,"time":"2026-05-01T00:00:00Z","stage":"running","progress":{"loss":NaN}}',
        422,
    ),
    "too long": (json.dumps({"message": "x" * 70_000}), 413),
}


@pytest.mark.parametrize(("body", "code"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_bad_body_is_refused(trainer: Trainer, body: str, code: int) -> None:
    assert trainer.post(body).status_code == code


def test_a_restarted_operator_goes_on_where_it_was(jobs: Jobs, job: Job, trainer: Trainer) -> None:
    trainer.says(Stage.RUNNING, step=7)
    job.reaches("Running")
    jobs.operator.kill()
    jobs.operator.start().ready()
    job.settles()
    assert job.status["phase"] == "Running"
    trainer.says(Stage.RUNNING, step=8)
    until(lambda: job.status["progress"]["step"] == 8, "the next report to be seen")


def test_metrics_tell_of_running_jobs_and_forget_them(jobs: Jobs, job: Job, pod: Pod, trainer: Trainer) -> None:
    trainer.says(Stage.RUNNING, step=7)
    job.reaches("Running")
    mine = f'trainingjob_step{{name="{job.name}",namespace="{job.namespace}"}}'
    until(lambda: jobs.operator.metric(mine) == 7, "the step to be exported")
    assert jobs.operator.metric('trainingjob_phase{phase="Running"}') >= 1
    before = jobs.operator.metric('trainingjob_attempts_total{failure_class="NonFinite"}')
    pod.ends(6)
    job.reaches("Failed")
    until(lambda: mine not in jobs.operator.probe("metrics").text, "the job's gauges to be gone")
    assert jobs.operator.metric('trainingjob_attempts_total{failure_class="NonFinite"}') == before + 1
