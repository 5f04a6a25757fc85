"""Which jobs does a list show? Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from one_ring.api import STATUS_WORDS, FieldError, Phase
from one_ring.services.errors import InvalidRequest
from one_ring.services.job import JobPage, read, view


@dataclass(frozen=True)
class Selection:
    """The jobs of these status words from ``offset`` on, at most ``limit`` of them."""

    words: frozenset[str]
    limit: int | None
    offset: int

    @classmethod
    def of(cls, status: str | Iterable[str] | None, *, limit: int | None, offset: int) -> Selection:
        """From ``"running,completed"`` or a list of words (nothing said means all); raises ``InvalidRequest``."""
        parts = status.split(",") if isinstance(status, str) else list(status or ())
        words = {part.strip().lower() for part in parts} - {""}
        if faults := [*_unknown(words), *_out_of_range(limit, offset)]:
            raise InvalidRequest(faults)
        return cls(frozenset(words or STATUS_WORDS), limit, offset)

    def page(self, bodies: Iterable[dict[str, Any]]) -> JobPage:
        """The selected ones, newest first and among equals by name."""
        found = sorted(
            (body for body in bodies if _word(body) in self.words), key=lambda body: body["metadata"]["name"]
        )
        found.sort(key=lambda body: body["metadata"]["creationTimestamp"], reverse=True)
        end = None if self.limit is None else self.offset + self.limit
        jobs = [view(read(body)) for body in found[self.offset : end]]
        return JobPage(jobs, total=len(found), limit=self.limit, offset=self.offset)


def _word(body: dict[str, Any]) -> str:
    return Phase((body.get("status") or {}).get("phase") or Phase.PENDING).word


def _unknown(words: Iterable[str]) -> list[FieldError]:
    return [FieldError("status", word, _remedy(word)) for word in sorted(words) if word not in STATUS_WORDS]


def _out_of_range(limit: int | None, offset: int) -> list[FieldError]:
    faults = []
    if limit is not None and limit < 1:
        faults.append(FieldError("limit", limit, f"{limit} shows nothing: give 1 or more"))
    if offset < 0:
        faults.append(FieldError("offset", offset, f"{offset} is before the first job: give 0 or more"))
    return faults


def _remedy(word: str) -> str:
    nearest = difflib.get_close_matches(word, STATUS_WORDS, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(STATUS_WORDS)}"
    return f"{word!r} is not a status; {hint}"
