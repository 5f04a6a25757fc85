"""The guide's Python snippets, run as printed in one program; between them the demo only waits."""

from __future__ import annotations

import sys

from demo.cluster import Cluster
from demo.guide import Snippets
from demo.screen import Screen

_WAIT = """
import time
job_id = job.id
print("JOB", job_id, flush=True)
while (seen := training_service.get_job(job_id)).metrics.epoch < 1 and seen.status not in ("failed", "completed"):
    time.sleep(0.5)
"""
_REMEDY = "kubectl -n one-ring logs deploy/one-ring-operator; kubectl -n one-ring describe tjob"


def run_python_flow(guide: Snippets, cluster: Cluster, screen: Screen) -> str:
    """Creates, starts, looks at and cancels a job by the SDK; answers with its id."""
    for snippet in (guide.create_by_python, guide.start_by_python):
        screen.guide(snippet, "python")
    screen.say("[dim]… the demo waits until the first epoch is over, then goes on with the guide's snippets:[/]")
    for snippet in (guide.monitor_by_python, guide.cancel_by_python):
        screen.guide(snippet, "python")
    program = "\n".join(
        [guide.create_by_python, guide.start_by_python, _WAIT, guide.monitor_by_python, guide.cancel_by_python]
    )
    with screen.moving() as show:
        show("my-first-finetuning: until the first epoch is over", "my-first-finetuning: until the first epoch is over")
        printed = cluster.run(
            sys.executable, "-c", program, doing="the guide's Python snippets", remedy=_REMEDY, timeout_seconds=600
        )
    first, _, answers = printed.partition("\n")
    screen.output(answers)
    return first.removeprefix("JOB ")
