"""What is generated is what lies in the repository, and imports stay light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from one_ring.api import dump_yaml
from one_ring.crd import FILES, HEADER, crd

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", FILES)
def test_the_crd_is_the_one_the_models_make(name: str) -> None:
    assert (ROOT / name).read_text() == HEADER + dump_yaml(crd()), "run `make crds`"


def test_no_schema_node_holds_what_a_structural_schema_refuses() -> None:
    def walk(node: object) -> None:
        if isinstance(node, dict):
            assert not {"$ref", "$defs", "anyOf", "const"} & node.keys()
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(crd()["spec"]["versions"][0]["schema"])


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("one_ring.training.trainer", "torch"),
        ("one_ring.training.trainer", "kubernetes"),
        ("one_ring.services.training_service", "torch"),
        ("one_ring_operator.watching", "torch"),
        ("one_ring_gateway.app", "torch"),
    ],
)
def test_importing_a_part_leaves_heavy_libraries_alone(module: str, heavy: str) -> None:
    code = f"import sys, {module}; sys.exit({heavy!r} in sys.modules)"
    path = ":".join(str(ROOT / part) for part in (".", "operator", "api-gateway"))
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=False).returncode == 0


def test_the_operator_folder_never_shadows_the_standard_library() -> None:
    assert not (ROOT / "operator/__init__.py").exists()
