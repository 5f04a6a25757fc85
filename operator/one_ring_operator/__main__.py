"""``python -m one_ring_operator``: reads the settings, sets up logging, runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys

import kopf
from pydantic import ValidationError

from one_ring.api import field_errors
from one_ring_operator.composition import run
from one_ring_operator.settings import Settings, load_settings


def main() -> None:
    """Runs the operator; a settings file that cannot be used ends it with the reason."""
    kopf.configure(log_format=kopf.LogFormat.JSON)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    with contextlib.suppress(asyncio.CancelledError):  # told to stop while starting
        asyncio.run(run(_settings()))


def _settings() -> Settings:
    try:
        return load_settings()
    except ValidationError as refused:
        sys.exit("\n".join(f"settings: {fault.field}: {fault.message}" for fault in field_errors(refused)))
    except OSError as missing:
        sys.exit(f"settings: {missing}")


if __name__ == "__main__":
    main()
