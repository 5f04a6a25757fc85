"""Generates the CustomResourceDefinition from the contract's models: ``python -m one_ring.crd``.

A structural schema refuses much of what JSON Schema allows, so references are inlined, optional means absent
(never null), and rules across fields become CEL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from one_ring.api import GROUP, KIND, PLURAL, VERSION, TrainingJob, TrainingJobSpec, TrainingJobStatus, dump_yaml

Schema = dict[str, Any]

HEADER = "# Generated from one_ring/api by `make crds`; do not edit.\n"
FILES = ("deploy/crds/trainingjobs.training.one-ring.io.yaml", "deploy/helm/one-ring/files/crd.yaml")

_LONGEST_TEXT = 1024
# Only the API server writes these keys, or they say nothing to it.
_DROPPED = frozenset({"title", "$defs", "additionalProperties", "default"})
_LIST_KEYS = {
    "conditions": ["type"],
    "attempts": ["number"],
    "env": ["name"],
    "imagePullSecrets": ["name"],
}
_COLUMNS = (
    ("Phase", "string", ".status.phase", 0),
    ("Progress", "integer", ".status.progress.percent", 0),
    ("Epoch", "number", ".status.progress.epoch", 0),
    ("Loss", "number", ".status.progress.loss", 0),
    ("ETA", "string", ".status.progress.eta", 0),
    ("GPUs", "integer", ".status.gpus", 0),
    ("Try", "integer", ".status.attempts[-1:].number", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
)


def crd() -> dict[str, Any]:
    """The whole CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["tjob"],
                "categories": ["all"],
            },
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "priority": priority}
            for name, kind, path, priority in _COLUMNS
        ],
        "schema": {"openAPIV3Schema": _root()},
    }


def _root() -> Schema:
    status = structural_schema(TrainingJobStatus)
    status["default"] = {"phase": "Pending"}
    return {
        "type": "object",
        "description": "A fine-tuning job.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(TrainingJobSpec),
            "status": status,
        },
        "x-kubernetes-validations": structural_schema(TrainingJob)["x-kubernetes-validations"]
        + [{"rule": rule, "message": message} for rule, message in TrainingJob.TRANSITION_RULES],
    }


def structural_schema(model: type[BaseModel]) -> Schema:
    """The model as a structural schema: no references, no unions, no null."""
    schema = model.model_json_schema(by_alias=True)
    return _structural(schema, schema.get("$defs", {}))


def _structural(node: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _resolved(node, definitions)
    schema = {key: value for key, value in node.items() if key not in _DROPPED}
    if (default := _without_nulls(node.get("default"))) is not None:
        schema["default"] = default
    _bounds(schema)
    if "properties" in node:
        schema["properties"] = {name: _property(name, child, definitions) for name, child in node["properties"].items()}
    elif isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    if "items" in node:
        schema["items"] = _structural(node["items"], definitions)
    return schema


def _property(name: str, node: Schema, definitions: dict[str, Schema]) -> Schema:
    schema = _structural(node, definitions)
    if name in _LIST_KEYS:
        schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": _LIST_KEYS[name]}
    return schema


def _resolved(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """The node itself, behind its reference and without "or null"."""
    if "anyOf" in node:
        (kept,) = (option for option in node["anyOf"] if option.get("type") != "null")
        node = kept | {key: value for key, value in node.items() if key != "anyOf"}
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        node = target | {key: value for key, value in node.items() if key != "$ref"}
    return node


def _bounds(schema: Schema) -> None:
    """Exclusive bounds as OpenAPI 3.0 says them, and a length for every text, without which CEL reckons too dear."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in schema:
            schema[bound], schema[exclusive] = schema[exclusive], True
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if schema.get("type") == "string" and not {"enum", "format", "maxLength"} & schema.keys():
        schema["maxLength"] = _LONGEST_TEXT


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}
    return value


def main() -> None:
    """Writes the CRD where it is installed from."""
    text = HEADER + dump_yaml(crd())
    for name in FILES:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
