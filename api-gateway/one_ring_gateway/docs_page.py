"""The API as a page to read, made from the OpenAPI document; it needs no script and no internet."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from one_ring_gateway.openapi import Document, operations

router = APIRouter(include_in_schema=False)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
section { border: 1px solid #d5d9de; border-radius: 8px; margin: 1.5rem 0; padding: 0 1.2rem 1rem; }
h2 code, pre, td code { font-family: ui-monospace, monospace; }
pre { background: #f5f7f9; padding: .8rem; border-radius: 6px; overflow-x: auto; font-size: .85rem; }
b { color: #0a5; } table { border-collapse: collapse; } td { padding: .15rem 1rem .15rem 0; vertical-align: top; }
"""
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse(page(request.app.openapi()), headers=_HEADERS)


def page(document: Document) -> str:
    """The whole document as HTML."""
    info = document["info"]
    sections = "".join(_section(path, method, operation, document) for path, method, operation in operations(document))
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f'<p>{escape(info["description"])} For programs: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{sections}<h1>What goes in and out</h1>{schemas}</html>"
    )


def _section(path: str, method: str, operation: Document, document: Document) -> str:
    answers = [[code, answer["description"]] for code, answer in sorted(operation["responses"].items())]
    return (
        f"<section><h2><b>{method}</b> <code>{escape(path)}</code></h2>"
        f"<p>{escape(operation['summary'])}. {escape(operation.get('description', ''))}</p>"
        f"<pre>{escape(_curl(path, method, operation, document))}</pre>"
        f"{_table([_parameter(p) for p in operation.get('parameters', [])])}<h3>Answers</h3>{_table(answers)}</section>"
    )


def _parameter(parameter: Document) -> list[str]:
    return [parameter["name"], _described(parameter["schema"] | {"description": parameter.get("description", "")})]


def _described(about: Document) -> str:
    default = about.get("default")
    said = f" (default {json.dumps(default)})" if default not in (None, "", [], {}) else ""
    return f"{about.get('description', '')}{said}"


def _curl(path: str, method: str, operation: Document, document: Document) -> str:
    command = f"curl http://localhost:8000{path}"
    if method != "GET":
        command = f"curl -X {method} http://localhost:8000{path}"
    if (example := _example(operation, document)) is None:
        return command
    body = json.dumps(example, indent=2)
    return f"{command} \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"


def _example(operation: Document, document: Document) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    name = content["schema"]["$ref"].rsplit("/", 1)[1]
    return document["components"]["schemas"][name]["examples"][0]


def _schema(name: str, schema: Document) -> str:
    rows = [[field, _type(about), _described(about)] for field, about in schema.get("properties", {}).items()]
    about = escape(schema.get("description", ""))
    return f'<section id="{escape(name)}"><h2>{escape(name)}</h2><p>{about}</p>{_table(rows)}</section>'


def _type(about: Document) -> str:
    options = [option for option in about.get("anyOf", [about]) if option.get("type") != "null"]
    return " or ".join(_one_type(option) for option in options)


def _one_type(about: Document) -> str:
    if "$ref" in about:
        return str(about["$ref"]).rsplit("/", 1)[1]
    if "enum" in about:
        return " | ".join(str(value) for value in about["enum"])
    if about.get("type") == "array":
        return f"list of {_one_type(about.get('items', {}))}"
    return str(about.get("type", "any"))


def _table(rows: list[list[str]]) -> str:
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>" if rows else ""
