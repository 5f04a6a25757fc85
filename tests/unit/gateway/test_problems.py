"""Refusals that need no cluster: problem+json, every fault at once, whatever comes in."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.conftest import Ask

JOBS = "/api/v1/training/jobs"
GOOD = {"config": {"train_file": "data/train.jsonl"}, "name": "my-finetuning-job"}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = json.loads(answer.text, parse_constant=lambda constant: pytest.fail(constant))
    assert (answer.status_code, body["status"]) == (status, status), body
    assert body["title"]
    assert body["detail"]
    return body


def test_every_fault_is_named_with_field_value_and_remedy(ask: Ask) -> None:
    wrong = {"config": {"learning_rate": 2, "peft_method": "lorra", "trian_file": "x"}, "nmae": "x"}
    body = problem(ask("POST", JOBS, json=wrong), 422)
    faults = {fault["field"]: fault for fault in body["errors"]}
    assert set(faults) == {
        "config.learning_rate",
        "config.peft_method",
        "config.trian_file",
        "config.train_file",
        "name",
        "nmae",
    }
    assert faults["config.learning_rate"]["value"] == 2
    assert "less than 1" in faults["config.learning_rate"]["message"]
    assert "did you mean 'train_file'" in faults["config.trian_file"]["message"]


def test_a_rule_across_fields_names_its_field(ask: Ask) -> None:
    config = {"train_file": "a", "warmup_ratio": 0.1, "warmup_steps": 5}
    (fault,) = problem(ask("POST", JOBS, json=GOOD | {"config": config}), 422)["errors"]
    assert fault["field"] == "config.warmup_ratio"


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"content": "{", "headers": {"Content-Type": "application/json"}}, 400, "not JSON"),
        ({"headers": {"Content-Type": "application/json"}}, 400, "empty"),
        ({"content": json.dumps(GOOD), "headers": {"Content-Type": "text/plain"}}, 415, "Content-Type"),
        ({"data": {"name": "x"}}, 415, "application/json"),
        ({"json": GOOD | {"env": "x" * 70_000}}, 413, "65536"),
    ],
    ids=["no JSON", "no body", "text", "a form", "too large"],
)
def test_a_body_that_cannot_be_read_is_refused(ask: Ask, request_: Any, status: int, words: str) -> None:
    assert words in problem(ask("POST", JOBS, **request_), status)["detail"]


def test_a_body_that_does_not_say_its_length_is_cut_off_too(ask: Ask) -> None:
    async def endless() -> Any:
        for _ in range(1000):
            yield b"x" * 1024

    headers = {"Content-Type": "application/json"}
    assert problem(ask("POST", JOBS, content=endless(), headers=headers), 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/training/jobs/", 404),
        ("GET", "/api/v1/training/jobs/a%2F..%2F..%2Fsecrets", 404),
        ("GET", "/api/v1/training/jobs/..", 404),
        ("GET", "/api/v1/training/jobs/UPPER", 404),
        ("GET", f"/api/v1/training/jobs/{'a' * 53}", 404),
        ("POST", "/api/v1/training/jobs/a%3Fb/cancel", 404),
        ("DELETE", JOBS, 405),
        ("GET", f"{JOBS}/x/start", 405),
    ],
)
def test_what_is_not_there_is_refused_without_asking_the_cluster(ask: Ask, method: str, path: str, status: int) -> None:
    problem(ask(method, path), status)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=runing", "status"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("offset=-1", "offset"),
        ("state=running", "state"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(ask: Ask, query: str, field: str) -> None:
    (fault,) = problem(ask("GET", f"{JOBS}?{query}"), 422)["errors"]
    assert fault["field"] == field


def test_a_cluster_that_does_not_answer_is_503_and_says_when_to_come_back(ask: Ask) -> None:
    answer = ask("GET", f"{JOBS}/my-job")
    assert "does not answer" in problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0


def test_it_is_alive_but_not_ready_without_a_cluster(ask: Ask) -> None:
    assert ask("GET", "/healthz").status_code == 200
    problem(ask("GET", "/readyz"), 503)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=25)
@given(
    config=st.dictionaries(st.sampled_from(["train_file", "learning_rate", "lora_r", "x", "\ud800"]), JSON), more=JSON
)
def test_whatever_json_comes_in_a_well_formed_problem_goes_out(ask: Ask, config: Any, more: Any) -> None:
    body = json.dumps({"config": config, "unknown": more})
    answer = ask("POST", JOBS, content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 422)["errors"]
