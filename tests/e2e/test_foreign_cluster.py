"""A cluster that is only known by KUBECONFIG and REGISTRY: our own node, treated as a stranger's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import NAMESPACE, REGISTRY, Cluster, run


def install() -> None:
    run("deploy/images", timeout_seconds=3000)
    chart = ("one-ring", "deploy/helm/one-ring", "-n", NAMESPACE, "-f", "build/images.yaml")
    run("helm", "upgrade", "--install", *chart, "--wait", "--timeout", "5m", timeout_seconds=400)


@pytest.fixture
def foreign(cluster: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """The release, installed again with nothing but the two variables."""
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(os.environ["KUBECONFIG"], kubeconfig)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KUBECONFIG", str(kubeconfig))
        environment.setenv("REGISTRY", REGISTRY)
        install()
        yield cluster
    install()


@pytest.mark.e2e
def test_kubeconfig_and_registry_are_all_that_another_cluster_takes(foreign: Cluster) -> None:
    name = foreign.apply("abroad", {"max_steps": 2})
    foreign.wait_for_phase(name, "Succeeded")
    (pod,) = foreign.pods_of(name)
    assert pod["spec"]["containers"][0]["image"].startswith(f"{REGISTRY}/one-ring-training/trainer")
