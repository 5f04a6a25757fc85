"""The cluster's keys: one authority, and a certificate for each component, made anew with each cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.addresses import KUBERNETES_SERVICE_IP, NODE_IP
from node.shell import run

NODE_NAME = "one-ring-node"
# Elliptic keys are made in no time; RSA keys would take seconds of each start.
_NEW_KEY = ("-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


@dataclass(frozen=True)
class Identity:
    """A certificate to make: its file name, who it speaks for, and what it may be used as."""

    file: str
    user: str
    group: str = ""
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.user}"

    @property
    def alternative_names(self) -> str:
        return ",".join([f"IP:{address}" for address in self.addresses] + [f"DNS:{name}" for name in self.names])


CONTROL_PLANE_IDENTITIES = (
    Identity("apiserver", "kube-apiserver", "", (NODE_IP, KUBERNETES_SERVICE_IP, "127.0.0.1"), (*_NAMES, "localhost")),
    Identity("admin", "admin", "system:masters"),
    Identity("controller-manager", "system:kube-controller-manager"),
    Identity("scheduler", "system:kube-scheduler"),
)
NODE_IDENTITIES = (
    Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
    Identity("kubelet", f"system:node:{NODE_NAME}", "system:nodes", (NODE_IP,), (NODE_NAME,)),
    Identity("kube-proxy", "system:kube-proxy"),
    Identity("coredns", "coredns", "system:masters"),
)


def make_all(folder: Path, identities: Iterable[Identity]) -> None:
    """Fills ``folder`` with ``ca``, one ``.crt``/``.key`` pair an identity, and the service-account key."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    ca = ["-x509", *_NEW_KEY, "-days", "3650", "-subj", "/CN=one-ring-local"]
    _openssl(folder, ["req", *ca, "-keyout", "ca.key", "-out", "ca.crt"])
    _openssl(folder, ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "service-account.key"])
    for identity in identities:
        _sign(folder, identity)


def _sign(folder: Path, identity: Identity) -> None:
    request = [*_NEW_KEY, "-subj", identity.subject]
    _openssl(folder, ["req", *request, "-keyout", f"{identity.file}.key", "-out", f"{identity.file}.csr"])
    extensions = "extendedKeyUsage=clientAuth,serverAuth\n"
    if identity.alternative_names:
        extensions += f"subjectAltName={identity.alternative_names}\n"
    (folder / f"{identity.file}.ext").write_text(extensions)
    signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650"]
    files = ["-in", f"{identity.file}.csr", "-extfile", f"{identity.file}.ext", "-out", f"{identity.file}.crt"]
    _openssl(folder, ["x509", "-req", *files, *signing])


def _openssl(folder: Path, arguments: Sequence[str]) -> None:
    # openssl has no working-directory flag, and its file names are relative here.
    run(["env", f"--chdir={folder}", "openssl", *arguments], remedy="check that openssl works")
