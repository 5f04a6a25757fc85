"""The one way to read YAML: numbers as people write them.

PyYAML follows YAML 1.1, where ``2e-5`` is text because it has no dot; YAML 1.2 and JSON read it as a number.
"""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's floats."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+0123456789."),
)


def load_yaml(text: str) -> Any:
    """The document in ``text`` (YAML or JSON); raises ``yaml.YAMLError``."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)


def dump_yaml(document: Any) -> str:
    """``document`` as YAML with its keys in their own order."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
