"""The six endpoints, asked of a real gateway process in front of a real API server."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from one_ring.api import API_VERSION
from tests.controlplane.api import Api
from tests.controlplane.gateway_process import Gateway
from tests.controlplane.users import as_user, token_with

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/training-workflow.md").read_text()
JOBS = "/api/v1/training/jobs"
JOB_KEYS = {"id", "name", "status", "config", "metrics", "created_at", "started_at", "finished_at", "error"}
BODY = {"config": {"train_file": "data/train.jsonl"}, "name": "my job"}


@pytest.fixture
def gateway(cluster: str, namespace: str) -> Iterator[Gateway]:
    with Gateway(cluster, namespace).serving() as served:
        yield served


@pytest.fixture
def rest(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        yield client


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^ *```{language}\n(.*?)^ *```", GUIDE, re.DOTALL | re.MULTILINE)
    return found


def send(rest: httpx.Client, block: str, job_id: str = "") -> httpx.Response:
    """The guide's request, as printed."""
    head, _, body = block.partition("\n\n")
    request, *headers = head.strip().splitlines()
    method, target = request.split()
    pairs = dict(header.split(": ") for header in headers)
    return rest.request(method, target.replace("{job_id}", job_id), headers=pairs, content=body or None)


def says(api: Api, namespace: str, job_id: str, phase: str, **status: Any) -> None:
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/trainingjobs/{job_id}/status"
    api.patch(path, {"status": {"phase": phase} | status})


def test_the_guides_requests_are_answered_as_printed(rest: httpx.Client, api: Api, namespace: str) -> None:
    create, start, get, listing, cancel, logs = blocks("http")
    created = send(rest, create)
    job = created.json()
    assert created.status_code == 201
    assert created.headers["location"] == f"{JOBS}/{job['id']}"
    assert set(job) == JOB_KEYS
    assert job["name"] == "my-finetuning-job"
    assert (job["status"], job["metrics"]["loss"], job["metrics"]["epoch"]) == ("pending", None, 0.0)
    assert job["config"]["peft_method"] == "lora"
    assert send(rest, start, job["id"]).status_code == 409  # it was started immediately
    assert send(rest, get, job["id"]).json() == job
    says(api, namespace, job["id"], "Running")
    listed = send(rest, listing).json()
    assert set(listed) == {"jobs", "total", "limit", "offset"}
    assert (listed["total"], listed["limit"], listed["offset"]) == (1, 10, 0)
    assert [other["id"] for other in listed["jobs"]] == [job["id"]]
    cancelled = send(rest, cancel, job["id"])
    assert (cancelled.status_code, cancelled.json()["id"]) == (202, job["id"])
    says(api, namespace, job["id"], "Cancelled", attempts=[{"number": 1}])
    gone = send(rest, logs, job["id"])
    assert (gone.status_code, gone.json()["status"]) == (410, 410)
    assert gone.json()["file"].startswith(job["id"])


def test_the_guides_curl_lines_run_as_printed(gateway: Gateway) -> None:
    create, monitor = (block.replace("http://localhost:8000", gateway.url) for block in blocks("bash"))
    job = json.loads(subprocess.run(["bash", "-c", create], capture_output=True, check=True, text=True).stdout)
    assert job["config"]["validation_file"] == "data/validation.jsonl"
    (status_line,) = (line for line in monitor.splitlines() if line.strip().endswith("{job_id}"))
    shown = subprocess.run(
        ["bash", "-c", status_line.replace("{job_id}", job["id"])], capture_output=True, check=True, text=True
    )
    assert json.loads(shown.stdout) == job


def test_a_job_waits_until_it_is_started(rest: httpx.Client, api: Api, namespace: str) -> None:
    job_id = rest.post(JOBS, json=BODY).json()["id"]
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/trainingjobs/{job_id}"
    assert api.get(path)["spec"]["suspend"] is True
    answer = rest.post(f"{JOBS}/{job_id}/start")
    assert (answer.status_code, answer.json()["id"]) == (202, job_id)
    assert api.get(path)["spec"]["suspend"] is False


def test_a_wrong_state_is_409(rest: httpx.Client, api: Api, namespace: str) -> None:
    job_id = rest.post(JOBS, json=BODY).json()["id"]
    assert rest.get(f"{JOBS}/{job_id}/logs").status_code == 409
    says(api, namespace, job_id, "Succeeded")
    for verb in ("start", "cancel"):
        answer = rest.post(f"{JOBS}/{job_id}/{verb}")
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        assert "is over (completed)" in answer.json()["detail"]


