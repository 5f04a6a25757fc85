"""The users' guide as a program reads it: its code blocks, as printed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from demo.places import GUIDE


@dataclass(frozen=True)
class Snippets:
    """What the demo runs of the guide, word for word; ``{job_id}`` stands where the guide has it."""

    create_by_curl: str
    status_by_curl: str
    logs_by_curl: str
    list_path: str
    create_by_python: str
    start_by_python: str
    monitor_by_python: str
    cancel_by_python: str


def snippets(text: str = "") -> Snippets:
    """The guide's snippets, each found by what it says."""
    text = text or GUIDE.read_text()
    python, bash, http = (blocks(language, text) for language in ("python", "bash", "http"))
    curls = [line for block in bash for line in block.splitlines() if line.startswith("curl ")]
    listing = _the(http, "?status=").split()[1]
    return Snippets(
        create_by_curl=_the(bash, "curl -X POST"),
        status_by_curl=_the(curls, "/{job_id}", ending=True),
        logs_by_curl=_the(curls, "/{job_id}/logs"),
        list_path=listing,
        create_by_python=_the(python, "create_training_job"),
        start_by_python=_the(python, "start_training_job"),
        monitor_by_python=_the(python, "list_jobs"),
        cancel_by_python=_the(python, "cancel_job"),
    )


def blocks(language: str, text: str) -> list[str]:
    """Every code block of a language, without the indentation of the list that it stands in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(f"(?m)^{indent}", "", block).strip("\n") for indent, block in found]


def _the(candidates: list[str], phrase: str, *, ending: bool = False) -> str:
    """The one candidate with (or ending with) the phrase."""
    found = [one for one in candidates if (one.endswith(phrase) if ending else phrase in one)]
    if len(found) != 1:
        raise LookupError(f"the guide has {len(found)} snippets with {phrase!r}, the demo needs exactly one")
    return found[0]
