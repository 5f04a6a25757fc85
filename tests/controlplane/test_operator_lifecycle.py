"""Every transition of a job, on a real API server, Job controller and scheduler; the tests play kubelet and trainer."""

from __future__ import annotations

from one_ring.api import Stage
from tests.controlplane.jobs import Jobs
from tests.controlplane.kubelet import succeeded


def test_a_plain_success(jobs: Jobs) -> None:
    job = jobs.create()
    job.reaches("Queued")
    pod = job.pod().scheduled()
    job.reaches("Preparing")
    pod.runs()
    trainer = job.trainer(pod)
    trainer.says(Stage.PREPARING)
    trainer.says(Stage.RUNNING, step=1)
    job.reaches("Running")
    trainer.says(Stage.SAVING, step=100)
    job.reaches("Saving")
    pod.ends(0, message=succeeded())
    status = job.reaches("Succeeded")
    assert job.condition("Complete")["status"] == "True"
    assert status["progress"]["step"] == 100
    assert status["attempts"][0]["exitCode"] == 0
    assert status["outputs"][0]["path"] == "run/adapter"
    assert status["completionTime"]
    assert not job.body["metadata"].get("finalizers")
