"""What is installed from files says the same everywhere, needs no rights it lacks, and names no machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from one_ring import __version__
from tests.unit.chart.restricted import faults

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy/helm/one-ring"
DOCKERFILES = ("operator/Dockerfile", "api-gateway/Dockerfile", "trainer-image/Dockerfile")
HELPER_POD = yaml.safe_load((ROOT / "deploy/volumes/helper-pod.yaml").read_text())
GOOD_POD = HELPER_POD["spec"]


def test_the_chart_has_the_version_of_the_library() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def _keys(values: Any, path: str = "") -> set[str]:
    """Paths of all keys; what is below an empty mapping is the user's."""
    if not isinstance(values, dict) or not values:
        return {path}
    return {key for name, value in values.items() for key in _keys(value, f"{path}.{name}")}


def _described(schema: dict[str, Any], node: dict[str, Any], path: str = "") -> set[str]:
    if "$ref" in node:
        node = schema["definitions"][node["$ref"].rsplit("/", 1)[1]]
    if not node.get("properties"):
        return {path}
    return {key for name, child in node["properties"].items() for key in _described(schema, child, f"{path}.{name}")}


def test_every_value_is_in_the_schema_and_every_property_of_the_schema_in_the_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = _keys(yaml.safe_load((CHART / "values.yaml").read_text()))
    described = _described(schema, schema) - {".global"}
    # Values say {} for these; the schema says what may stand in them.
    described -= {key for key in described if key.startswith(".image.digests.")}
    settled = {key for key in described if re.match(r"\.(operator|gateway)\.resources\.", key)}
    values = {key for key in values if not re.match(r"\.(operator|gateway)\.resources\.", key)}
    assert values - {".image.digests"} == described - settled


def test_every_object_in_the_schema_refuses_unknown_keys() -> None:
    def open_objects(node: Any, path: str = "") -> list[str]:
        if not isinstance(node, dict):
            return []
        below = [found for name, child in node.items() for found in open_objects(child, f"{path}/{name}")]
        is_open = isinstance(node.get("properties"), dict) and node.get("type") == "object"
        return below + ([path] if is_open and node.get("additionalProperties") is not False else [])

    assert open_objects(json.loads((CHART / "values.schema.json").read_text())) == []


@pytest.mark.parametrize("name", ["values.yaml", "values.schema.json"])
def test_the_chart_names_no_machine(name: str) -> None:
    assert not re.search(r"localhost|\b\d+\.\d+\.\d+\.\d+\b|:5000", (CHART / name).read_text())


def test_the_helper_pod_meets_the_restricted_standard_without_a_token() -> None:
    assert faults(GOOD_POD) == []
    assert GOOD_POD["automountServiceAccountToken"] is False


def test_the_helper_pod_uses_an_image_of_this_version_and_the_default_claims() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    image = values["image"]
    assert GOOD_POD["containers"][0]["image"] == f"{image['registry']}/{image['repository']}/operator:{__version__}"
    claims = {volume["persistentVolumeClaim"]["claimName"] for volume in GOOD_POD["volumes"]}
    offered = {
        claim["metadata"]["name"] for claim in yaml.safe_load_all((ROOT / "deploy/volumes/claims.yaml").read_text())
    }
    assert claims == offered == {claim["claimName"] for claim in values["storage"].values()}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"hostNetwork": True}, "hostNetwork is set"),
        ({"securityContext": {}}, "volumes: may run as root"),
        ({"securityContext": GOOD_POD["securityContext"] | {"runAsUser": 0}}, "volumes: may run as root"),
        ({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "volume host is a hostPath"),
        ({"containers": [{"name": "bare"}]}, "bare: may write its root file system"),
    ],
    ids=str,
)
def test_a_pod_that_breaks_the_standard_is_found_out(change: dict[str, Any], fault: str) -> None:
    assert fault in faults(GOOD_POD | change)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_takes_its_base_runs_as_nobody_and_has_our_code_last(name: str) -> None:
    text = (ROOT / name).read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0].startswith("ARG BASE_IMAGE=")
    assert lines[1] == "FROM ${BASE_IMAGE}"
    assert "USER 65532:65532" in lines
    assert "--require-hashes -r /tmp/build/requirements.txt" in text
    assert text.index("uv pip install") < text.index("COPY one_ring")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_images_differ_in_their_last_lines_only(name: str) -> None:
    """One recipe: what is mended in one is mended in all three."""

    def shared(file: str) -> str:
        text = (ROOT / file).read_text().split("# Our code comes last")[0]
        folder = file.split("/", maxsplit=1)[0]
        return re.sub(r"^# The \w+\.|title=\"[^\"]*\"", "", text.replace(f"{folder}/requirements", "X/requirements"))

    assert shared(name) == shared(DOCKERFILES[0])
