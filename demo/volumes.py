"""Getting files on and off the cluster's volumes as it works on every cluster: a helper pod and `kubectl cp`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from demo.cluster import LOCAL_CLUSTER, Cluster
from demo.places import PUSHED_IMAGES, ROOT
from one_ring.api import dump_yaml, load_yaml

MANIFEST = "deploy/volumes/helper-pod.yaml"
USER = 65532  # of the helper pod, as of the trainer's


class Volumes:
    """A context in which the helper pod runs; paths start with `/datasets`, `/models` or `/outputs`.

    Not longer than needed: a ReadWriteOnce volume is held by one node at a time.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        images = load_yaml((ROOT / PUSHED_IMAGES).read_text())
        self._manifest = with_image(load_yaml((ROOT / MANIFEST).read_text()), images)

    @property
    def pod(self) -> str:
        return str(self._manifest["metadata"]["name"])

    def __enter__(self) -> Self:
        doing = "starting the helper pod that holds the volumes"
        self._end()
        if self._cluster.is_local:
            self._take_over()
        self._cluster.kubectl("apply", "-f", "-", stdin=dump_yaml(self._manifest), doing=doing)
        waiting = ("wait", "--for=condition=Ready", f"pod/{self.pod}", "--timeout=240s")
        self._cluster.kubectl(*waiting, doing=doing, timeout_seconds=250)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def put(self, source: Path, target: str) -> None:
        """Copies a file or folder to a path on a volume; what was there is replaced."""
        doing = f"copying {source.name} to {target}"
        script = f"mkdir -p '{target.rsplit('/', 1)[0]}' && rm -rf '{target}'"
        self._cluster.kubectl("exec", self.pod, "--", "sh", "-c", script, doing=doing)
        self._cluster.kubectl("cp", str(source), f"{self.pod}:{target}", doing=doing)

    def fetch(self, source: str, target: Path) -> None:
        """Copies a file or folder from a volume; ``target`` becomes that file or folder."""
        self._cluster.kubectl("cp", f"{self.pod}:{source}", str(target), doing=f"copying {source} from the volume")

    def _take_over(self) -> None:
        """Gives the pod's user what was put into the local node's folders by hand, as root."""
        doing = "taking over the local node's folders of data and models"
        script = f'cd "$({LOCAL_CLUSTER} volumes)" && chown -R {USER}:{USER} datasets models'
        self._cluster.run("bash", "-c", script, doing=doing, remedy=self._cluster.remedy)

    def _end(self) -> None:
        self._cluster.kubectl("delete", "pod", self.pod, "--ignore-not-found", doing="ending the helper pod")


def with_image(manifest: dict[str, Any], images: dict[str, Any]) -> dict[str, Any]:
    """The helper pod with the operator's image as it was pushed: its registry, if another, and its digest."""
    pushed = images["image"]
    container = manifest["spec"]["containers"][0]
    registry, path = container["image"].split("/", 1)
    digest = (pushed.get("digests") or {}).get("operator")
    reference = f"{path.rsplit(':', 1)[0]}@{digest}" if digest else path
    container["image"] = f"{pushed.get('registry') or registry}/{reference}"
    return manifest
