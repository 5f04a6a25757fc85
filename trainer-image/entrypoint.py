"""The trainer image's one process: no arguments, everything comes from the environment and mounted files."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from one_ring.training.stop import Stop


def main() -> int:
    """Train; returns the exit code."""
    # As the container's first process it would ignore SIGTERM for the 15 seconds that torch takes to load.
    stop = Stop(os.environ.get("ONE_RING_TERMINATION_MESSAGE_FILE", ""))
    stop.install()
    from one_ring.training.run import run_in_pod

    return run_in_pod(stop)


if __name__ == "__main__":
    sys.exit(main())
