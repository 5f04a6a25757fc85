"""What cannot work says why, in status and over REST."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.e2e.world import NAMESPACE, Cluster, run, wait_for


@pytest.mark.e2e
def test_malformed_lines_end_the_job_and_are_named_everywhere(cluster: Cluster, port_8000: str) -> None:
    name = cluster.apply("malformed", {"train_file": "data/broken.jsonl"})
    status = cluster.wait_for_phase(name, "Failed")
    assert [fault["line"] for fault in status["faults"]] == [2, 4]
    assert status["attempts"][-1]["failureClass"] == "Data"
    answer = json.loads(run("curl", "-fsS", f"{port_8000}/api/v1/training/jobs/{name}"))
    assert answer["status"] == "failed"
    assert [fault["line"] for fault in answer["error"]["faults"]] == [2, 4]


@pytest.mark.e2e
def test_an_impossible_gpu_request_stays_queued_with_the_schedulers_reason(cluster: Cluster) -> None:
    name = cluster.apply("impossible", {}, resources={"gpus": 64})

    def reason() -> str | None:
        status = cluster.status(name)
        texts = [condition.get("message", "") for condition in status.get("conditions", [])]
        return next((text for text in texts if "Insufficient nvidia.com/gpu" in text), None)

    assert wait_for("the scheduler's reason is shown", reason)
    assert cluster.status(name)["phase"] == "Queued"


@pytest.mark.e2e
def test_a_missing_claim_is_named(cluster: Cluster) -> None:
    name = cluster.apply("no-claim", {}, storage={"datasets": {"claimName": "nowhere"}})

    def named() -> bool:
        return any("nowhere" in c.get("message", "") for c in cluster.status(name).get("conditions", []))

    wait_for("a condition names the claim", named)
    assert cluster.status(name)["phase"] == "Queued"


@pytest.mark.e2e
def test_a_missing_secret_is_named(cluster: Cluster) -> None:
    name = cluster.apply("no-secret", {}, hfTokenSecret={"name": "not-there"})

    def named() -> bool:
        return any("not-there" in c.get("message", "") for c in cluster.status(name).get("conditions", []))

    wait_for("a condition names the secret", named)


@pytest.mark.e2e
def test_two_jobs_share_the_two_gpus_and_a_third_waits(cluster: Cluster) -> None:
    config = {"num_train_epochs": 500, "learning_rate": 1e-3}
    names = [cluster.apply(f"gpu-{number}", config, resources={"gpus": 1}) for number in (1, 2, 3)]

    def phases() -> list[str]:
        return sorted(cluster.status(name).get("phase", "") for name in names)

    wait_for("two run and one is queued", lambda: phases() == ["Queued", "Running", "Running"], deadline_seconds=240)
    waiting = next(name for name in names if cluster.status(name)["phase"] == "Queued")
    cluster.patch(next(name for name in names if name != waiting), cancel=True)
    cluster.wait_for_phase(waiting, "Preparing", "Running", deadline_seconds=120)


@pytest.mark.e2e
def test_only_the_jobs_own_pod_may_report_its_progress(cluster: Cluster) -> None:
    config = {"num_train_epochs": 500, "learning_rate": 1e-3}
    mine, other = (cluster.apply(f"token-{who}", config) for who in ("mine", "other"))
    cluster.wait_for_step(mine, 1)
    cluster.wait_for_step(other, 1)
    token = read_token(cluster, mine)
    foreign = run("kubectl", "-n", NAMESPACE, "create", "token", "default", "--audience=somebody-else").strip()
    assert answers(cluster, mine, {f"{token[:-6]}AAAAAA": mine, foreign: mine, "": mine}) == [401, 401, 401]
    assert answers(cluster, mine, {token: other}) == [403]


def read_token(cluster: Cluster, name: str) -> str:
    (pod,) = cluster.pods_of(name)
    return cluster.kubectl("exec", pod["metadata"]["name"], "--", "cat", "/var/run/secrets/one-ring/token").strip()


POST = """
import json, ssl, sys, urllib.error, urllib.request
for token, url in json.load(sys.stdin):
    request = urllib.request.Request(url, data=b"{}", headers={"Authorization": "Bearer " + token}, method="POST")
    context = ssl.create_default_context(cafile="/etc/one-ring/job/ca.crt")
    try:
        print(urllib.request.urlopen(request, context=context, timeout=10).status)
    except urllib.error.HTTPError as refused:
        print(refused.code)
"""


def answers(cluster: Cluster, pod_of: str, jobs_by_token: dict[str, str]) -> list[int]:
    """What the receiver answers to each token for a job, asked from inside a trainer's pod."""
    (pod,) = cluster.pods_of(pod_of)
    base = f"https://one-ring-operator.{NAMESPACE}.svc:8443/v1alpha1/namespaces/{NAMESPACE}/trainingjobs"
    asked: list[Any] = [[token, f"{base}/{job}/progress"] for token, job in jobs_by_token.items()]
    command = ["kubectl", "-n", NAMESPACE, "exec", "-i", pod["metadata"]["name"], "--", "python3", "-c", POST]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]
