"""The Kubernetes client's errors in the service's words."""

from __future__ import annotations

from typing import Any

import pytest

from one_ring.kube import Forbidden, Invalid, KubeError, NotFound, Unavailable
from one_ring.services.errors import (
    ClusterUnavailable,
    InvalidRequest,
    NotInstalled,
    NotPermitted,
    TrainingServiceError,
    named,
)

CAUSE = {
    "reason": "FieldValueInvalid",
    "message": "Invalid value: 0: spec.config.learning_rate in body should be greater than 0",
    "field": "spec.config.learning_rate",
}
RULE = {
    "reason": "FieldValueInvalid",
    "message": 'Invalid value: "object": train_file is empty: name the JSONL file',
    "field": "spec.config",
}
STRICT = 'strict decoding error: unknown field "spec.config.optim", unknown field "spec.nodes"'


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (Unavailable("no answer"), ClusterUnavailable),
        (Forbidden("no", status=403), NotPermitted),
        (NotFound("404 page not found", status=404), NotInstalled),
        (NotFound("gone", status=404, body={"reason": "NotFound"}), TrainingServiceError),
        (Invalid("bad", status=422), InvalidRequest),
        (KubeError("bad", status=400), InvalidRequest),
        (KubeError("odd", status=418), TrainingServiceError),
    ],
)
def test_each_refusal_has_its_name(refused: KubeError, kind: type[TrainingServiceError]) -> None:
    assert type(named(refused)) is kind


def faults(refused: KubeError) -> list[tuple[str, str]]:
    error = named(refused)
    assert isinstance(error, InvalidRequest)
    return [(fault.field, fault.message) for fault in error.errors]


def test_the_api_servers_causes_come_out_as_field_errors() -> None:
    body: dict[str, Any] = {"details": {"causes": [CAUSE, RULE]}}
    assert faults(Invalid("invalid", status=422, body=body)) == [
        ("config.learning_rate", "should be greater than 0"),
        ("config", "train_file is empty: name the JSONL file"),
    ]


def test_a_field_that_the_cluster_does_not_know_asks_for_an_upgrade() -> None:
    assert [field for field, _ in faults(KubeError(STRICT, status=400))] == ["config.optim", "nodes"]
    assert "upgrade its CRD" in faults(KubeError(STRICT, status=400))[0][1]


def test_a_refusal_without_causes_keeps_its_sentence() -> None:
    assert faults(KubeError("something else", status=400)) == [("", "something else")]


@pytest.mark.parametrize(
    ("status", "message", "remedy"),
    [
        (401, "Unauthorized", "log in to the cluster again"),
        (403, 'User "bilbo" cannot list resource "trainingjobs"', "ask for a Role"),
        (403, "exceeded quota: gpus", "exceeded quota: gpus"),
    ],
)
def test_what_is_not_permitted_comes_with_its_remedy(status: int, message: str, remedy: str) -> None:
    said = str(named(Forbidden(message, status=status)))
    assert said.startswith(message)
    assert remedy in said
    assert ("quota" in said) is ("Role" not in said and status == 403)
