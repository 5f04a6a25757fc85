"""Does the watch still deliver? A listing that knows more than the watch for a minute proves that it does not."""

from __future__ import annotations

from collections.abc import Mapping

from one_ring.kube import Resource

UNDELIVERED_LIMIT_SECONDS = 60.0


class Deliveries:
    """Compares what listings show with what the watch has delivered. All times are of one monotonic clock.

    Deletions are not judged: a watch that reconnects after a gap never tells of them.
    """

    def __init__(self) -> None:
        self._delivered: dict[tuple[Resource, str], tuple[int, float]] = {}
        self._awaited: dict[tuple[Resource, str], tuple[int, float]] = {}
        self.last_event: dict[Resource, float] = {}

    def delivered(self, kind: Resource, uid: str, version: int, *, now: float) -> None:
        """The watch has brought this version of the object."""
        self.last_event[kind] = now
        known, _ = self._delivered.get((kind, uid), (0, now))
        self._delivered[(kind, uid)] = (max(version, known), now)
        if self._awaited.get((kind, uid), (version, now))[0] <= version:
            self._awaited.pop((kind, uid), None)

    def listed(self, kind: Resource, versions: Mapping[str, int], *, asked_at: float) -> None:
        """A listing shows these versions; what the watch has not brought yet is awaited from now on."""
        for uid, version in versions.items():
            if self._delivered.get((kind, uid), (0, 0.0))[0] < version:
                self._awaited.setdefault((kind, uid), (version, asked_at))
        over = [at for at in self._awaited if at[0] is kind and at[1] not in versions]
        over += [at for at, (_, since) in self._delivered.items() if _is_over(at, kind, versions, since, asked_at)]
        for at in over:
            self._awaited.pop(at, None)
            self._delivered.pop(at, None)

    def unreachable(self) -> None:
        """The API server does not answer: the watch cannot deliver either, and is not to blame."""
        self._awaited.clear()

    def is_failing(self, now: float) -> bool:
        """The watch has owed us something for too long."""
        return any(now - since > UNDELIVERED_LIMIT_SECONDS for _, since in self._awaited.values())


def _is_over(
    at: tuple[Resource, str], kind: Resource, versions: Mapping[str, int], since: float, asked_at: float
) -> bool:
    return at[0] is kind and at[1] not in versions and since < asked_at
