"""The guide's curl lines, run as printed against http://localhost:8000."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

from demo.forward import URL
from demo.guide import Snippets
from demo.problems import StepFailed
from demo.screen import Screen
from demo.shell import run

_REMEDY = "kubectl -n one-ring logs deploy/one-ring-gateway; kubectl -n one-ring describe tjob"
_SHOWN_LOG_LINES = 4


def run_curl_flow(guide: Snippets, screen: Screen) -> str:
    """Creates a job, asks for its state, streams its log to the end and lists the jobs; answers with the job's id."""
    screen.guide(guide.create_by_curl, "bash")
    job_id = str(_curl(guide.create_by_curl, screen)["id"])
    status = guide.status_by_curl.replace("{job_id}", job_id)
    _stream_log(guide.logs_by_curl.replace("{job_id}", job_id), job_id, screen)
    screen.command(status)
    _wait_until_over(status, job_id, screen)
    listing = f"curl '{URL}{guide.list_path}'"
    screen.command(listing)
    page = json.loads(_bash(listing))
    screen.output("\n".join(f"{job['id']}  {job['status']}" for job in page["jobs"]) + f"\ntotal: {page['total']}")
    return job_id


def brief(answer: dict[str, Any]) -> str:
    """A job as REST answers it, without the long config and what is empty."""
    metrics = {key: value for key, value in (answer.get("metrics") or {}).items() if key in ("epoch", "step", "loss")}
    shown = {key: answer.get(key) for key in ("id", "name", "status")} | {"config": "…", "metrics": metrics}
    return json.dumps(shown, ensure_ascii=False)


def _curl(command: str, screen: Screen) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_bash(command))
    if "id" not in answer:
        raise StepFailed("the guide's curl lines", tail=json.dumps(answer, indent=1), remedy=_REMEDY)
    screen.output(brief(answer))
    return answer


def _bash(command: str) -> str:
    answer = run("bash", "-c", command, doing="the guide's curl lines", remedy=_REMEDY)
    if not answer.lstrip().startswith(("{", "[")):
        raise StepFailed("the guide's curl lines", tail=f"$ {command}\n{answer}", remedy=_REMEDY)
    return answer


def _stream_log(command: str, job_id: str, screen: Screen) -> None:
    """Shows the log as it comes, and keeps its last lines on the screen."""
    screen.command(command)
    seen: list[str] = []
    with (
        screen.moving() as show,
        subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as curl,
    ):
        assert curl.stdout is not None
        show(f"{job_id}: waiting for its first line", f"{job_id}: waiting for its first line")
        for line in curl.stdout:
            seen.append(line.rstrip())
            show("\n".join(_short(one) for one in seen[-_SHOWN_LOG_LINES:]), f"{job_id}: {_short(seen[-1])}")
    screen.output("\n".join([f"… {len(seen)} lines, the last:", *map(_short, seen[-_SHOWN_LOG_LINES:])]))


def _short(line: str) -> str:
    return line if len(line) <= 100 else line[:99] + "…"


def _wait_until_over(command: str, job_id: str, screen: Screen, *, deadline_seconds: float = 600) -> None:
    end = time.monotonic() + deadline_seconds
    answer = json.loads(_bash(command))
    with screen.moving() as show:
        while answer["status"] in ("pending", "queued", "preparing", "running", "saving") and time.monotonic() < end:
            show(brief(answer), f"{job_id}: {answer['status']}")
            time.sleep(1)
            answer = json.loads(_bash(command))
    screen.output(brief(answer))
    if answer["status"] != "completed":
        raise StepFailed(f"training {job_id}", tail=json.dumps(answer, indent=1), remedy=_REMEDY)
