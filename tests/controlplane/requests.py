"""What the API server itself has counted."""

from __future__ import annotations

import re

from tests.controlplane.api import Api

_SAMPLE = re.compile(r'(\w+)="([^"]*)"')
_KINDS = ("jobs", "trainingjobs", "trainingjobs/status")


class Writes:
    """Writes since it was made, by resource and verb.

    The operator alone makes the ones that are counted, as long as the test itself makes none.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._before = self._counts()

    def of_operator(self, resource: str, verb: str) -> int:
        now = self._counts()
        return now.get((resource, verb), 0) - self._before.get((resource, verb), 0)

    def all_of_operator(self) -> dict[str, int]:
        """Every write that the operator alone makes; its Events come only after a status patch.

        Jobs are deleted by the garbage collector too: those of the operator are in its own metrics.
        """
        kinds = [("jobs", "POST"), ("trainingjobs/status", "PATCH"), ("trainingjobs", "PATCH")]
        counts = {f"{verb} {resource}": self.of_operator(resource, verb) for resource, verb in kinds}
        return {what: count for what, count in counts.items() if count}

    def _counts(self) -> dict[tuple[str, str], int]:
        counts: dict[tuple[str, str], int] = {}
        for line in self._api.text("/metrics").splitlines():
            if line.startswith("apiserver_request_total{"):
                labels = dict(_SAMPLE.findall(line))
                resource = "/".join(part for part in (labels["resource"], labels["subresource"]) if part)
                if resource in _KINDS:
                    at = (resource, labels["verb"])
                    counts[at] = counts.get(at, 0) + int(float(line.rpartition(" ")[2]))
        return counts
