"""The command line: `deploy/local/cluster COMMAND`."""

from __future__ import annotations

import argparse
import subprocess

from node import images, lifecycle, objects, preflight, tools
from node.addresses import REGISTRY
from node.api import allocatable, api_is_ready, node_is_ready
from node.certificates import NODE_NAME
from node.components import GPU_RESOURCE
from node.kubectl import kubectl
from node.places import WHOLE_NODE, Place
from node.problems import Problem, Problems
from node.processes import holders, status
from node.shell import say, wait_for

CONTROL_PLANE = "control-plane"


def main() -> int:
    """Runs one command; 1 with the problem and its remedy when it fails."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.run(arguments) or 0)
    except (Problem, Problems) as problem:
        say(f"\n{problem}")
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted; run it again to go on")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy/local/cluster", description="A real single-node Kubernetes cluster.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("--name", default=WHOLE_NODE, help="which cluster (default: the whole node)")
        added.set_defaults(run=run)
        return added

    starting = command("up", _up, "start the node, or find it running")
    starting.add_argument("--control-plane", action="store_true", help="no kubelet: API server and controllers only")
    ending = command("down", _down, "stop it and remove what it left")
    ending.add_argument("--purge", action="store_true", help="remove its images and volumes too")
    ending.add_argument("--all", action="store_true", help="every cluster on this machine, control planes too")
    command("status", _status, "show what runs")
    command("kubeconfig", _kubeconfig, "print the path of the kubeconfig")
    command("volumes", _volumes, "print the folder that holds datasets, models and outputs")
    command("env", _env, "print exports of KUBECONFIG, REGISTRY and PATH for a shell")
    command("build", _build, "compile and install what is missing, without starting anything")
    command("base-image", _base_image, "make the base image if it is missing, and print its name")
    command("logs", _logs, "show logs").add_argument("component", nargs="?", default="*")
    command("claims", _claims, "offer the three volumes in a namespace").add_argument("namespace")
    switching = command("component", _component, "stop one component as an outage would, or start it again")
    switching.add_argument("component")
    switching.add_argument("action", choices=["stop", "start"])
    return parser


def _place(arguments: argparse.Namespace) -> Place:
    return Place(arguments.name)


def _up(arguments: argparse.Namespace) -> None:
    name = arguments.name
    if arguments.control_plane and name == WHOLE_NODE:
        name = CONTROL_PLANE
    elif name != WHOLE_NODE and not arguments.control_plane:
        raise Problem("there is one whole node, and its name is not to choose", f"up --control-plane --name {name}")
    lifecycle.up(Place(name))


def _down(arguments: argparse.Namespace) -> None:
    for place in lifecycle.all_places() if arguments.all else [_place(arguments)]:
        lifecycle.down(place, purge=arguments.purge)


def _status(arguments: argparse.Namespace) -> int:
    place = _place(arguments)
    held = holders(place)
    if not held:
        print(f"{place.name}: not running")
        return 1
    print(f"{place.name}: started from {held[0].checkout}")
    _show_components(place)
    if place.name == WHOLE_NODE:
        return _show_node(place)
    return 0 if api_is_ready(place) else 1


def _show_components(place: Place) -> None:
    for name, seen in status(place).items():
        state = f"running, process {seen.pid}" if seen.pid else "not running"
        print(f"  {name:<26}{state}" + (f", died {seen.deaths} times" if seen.deaths else ""))


def _show_node(place: Place) -> int:
    print(kubectl(place, "--request-timeout=5s", "get", "nodes", "-o", "wide"), end="")
    print(f"GPUs: {allocatable(place, NODE_NAME, GPU_RESOURCE)}")
    return 0 if node_is_ready(place, NODE_NAME) else 1


def _kubeconfig(arguments: argparse.Namespace) -> None:
    print(_place(arguments).kubeconfig)


def _volumes(arguments: argparse.Namespace) -> None:
    print(_place(arguments).volumes)


def _env(arguments: argparse.Namespace) -> None:
    print(f"export KUBECONFIG={_place(arguments).kubeconfig}")
    print(f"export REGISTRY={REGISTRY}")
    print(f"export PATH={':'.join(tools.tool_folders())}:$PATH")


def _build(_: argparse.Namespace) -> None:
    preflight.check_tools(whole_node=True)
    tools.build(whole_node=True)


def _base_image(_: argparse.Namespace) -> None:
    tools.install_packages(whole_node=True)
    print(images.base_image())


def _logs(arguments: argparse.Namespace) -> int:
    files = sorted(_place(arguments).logs.glob(f"{arguments.component}.log"))
    if not files:
        raise Problem(f"no log of {arguments.component!r}", "`status` lists the components")
    return subprocess.run(["tail", "-n", "200", *map(str, files)], check=False).returncode


def _claims(arguments: argparse.Namespace) -> None:
    objects.offer_claims(_place(arguments), arguments.namespace)


def _component(arguments: argparse.Namespace) -> None:
    place, name = _place(arguments), arguments.component
    if not holders(place):
        raise Problem(f"{place.name} is not running", "start it with up")
    if name not in status(place):
        raise Problem(f"there is no component {name!r}", f"choose one of {', '.join(status(place))}")
    stop_file = place.control / f"{name}.stop"
    wants_running = arguments.action == "start"
    stop_file.unlink(missing_ok=True) if wants_running else stop_file.touch()
    if not wait_for(lambda: bool(status(place)[name].pid) == wants_running, deadline_seconds=30):
        raise Problem(f"{name} did not {arguments.action}", f"read {place.logs / f'{name}.log'}")
