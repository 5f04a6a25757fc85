"""The ``one-ring`` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from one_ring import __version__
from one_ring.training.stop import Stop

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Fine-tune language models: LoRA, QLoRA, AdaLoRA.")


@app.callback()
def _one_ring() -> None:
    """Commands have names, also while there is only one."""


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="TrainingConfig or TrainingJob, as YAML or JSON.")],
    data: Annotated[Path, typer.Option(help="Root of the data files.")] = Path(),
    models: Annotated[Path, typer.Option(help="Root of base models; others come from the hub.")] = Path("models"),
    outputs: Annotated[Path, typer.Option(help="Root of the results.")] = Path("outputs"),
) -> None:
    """Train on this machine, without any cluster. Run it again to go on after a stop."""
    stop = Stop()
    stop.install()
    from one_ring.training.place import Roots
    from one_ring.training.run import run_on_laptop

    raise typer.Exit(run_on_laptop(config, Roots(datasets=data, models=models, outputs=outputs), stop))


def main() -> None:
    """Entry point of the ``one-ring`` command."""
    app()


if __name__ == "__main__":
    main()
