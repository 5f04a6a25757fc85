"""Every refusal as problem+json (RFC 9457): what, why, and each fault with its field."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from one_ring.api import FieldError
from one_ring.api.model import field_path
from one_ring.services.errors import (
    ClusterUnavailable,
    InvalidRequest,
    JobNotFound,
    LogGone,
    NotInstalled,
    NotPermitted,
    TrainingServiceError,
    WrongState,
)

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = 5
_LONGEST_VALUE = 200

_STATUS = (
    (JobNotFound, 404),
    (WrongState, 409),
    (LogGone, 410),
    (InvalidRequest, 422),
    (NotPermitted, 403),
    (NotInstalled, 503),
    (ClusterUnavailable, 503),
)


class ProblemError(BaseModel):
    """One fault of a request."""

    field: str = Field(description="Where, such as config.learning_rate.")
    value: Any = Field(description="What was found there.")
    message: str = Field(description="What is wrong and what to do.")


class Problem(BaseModel):
    """Why a request was refused."""

    type: str = Field("about:blank", description="Always about:blank: the status says what kind of problem it is.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong and what to do.")
    errors: list[ProblemError] = Field(default_factory=list, description="Every fault at once.")
    file: str | None = Field(None, description="On 410: the log's copy, relative to the outputs volume.")


def install(app: FastAPI) -> None:
    """Makes the app answer every refusal this way."""
    handlers: dict[Any, Any] = {
        TrainingServiceError: _refused_by_service,
        RequestValidationError: _refused_by_schema,
        HTTPException: _refused_by_server,
        Exception: _failed,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def problem(
    status: int,
    detail: str,
    *,
    errors: Iterable[FieldError] = (),
    file: str = "",
    headers: dict[str, str] | None = None,
) -> Response:
    """The answer to a refused request."""
    faults = [ProblemError(field=e.field, value=_shown(e.value), message=e.message) for e in errors]
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=faults, file=file or None)
    # Plain ASCII: a value may hold what UTF-8 cannot carry.
    content = json.dumps(body.model_dump(exclude_none=not file) | {"errors": [f.model_dump() for f in faults]})
    return Response(content, status, headers, MEDIA_TYPE)


async def _refused_by_service(_: Request, refused: TrainingServiceError) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(refused, kind)), 502)
    errors = refused.errors if isinstance(refused, InvalidRequest) else ()
    file = refused.file if isinstance(refused, LogGone) else ""
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)} if status == 503 else None
    return problem(status, str(refused), errors=errors, file=file, headers=headers)


async def _refused_by_schema(_: Request, refused: RequestValidationError) -> Response:
    faults = refused.errors()
    first = faults[0]
    if first["type"] == "json_invalid":
        return problem(400, f"the body is not JSON: {first['ctx']['error']} at character {first['loc'][-1]}")
    if first["type"] == "missing" and tuple(first["loc"]) == ("body",):
        return problem(400, "the body is empty: send the job as JSON")
    if tuple(first["loc"]) == ("body",) and isinstance(first["input"], bytes):
        return problem(415, "send the body as JSON, with the header Content-Type: application/json")
    errors = [FieldError(field_path(fault["loc"][1:]), fault["input"], fault["msg"]) for fault in faults]
    return problem(422, "; ".join(f"{e.field} {e.message}".strip() for e in errors), errors=errors)


async def _refused_by_server(request: Request, refused: HTTPException) -> Response:
    details = {
        404: f"there is nothing at {request.url.path}: see /docs",
        405: f"{request.method} is not for {request.url.path}: see /docs",
    }
    detail = details.get(refused.status_code, str(refused.detail))
    return problem(refused.status_code, detail, headers=dict(refused.headers or {}))


async def _failed(_: Request, __: Exception) -> Response:
    return problem(500, "the gateway failed at this request: its log says why")


def _shown(value: Any) -> Any:
    """The value as JSON can carry it, cut to a length that a message can; of a whole object nothing."""
    if isinstance(value, dict):
        return None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
