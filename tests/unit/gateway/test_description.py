"""What the gateway says about itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from one_ring_gateway.openapi import operations

from one_ring.api import TrainingConfig
from tests.unit.gateway.conftest import Ask

GUIDE = (Path(__file__).parents[3] / "docs/training-workflow.md").read_text()
ENDPOINTS = [(method, path.split("?")[0]) for method, path in re.findall(r"```http\n(GET|POST) (\S+)", GUIDE)]


def test_the_guide_has_six_endpoints() -> None:
    assert len(ENDPOINTS) == 6


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_endpoint_of_the_guide_is_described_and_on_the_page(
    app: FastAPI, ask: Ask, method: str, path: str
) -> None:
    assert method.lower() in app.openapi()["paths"][path]
    assert f"<b>{method}</b> <code>{path}</code>" in ask("GET", "/docs").text


def test_nothing_else_is_offered(app: FastAPI) -> None:
    assert {(method, path) for path, method, _ in operations(app.openapi())} == set(ENDPOINTS)


def test_every_refusal_is_described_as_a_problem(app: FastAPI) -> None:
    for _, _, operation in operations(app.openapi()):
        for code, answer in operation["responses"].items():
            if int(code) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (operation["summary"], code)


def test_every_reference_in_the_description_leads_somewhere(app: FastAPI) -> None:
    document = app.openapi()
    references = re.findall(r"'#/components/schemas/(\w+)'", str(document))
    assert references
    assert set(references) <= set(document["components"]["schemas"])


def test_every_config_field_is_described(app: FastAPI) -> None:
    schemas = app.openapi()["components"]["schemas"]
    (name,) = (name for name in schemas if name.startswith("TrainingConfig") and "Output" not in name)
    described: dict[str, Any] = schemas[name]["properties"]
    assert set(described) == set(TrainingConfig.model_fields)
    assert all(field["description"] for field in described.values())


def test_the_page_needs_nothing_from_elsewhere(ask: Ask) -> None:
    page = ask("GET", "/docs")
    assert not re.search(r"(src|href)=\"https?://|<script", page.text)
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_page_shows_the_guides_example(ask: Ask) -> None:
    assert "my-finetuning-job" in ask("GET", "/docs").text
