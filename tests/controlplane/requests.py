"""What the API server itself has counted."""

from __future__ import annotations

import re

from tests.controlplane.api import Api

_SAMPLE = re.compile(r'(\w+)="([^"]*)"')
_KINDS = ("jobs", "trainingjobs", "trainingjobs/status", "pods", "events")


class Writes:
    """Writes since it was made, by resource and verb.

    The operator alone creates and patches these in the tests that use it; where controllers write too they are named.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._before = self._counts()

    def of_operator(self, resource: str, verb: str) -> int:
        now = self._counts()
        return now.get((resource, verb), 0) - self._before.get((resource, verb), 0)

    def of_operator_in_all(self) -> int:
        """Every write of what the operator writes."""
        written = [("jobs", "POST"), ("jobs", "DELETE"), ("trainingjobs/status", "PATCH"), ("trainingjobs", "PATCH")]
        return sum(self.of_operator(resource, verb) for resource, verb in [*written, ("events", "POST")])

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
