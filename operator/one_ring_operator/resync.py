"""Lists everything now and then: repairs what the watch missed, and proves that the operator is alive."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from one_ring.api import MANAGED_BY, MANAGED_BY_LABEL
from one_ring.kube import JOBS, PODS, TRAINING_JOBS, KubeError, NotFound, Object, Resource
from one_ring_operator.children import Key, version_of
from one_ring_operator.cluster import Cluster
from one_ring_operator.deliveries import Deliveries
from one_ring_operator.settings import Settings
from one_ring_operator.store import Store

OURS = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
_LISTING_LIMIT_SECONDS = 60.0
# Parents first: a child that a TrainingJob speaks of is then in the later listing, or gone.
KINDS: tuple[tuple[Resource, str], ...] = ((TRAINING_JOBS, ""), (JOBS, OURS), (PODS, OURS))

log = logging.getLogger(__name__)


class Resync:
    """The operator's heartbeat."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        store: Store,
        deliveries: Deliveries,
        settings: Settings,
        wake: Callable[[Key], None],
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._deliveries = deliveries
        self._settings = settings
        self._wake = wake
        self.beat_at = store.now()
        self.done_once = asyncio.Event()

    async def run(self) -> None:
        """Lists at once and then every ``resyncSeconds``, for ever."""
        while True:
            is_done = await self._try_once()
            self.beat_at = self._store.now()
            pause = self._settings.resync_seconds if is_done else min(2.0, self._settings.resync_seconds)
            await asyncio.sleep(pause * (0.9 + 0.2 * random.random()))

    @property
    def has_stopped(self) -> bool:
        """No listing was even tried for far too long. An API server that does not answer is no reason."""
        limit = 2 * _LISTING_LIMIT_SECONDS + 3 * self._settings.resync_seconds
        return self._store.now() - self.beat_at > limit

    async def _try_once(self) -> bool:
        try:
            async with asyncio.timeout(_LISTING_LIMIT_SECONDS):
                news = await self._list_everything()
        except NotFound:
            log.warning("the TrainingJob CRD is not installed: kubectl apply -f deploy/crds")
            return False
        except (KubeError, TimeoutError) as error:
            self._deliveries.unreachable()
            log.warning("the API server could not be asked: %s", error or type(error).__name__)
            return False
        self.done_once.set()
        for key in news:
            self._wake(key)
        return True

    async def _list_everything(self) -> set[Key]:
        """The jobs that have changed, and those that are not over: a second look at them costs nothing."""
        news: set[Key] = set()
        for kind, selector in KINDS:
            asked_at = self._store.now()
            bodies = await self._list(kind, selector)
            news |= self._store.relist(kind, bodies, asked_at=asked_at)
            versions = {body["metadata"]["uid"]: version_of(body) for body in bodies}
            self._deliveries.listed(kind, versions, asked_at=asked_at)
        return news | {key for key in self._store.known_jobs() if not self._store.is_over(key)}

    async def _list(self, kind: Resource, selector: str) -> list[Object]:
        bodies: list[Object] = []
        for namespace in self._settings.namespaces or [""]:
            bodies += await self._cluster.list_all(kind, namespace=namespace, label_selector=selector)
        return bodies
