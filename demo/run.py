"""`make demo`: the story, step by step. Each step says what it does and shows what comes of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from demo import base_model, prepare
from demo.cluster import LOCAL_CLUSTER, Cluster, connect
from demo.curl_flow import run_curl_flow
from demo.forward import URL, Forward, check_port_is_free
from demo.guide import snippets
from demo.places import DEMO, MODEL_NAME, NAMESPACE, RELEASE, TEXT, cache, shown
from demo.problems import StepFailed
from demo.python_flow import run_python_flow
from demo.screen import Screen, clock
from demo.shell import alone, run, stop_on_signals
from demo.volumes import Volumes
from demo.watch import follow
from one_ring.api import pod

JOB_FILE = DEMO / "proverbs.yaml"
JOB = "proverbs"
BEGINNINGS = ("A wise man", "He that keepeth", "The heart of the")
STEPS = 9


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; 1 with the failed step and its remedy, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--record", type=Path, metavar="FILE", help="save what was shown as an SVG picture")
    record: Path | None = parser.parse_args(arguments).record
    stop_on_signals()
    screen = Screen(steps=STEPS, record=record is not None)
    try:
        with alone():
            tell(screen)
    except StepFailed as problem:
        screen.failed(problem)
        return 1
    except KeyboardInterrupt:
        screen.say(
            "\nStopped; what is there stays. [bold]make demo[/] goes on, [bold]make cluster-down[/] ends the node."
        )
        return 130
    if record:
        screen.save_picture(record)
    return 0


def tell(screen: Screen) -> None:
    """The whole story."""
    guide = snippets()
    check_port_is_free()  # better now than after half an hour
    python = prepare.get_ready(screen)
    cluster = connect()
    prepare.install(cluster, screen)
    put_inputs(cluster, screen)
    job_dir = train_by_kubectl(cluster, screen)
    with Forward(cluster):
        screen.step("The same by the users' guide: its curl lines, as printed")
        screen.say(f"{URL} is the gateway, by a port-forward that finds it again when it restarts.")
        run_curl_flow(guide, screen)
        screen.say(
            "[dim]The guide's learning rate of 2e-5 suits 7 billion parameters; a model this small hardly moves.[/]"
        )
        screen.step("And its Python snippets, as printed")
        run_python_flow(guide, cluster, screen)
    adapter = fetch_adapter(cluster, job_dir, screen)
    compare(python, adapter, screen)
    say_where_everything_is(cluster, adapter, job_dir, screen)


def put_inputs(cluster: Cluster, screen: Screen) -> None:
    """The stand-in goes under the guide's model name, the data to the guide's paths."""
    screen.step("Model and data onto the cluster's volumes")
    screen.say(
        f"[bold]A stand-in.[/] The guide's [bold]{MODEL_NAME}[/] has 7 billion parameters and is gated. Under that "
        "name lies, here, the demo's own small Llama: so that every line of the guide runs as printed."
    )
    model = f"/models/{MODEL_NAME}"
    base = base_model.cached_folder()
    with Volumes(cluster) as volumes:
        volumes.put(base, model)
        for folder in ("data", "path/to"):
            for name in ("train.jsonl", "validation.jsonl"):
                volumes.put(TEXT / name, f"/datasets/{folder}/{name}")
    rows = len((TEXT / "train.jsonl").read_text().splitlines())
    screen.output(f"{model}  <- {shown(base)}\n/datasets/{{data,path/to}}/train.jsonl  <- {rows} sayings")


def train_by_kubectl(cluster: Cluster, screen: Screen) -> str:
    """Applies the demo's TrainingJob and watches it; answers with its folder on the outputs volume."""
    screen.step("kubectl apply: a LoRA fine-tuning")
    cluster.kubectl(
        "delete", "trainingjob", JOB, "--ignore-not-found", "--wait=true", doing="removing the last run's job"
    )
    screen.code(JOB_FILE.read_text().split("\n", 1)[1], "yaml")
    screen.command(f"kubectl apply -f {JOB_FILE.relative_to(DEMO.parent)}")
    screen.output(cluster.kubectl("apply", "-f", str(JOB_FILE), doing="applying the TrainingJob"))
    follow(cluster, JOB, screen)
    screen.command("kubectl get tjob")
    screen.output(cluster.kubectl("get", "tjob", JOB, doing="listing the jobs"))
    return pod.job_dir(JOB, cluster.job(JOB)["metadata"]["uid"])


def fetch_adapter(cluster: Cluster, job_dir: str, screen: Screen) -> Path:
    """Copies the adapter from the outputs volume to this machine."""
    screen.step("The adapter, off the volume")
    target = cache() / "adapters" / job_dir
    target.parent.mkdir(exist_ok=True)
    with Volumes(cluster) as volumes:
        screen.command(f"kubectl cp {volumes.pod}:/outputs/{job_dir}/adapter {shown(target)}")
        volumes.fetch(f"/outputs/{job_dir}/adapter", target)
    screen.output("\n".join(f"{file.name:<32}{file.stat().st_size:>10,} bytes" for file in sorted(target.iterdir())))
    return target


def compare(python: Path, adapter: Path, screen: Screen) -> None:
    """The same beginnings, written on without and with the adapter."""
    screen.step("What has changed: the same words, written on without and with the adapter")
    command = (str(python), "demo/compare.py", str(base_model.cached_folder()), str(adapter), *BEGINNINGS)
    remedy = f"check that the adapter is whole: ls -l {adapter}"
    env = os.environ | {"HF_HUB_OFFLINE": "1"}
    written = json.loads(run(*command, doing="loading the adapter with PEFT", remedy=remedy, env=env))
    table = Table(show_lines=True, header_style="bold", expand=True)
    table.add_column("without", ratio=1, style="dim")
    table.add_column("with the adapter", ratio=1, style="green")
    for pair in written:
        table.add_row(pair["without"], pair["with"])
    screen.put(table)


def say_where_everything_is(cluster: Cluster, adapter: Path, job_dir: str, screen: Screen) -> None:
    screen.step(f"Done in {clock(screen.seconds)}. Where everything is")
    table = Table.grid(padding=(0, 2))
    for what, where in (
        ("adapter", shown(adapter)),
        ("on the volume", f"outputs: {job_dir}/ (adapter, checkpoints, report.json, metrics.jsonl, train.log)"),
        ("base model", f"{shown(base_model.cached_folder())} (the stand-in)"),
        ("the jobs", f"{_settings(cluster)}; kubectl get tjob"),
        ("REST, API page", f".venv/bin/python -m demo.forward  ->  {URL}/docs"),
        ("", "(finds the gateway again when it restarts; plain `kubectl port-forward` does not)"),
        ("to end it", "make cluster-down" if cluster.is_local else f"helm uninstall {RELEASE} -n {NAMESPACE}"),
    ):
        table.add_row(f"[bold]{what}[/]", where)
    screen.put(table)


def _settings(cluster: Cluster) -> str:
    """What makes kubectl in the watcher's own shell reach the cluster."""
    return f'eval "$({LOCAL_CLUSTER} env)"' if cluster.is_local else f"export KUBECONFIG={shown(cluster.kubeconfig)}"


if __name__ == "__main__":
    sys.exit(main())
