"""What the node is made of: programs built from pinned Go modules, and Debian's packages."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from node.places import LOCAL, cache
from node.problems import Problem, Problems
from node.shell import logged, only_one, run, say

KUBERNETES_VERSION = "v1.34.4"
_STAMP = "k8s.io/component-base/version"
_KUBERNETES_LDFLAGS = f"-X {_STAMP}.gitVersion={KUBERNETES_VERSION} -X {_STAMP}.gitMajor=1 -X {_STAMP}.gitMinor=34"

# Package, and a file that it brings.
PACKAGES = {
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "/usr/sbin/iptables",
    "conntrack": "/usr/sbin/conntrack",
    "ethtool": "/usr/sbin/ethtool",
    "socat": "/usr/bin/socat",
    "buildah": "/usr/bin/buildah",
    "docker-registry": "/usr/bin/docker-registry",
    "debootstrap": "/usr/sbin/debootstrap",
    "iproute2": "/usr/sbin/ip",
    "openssl": "/usr/bin/openssl",
    "zstd": "/usr/bin/zstd",
}


@dataclass(frozen=True)
class Module:
    """A go.mod of tools: the packages to build, and how each proves its version."""

    folder: str
    packages: tuple[str, ...]
    version: str
    version_flag: str = "--version"
    ldflags: str = ""
    minutes: str = "1"


_COMMANDS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
MODULES = (
    Module("etcd", ("go.etcd.io/etcd/server/v3",), "3.6.8"),
    Module(
        "kubernetes",
        tuple(f"k8s.io/kubernetes/cmd/{name}" for name in _COMMANDS),
        KUBERNETES_VERSION,
        ldflags=_KUBERNETES_LDFLAGS,
        minutes="8",
    ),
    Module("coredns", ("github.com/coredns/coredns",), "1.12.4", "-version", minutes="2"),
    Module(
        "helm",
        ("helm.sh/helm/v3/cmd/helm",),
        "v3.19.5",
        "version",
        ldflags="-X helm.sh/helm/v3/internal/version.version=v3.19.5",
        minutes="3",
    ),
    Module("pause", ("one-ring.io/pause",), "1.0"),
    Module("gpus", ("one-ring.io/gpus",), "1.0"),
)
CONTROL_PLANE_MODULES = ("etcd", "kubernetes")
CONTROL_PLANE_PACKAGES = ("openssl",)


def tool(name: str) -> str:
    """The path of a built program."""
    module = next(module for module in MODULES if name in _names(module))
    return str(_folder(module) / name)


def tool_folders() -> list[str]:
    """Where kubectl and helm lie, for PATH."""
    return [str(_folder(module)) for module in MODULES if module.folder in ("kubernetes", "helm")]


def build(*, whole_node: bool) -> None:
    """Installs and compiles what is missing, packages beside compilations; says what it does and how far it is."""
    with only_one(cache() / "build.lock"):
        failures: list[Problem] = []
        packages = threading.Thread(target=_noting(failures, partial(install_packages, whole_node=whole_node)))
        packages.start()
        _compile_missing(failures, missing_modules(whole_node=whole_node))
        packages.join()
    if failures:
        raise Problems(failures) if len(failures) > 1 else failures[0]


def _compile_missing(failures: list[Problem], missing: Sequence[Module]) -> None:
    for number, module in enumerate(missing, start=1):
        names = ", ".join(_names(module))
        say(f"[{number}/{len(missing)}] compiling {names} {module.version} (about {module.minutes} min, once) …")
        _noting(failures, partial(_compile, module))()


def is_built(module: Module) -> bool:
    """Whether every program of the module is there and says the version that was asked for."""
    return (_folder(module) / ".complete").exists() and all(
        module.version.lstrip("v") in _said_version(_folder(module) / name, module.version_flag)
        for name in _names(module)
    )


def missing_modules(*, whole_node: bool) -> list[Module]:
    wanted = [module for module in MODULES if whole_node or module.folder in CONTROL_PLANE_MODULES]
    return [module for module in wanted if not is_built(module)]


def missing_packages(*, whole_node: bool) -> list[str]:
    wanted = PACKAGES if whole_node else {name: PACKAGES[name] for name in CONTROL_PLANE_PACKAGES}
    return [name for name, file in wanted.items() if not Path(file).exists()]


def install_packages(*, whole_node: bool) -> None:
    """Debian's packages, one caller at a time. Their services are not wanted: the node runs the programs itself."""
    with only_one(cache() / "apt.lock"):
        if missing := missing_packages(whole_node=whole_node):
            _apt_install(missing)


def _apt_install(missing: list[str]) -> None:
    say(f"installing {', '.join(missing)} …")
    log = cache() / "log/apt.log"
    # Without this, installing containerd and docker-registry would start them on the host.
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    logged(["apt-get", "update"], log, env=env)
    logged(["apt-get", "install", "-y", "--no-install-recommends", *missing], log, env=env)


def _compile(module: Module) -> None:
    source, target = LOCAL / "tools" / module.folder, _folder(module)
    target.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-buildvcs=false", "-trimpath", "-ldflags", f"-s -w {module.ldflags}", "-o", f"{target}/"]
    env = os.environ | {"CGO_ENABLED": "0"}
    logged([*command, *module.packages], cache() / f"log/build-{module.folder}.log", env=env, cwd=source)
    if module.folder == "etcd":
        (target / "server").rename(target / "etcd")
    (target / ".complete").touch()


def _names(module: Module) -> list[str]:
    return ["etcd"] if module.folder == "etcd" else [package.rsplit("/", 1)[-1] for package in module.packages]


def _folder(module: Module) -> Path:
    """Named by what it is built from, so that a changed pin is another folder."""
    pinned = b"".join(
        file.read_bytes() for file in sorted((LOCAL / "tools" / module.folder).iterdir()) if file.is_file()
    )
    key = hashlib.sha256(pinned + module.ldflags.encode()).hexdigest()[:12]
    return cache() / "bin" / f"{module.folder}-{module.version}-{key}"


def _said_version(program: Path, flag: str) -> str:
    try:
        if program.name == "kubectl":
            return run([str(program), "version", "--client"])
        return run([str(program), flag])
    except (Problem, OSError):
        return ""


def _noting(failures: list[Problem], action: Callable[[], None]) -> Callable[[], None]:
    """The action, with what it raises kept for later: a failed package must not hide behind a compilation."""

    def guarded() -> None:
        try:
            action()
        except Problem as failure:
            failures.append(failure)

    return guarded
