"""The API's description: FastAPI's, with refusals as they really are."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from one_ring_gateway.log_answer import MEDIA_TYPE as LOG_MEDIA_TYPE
from one_ring_gateway.problems import MEDIA_TYPE, Problem

Document = dict[str, Any]
_EVERYWHERE = (403, 503)


def describe(app: FastAPI) -> Document:
    """The OpenAPI document of the app, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        _say_problems(document)
        _say_log(document)
        app.openapi_schema = document
    return app.openapi_schema


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """``(path, METHOD, operation)`` of each endpoint."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _say_problems(document: Document) -> None:
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= described.pop("$defs", {}) | {"Problem": described}
    for _, _, operation in operations(document):
        answers = operation["responses"]
        refusals = {int(code) for code in answers if int(code) >= 400} | set(_EVERYWHERE)
        answers |= {str(code): _refusal(code) for code in sorted(refusals)}


def _refusal(code: int) -> Document:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": HTTPStatus(code).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}


def _say_log(document: Document) -> None:
    for path, _, operation in operations(document):
        if path.endswith("/logs"):
            operation["responses"]["200"]["content"] = {LOG_MEDIA_TYPE: {"schema": {"type": "string"}}}