def test_cancelling_twice_is_fine(rest: httpx.Client) -> None:
    job_id = rest.post(JOBS, json=BODY).json()["id"]
    assert [rest.post(f"{JOBS}/{job_id}/cancel").status_code for _ in range(2)] == [202, 202]


@pytest.mark.parametrize(
    ("method", "tail"), [("GET", ""), ("POST", "/start"), ("POST", "/cancel"), ("GET", "/logs")], ids=str
)
def test_an_unknown_id_is_404_everywhere(rest: httpx.Client, method: str, tail: str) -> None:
    answer = rest.request(method, f"{JOBS}/no-such-job{tail}")
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")
    assert "no-such-job" in answer.json()["detail"]


def test_lists_are_filtered_and_paged(rest: httpx.Client, api: Api, namespace: str) -> None:
    ids = [rest.post(JOBS, json=BODY).json()["id"] for _ in range(3)]
    for job_id, phase in zip(ids, ["Running", "Succeeded", "Failed"], strict=True):
        says(api, namespace, job_id, phase)
    pages = [rest.get(JOBS, params={"limit": 2, "offset": offset}).json() for offset in (0, 2)]
    assert {job["id"] for page in pages for job in page["jobs"]} == set(ids)
    assert [(len(page["jobs"]), page["total"]) for page in pages] == [(2, 3), (1, 3)]
    both = rest.get(f"{JOBS}?status=running,completed").json()["jobs"]
    assert {job["status"] for job in both} == {"running", "completed"}


def test_malformed_lines_are_answered_with_their_numbers(rest: httpx.Client, api: Api, namespace: str) -> None:
    job_id = rest.post(JOBS, json=BODY | {"start_immediately": True}).json()["id"]
    faults = [{"file": "data/train.jsonl", "line": line, "message": "is no JSON"} for line in (2, 4)]
    attempt = {"number": 1, "failureClass": "Data", "message": "2 lines are malformed"}
    says(api, namespace, job_id, "Failed", attempts=[attempt], faults=faults, faultCount=2)
    error = rest.get(f"{JOBS}/{job_id}").json()["error"]
    assert (error["code"], error["fault_count"]) == ("Data", 2)
    assert [fault["line"] for fault in error["faults"]] == [2, 4]


# What the gateway's Role in the chart has to allow, and all that it needs.
RULES = [
    {"apiGroups": ["training.one-ring.io"], "resources": ["trainingjobs"], "verbs": ["get", "list", "create", "patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
]


def test_a_few_rights_in_one_namespace_are_enough(cluster: str, api: Api, namespace: str, tmp_path: Path) -> None:
    own = as_user(cluster, {"token": token_with(api, namespace, RULES)}, tmp_path)
    create, start, get, listing, cancel, logs = blocks("http")
    with Gateway(own, namespace).serving() as gateway, httpx.Client(base_url=gateway.url, timeout=60) as rest:
        job_id = rest.post(JOBS, json=BODY).json()["id"]
        answers = [send(rest, block, job_id).status_code for block in (create, start, get, listing, cancel)]
        assert answers == [201, 202, 200, 200, 202]
        says(api, namespace, job_id, "Cancelled", attempts=[{"number": 1}])
        assert send(rest, logs, job_id).status_code == 410
        assert send(rest, logs, "no-such-job").status_code == 404
        assert rest.get("/readyz").status_code == 200


def test_without_them_the_answer_is_403_and_says_what_to_ask_for(
    cluster: str, api: Api, namespace: str, tmp_path: Path
) -> None:
    own = as_user(cluster, {"token": token_with(api, namespace, [])}, tmp_path)
    with Gateway(own, namespace).serving() as gateway:
        refused = httpx.get(f"{gateway.url}{JOBS}")
        assert refused.status_code == 403
        assert "ask for a Role" in refused.json()["detail"]
        assert httpx.get(f"{gateway.url}/readyz").status_code == 503


def test_it_is_ready_and_counts_by_route(rest: httpx.Client) -> None:
    job_id = rest.post(JOBS, json=BODY).json()["id"]
    rest.get(f"{JOBS}/{job_id}")
    assert rest.get("/readyz").text == "ok\n"
    counted = rest.get("/metrics").text
    assert f'requests_total{{code="200",method="GET",route="{JOBS}/{{job_id}}"}} 1.0' in counted
    assert job_id not in counted
