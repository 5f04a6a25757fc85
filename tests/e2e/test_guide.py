"""The users' guide, as printed: every request and snippet takes a job where it says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import NAMESPACE, ROOT, Cluster, run, wait_for

GUIDE = (ROOT / "docs/training-workflow.md").read_text()


def blocks(language: str) -> list[str]:
    """The guide's code blocks of one language, without the indentation of the list they stand in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", GUIDE, re.DOTALL | re.MULTILINE)
    return [re.sub(f"(?m)^{indent}", "", block) for indent, block in found]


def shell(command: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run("bash", "-c", command))
    return answer


@pytest.mark.e2e
def test_the_guides_curl_lines_take_a_job_to_completed(cluster: Cluster, port_8000: str) -> None:
    create, monitor = blocks("bash")
    status_line, logs_line = re.findall(r"^curl .*$", monitor, re.MULTILINE)
    job_id = shell(create)["id"]

    def seen() -> str:
        return str(shell(status_line.replace("{job_id}", job_id))["status"])

    wait_for("the job is completed", lambda: seen() == "completed", deadline_seconds=300)
    log = run("bash", "-c", logs_line.replace("{job_id}", job_id))
    assert all(json.loads(line) for line in log.splitlines())
    assert cluster.status(job_id)["phase"] == "Succeeded"
    assert (cluster.output(job_id) / "adapter/adapter_model.safetensors").exists()


@pytest.mark.e2e
def test_the_guides_requests_answer_as_it_says(cluster: Cluster, port_8000: str) -> None:
    create, start, get, listing, cancel, logs = blocks("http")
    answer, _, body = create.partition("\n\n")
    request = answer.split()[0:2]
    assert request == ["POST", "/api/v1/training/jobs"]
    url = f"{port_8000}{request[1]}"
    held = json.loads(body) | {"start_immediately": False}
    job_id = post(url, held)["id"]
    assert fetch(path_of(get, port_8000, job_id))["status"] == "pending"
    assert post(path_of(start, port_8000, job_id), {})["id"] == job_id
    assert post(path_of(cancel, port_8000, job_id), {})["id"] == job_id
    wait_for("cancelled", lambda: fetch(path_of(get, port_8000, job_id))["status"] == "cancelled")
    assert fetch(path_of(listing, port_8000, job_id)).keys() == {"jobs", "total", "limit", "offset"}
    assert status_code(path_of(logs, port_8000, job_id)) == 410


@pytest.mark.e2e
def test_the_guides_python_snippets_take_a_job_to_completed(cluster: Cluster) -> None:
    _, create, start, monitor, cancel = blocks("python")
    finish = "import time\nwhile training_service.get_job(job.id).status != 'completed':\n    time.sleep(1)\n"
    lines = [create, start, finish, "job_id = job.id", monitor, cancel, "print('JOB', job_id)"]
    output = run(".venv/bin/python", "-c", "\n".join(lines), timeout_seconds=400)
    assert "Status: completed" in output
    assert "Progress: 3.0/3 epochs" in output
    assert re.search(r"Current loss: \d+\.\d{4}", output)
    assert "Failed to cancel job" in output  # it was over
    job_id = output.rsplit("JOB ", 1)[1].strip()
    assert f"{job_id}: my-first-finetuning - completed" in output


@pytest.mark.e2e
def test_kubectl_apply_takes_a_job_to_completed_and_its_adapter_loads_with_plain_peft(cluster: Cluster) -> None:
    name = cluster.apply("applied", {"learning_rate": 5e-3, "num_train_epochs": 4})
    run("kubectl", "-n", NAMESPACE, "wait", "--for=condition=Complete", f"tjob/{name}", "--timeout=300s")
    status = cluster.status(name)
    assert status["progress"]["percent"] == 100
    losses = logged_losses(cluster.output(name) / "metrics.jsonl")
    assert losses[-1] < losses[0]
    run(".venv-trainer/bin/python", "-c", LOAD, str(base(cluster)), str(cluster.output(name) / "adapter"))


LOAD = """
import sys
from peft import PeftModel
from transformers import AutoModelForCausalLM
base = AutoModelForCausalLM.from_pretrained(sys.argv[1])
model = PeftModel.from_pretrained(base, sys.argv[2])
assert any(parameter.abs().sum() > 0 for name, parameter in model.named_parameters() if "lora_B" in name)
"""


def base(cluster: Cluster) -> Path:
    return cluster.volumes / "models/meta-llama/Llama-2-7b-chat-hf"


def logged_losses(metrics: Path) -> list[float]:
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    return [row["loss"] for row in rows if row.get("loss") is not None]


def path_of(block: str, url: str, job_id: str) -> str:
    return url + block.split()[1].replace("{job_id}", job_id)


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    sent = ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body else []
    answer: dict[str, Any] = json.loads(run("curl", "-fsS", "-X", "POST", *sent, url))
    return answer


def fetch(url: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run("curl", "-fsS", url))
    return answer


def status_code(url: str) -> int:
    shown = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url], capture_output=True, text=True, check=True
    )
    return int(shown.stdout)
