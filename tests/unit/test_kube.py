"""The Kubernetes client, as far as it goes without a cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kubernetes.aio.client.exceptions import ApiException

from one_ring.api import dump_yaml
from one_ring.kube import (
    EVENTS,
    TOKEN_REVIEWS,
    TRAINING_JOBS,
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    Kube,
    KubeError,
    NotFound,
    Unavailable,
    _named,
    connect,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (TRAINING_JOBS.path("team", "x"), "/apis/training.one-ring.io/v1alpha1/namespaces/team/trainingjobs/x"),
        (TRAINING_JOBS.path("team", "x", "status"), TRAINING_JOBS.path("team", "x") + "/status"),
        (TRAINING_JOBS.path(), "/apis/training.one-ring.io/v1alpha1/trainingjobs"),
        (EVENTS.path("team"), "/api/v1/namespaces/team/events"),
        (TOKEN_REVIEWS.path("team"), "/apis/authentication.k8s.io/v1/tokenreviews"),
    ],
)
def test_paths_are_the_apis(path: str, expected: str) -> None:
    assert path == expected


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "Unauthorized", Forbidden),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", Unavailable),
        (500, "InternalError", Unavailable),
        (503, "", Unavailable),
        (400, "BadRequest", KubeError),
    ],
)
def test_each_refusal_has_its_class(status: int, reason: str, kind: type[KubeError]) -> None:
    refused = ApiException(status=status, reason="x")
    refused.body = f'{{"reason": "{reason}", "message": "the server\'s words"}}'
    named = _named(refused, "get", "/x")
    assert (type(named), named.status, str(named)) == (kind, status, "the server's words")


def test_a_refusal_without_json_says_what_was_asked() -> None:
    refused = ApiException(status=404, reason="Not Found")
    refused.body = "404 page not found"
    assert str(_named(refused, "get", "/x")) == "Not Found to get /x"


@pytest.mark.parametrize("text", [None, "", "{not yaml", "[]"])
def test_without_a_usable_kubeconfig_the_remedy_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    with pytest.raises(KubeError, match="set KUBECONFIG"):
        asyncio.run(connect(kubeconfig=str(file)))


def kubeconfig(folder: Path, server: str) -> str:
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": "u"} | more}
        for name, more in (("plain", {}), ("team", {"namespace": "team"}))
    ]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "plain",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": contexts,
    }
    file = folder / "config"
    file.write_text(dump_yaml(document))
    return str(file)


@pytest.mark.parametrize(("context", "namespace"), [("", "default"), ("team", "team")])
def test_the_namespace_is_the_contexts(tmp_path: Path, context: str, namespace: str) -> None:
    async def connected() -> str:
        kube = await connect(kubeconfig=kubeconfig(tmp_path, "http://127.0.0.1:9"), context=context)
        await kube.close()
        return kube.namespace

    assert asyncio.run(connected()) == namespace


def test_a_server_that_never_answers_meets_the_deadline(tmp_path: Path) -> None:
    async def ask() -> None:
        silent = await asyncio.start_server(lambda _, __: asyncio.sleep(60), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        path = kubeconfig(tmp_path, f"http://127.0.0.1:{port}")
        kube: Kube = await connect(kubeconfig=path, deadline_seconds=0.05)
        try:
            await kube.create(TRAINING_JOBS, {}, namespace="x")
        finally:
            await kube.close()
            silent.close()

    with pytest.raises(Unavailable, match="no answer"):
        asyncio.run(asyncio.wait_for(ask(), 20))
