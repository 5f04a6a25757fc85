"""What every model of the contract shares: frozen, strict about names, and errors that say what to do.

A refused document names every fault at once: field path, value and remedy, also for rules that span fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

M = TypeVar("M", bound="Model")


@dataclass(frozen=True)
class Rule:
    """One rule across fields, said once for Python and once for the API server.

    ``holds`` sees the parsed model; ``cel`` is the same predicate for the CRD, where ``self`` is the object.
    ``fields`` are the ones it reads: it is not evaluated while one of them is itself refused.
    """

    fields: tuple[str, ...]
    holds: Callable[[Any], bool]
    cel: str
    message: str


@dataclass(frozen=True)
class FieldError:
    """One fault in a document: where, what was found, and what to do about it."""

    field: str
    value: Any
    message: str


class Model(BaseModel):
    """A frozen model that refuses unknown fields and reports all faults at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=False)

    RULES: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.RULES:
            handler.resolve_ref_schema(schema)["x-kubernetes-validations"] = [
                {"rule": rule.cel, "message": f"{rule.fields[0]} {rule.message}"} for rule in cls.RULES
            ]
        return schema

    @model_validator(mode="wrap")
    @classmethod
    def _all_faults_at_once(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            parsed = handler(data)
        except ValidationError as refused:
            faults = [_clearer(cls, fault) for fault in refused.errors(include_url=False)]
            faults += _rule_faults(cls, *_what_is_sound(data, faults, handler))
            raise ValidationError.from_exception_data(cls.__name__, faults) from None
        if faults := _rule_faults(cls, parsed, set()):
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return parsed


class CamelModel(Model):
    """A model whose document keys are camelCase, as Kubernetes users expect; Python keeps snake_case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


def field_errors(refused: ValidationError, *, under: str = "") -> list[FieldError]:
    """The faults of a refused document, in the words that REST, the SDK and the command line show."""
    return [
        FieldError(field_path((under, *fault["loc"])), fault["input"], fault["msg"])
        for fault in refused.errors(include_url=False)
    ]


def field_path(loc: Iterable[Any]) -> str:
    """Where a fault lies, as in ``config.lora_target_modules[1]``."""
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _clearer(model: type[Model], fault: Mapping[str, Any]) -> InitErrorDetails:
    """The same fault, with the value and a remedy in its message."""
    if fault["type"] == "one_ring":  # a nested model has already said it
        message = fault["msg"]
    elif fault["type"] == "extra_forbidden":
        message = _unknown(model, str(fault["loc"][-1]))
    elif fault["type"] == "missing":
        message = "is required"
    else:
        message = f"{fault['input']!r} is not allowed: {fault['msg'][:1].lower()}{fault['msg'][1:]}"
    return _fault(tuple(fault["loc"]), fault["input"], message)


def _unknown(model: type[Model], name: str) -> str:
    known = [field.alias or key for key, field in model.model_fields.items()]
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"unknown field; did you mean {nearest[0]!r}?" if nearest else "unknown field; remove it"


def _fault(loc: tuple[Any, ...], value: Any, message: str) -> InitErrorDetails:
    # The message goes in as context: braces in a user's value must not be read as a template.
    error = PydanticCustomError("one_ring", "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=loc, input=value)


def _what_is_sound(
    data: Any, faults: list[InitErrorDetails], handler: ModelWrapValidatorHandler[M]
) -> tuple[M | None, set[str]]:
    """The document without its refused fields, if that can be parsed, and the names of those fields."""
    refused = {str(fault["loc"][0]) for fault in faults if fault.get("loc")}
    if not isinstance(data, Mapping):
        return None, refused
    try:
        return handler({key: value for key, value in data.items() if key not in refused}), refused
    except ValidationError:
        return None, refused


def _rule_faults(model: type[Model], parsed: Model | None, refused: set[str]) -> list[InitErrorDetails]:
    if parsed is None:
        return []
    return [
        _fault((rule.fields[0],), getattr(parsed, rule.fields[0], None), rule.message)
        for rule in model.RULES
        if refused.isdisjoint(rule.fields) and not rule.holds(parsed)
    ]
