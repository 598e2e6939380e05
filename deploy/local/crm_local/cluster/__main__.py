"""An overlay's manifests on this machine: `python -m crm_local.cluster OVERLAY [--replicas N] [--port N] [--check]`.

OVERLAY is one of deploy/k8s/overlays, a folder, or a file with rendered manifests. It runs until Ctrl-C; with --check
it ends as soon as everything is ready, or cannot be, which it says by name.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from socket import socket

from crm_local.cluster.balancer import listen
from crm_local.cluster.cluster import ROOT, Cluster
from crm_local.cluster.manifests import Manifests, read, rendered
from crm_local.cluster.network import enter_own_network
from crm_local.failure import LocalFailure
from crm_local.settings import HOST
from crm_local.terminal import Terminal
from crm_local.testing import throwaway_folder

# As a shell says it of who was stopped before the end.
INTERRUPTED = 130
OVERLAYS = ROOT / "deploy" / "k8s" / "overlays"


def manifests_of(overlay: str) -> Manifests:
    """The manifests of an overlay by its name, of a folder or of a rendered file."""
    path = Path(overlay)
    return read(rendered(path if path.exists() else OVERLAYS / overlay))


async def until_stopped(cluster: Cluster, terminal: Terminal, *, check: bool) -> None:
    """Start everything, say so, and stop it all when asked to, or at once."""
    task = asyncio.current_task()
    assert task is not None
    for what in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(what, task.cancel)
    try:
        await cluster.start()
        terminal.say("everything is ready")
        if not check:
            terminal.say(welcome(cluster))
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    finally:
        await cluster.stop()


def welcome(cluster: Cluster) -> str:
    """How to begin."""
    login = cluster.demo_login
    return f"sign in: tenant {login['tenant']}, login {login['login']}, password {login['password']}\nCtrl-C stops it"


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m crm_local.cluster", description="An overlay's manifests, run here")
    parser.add_argument("overlay")
    parser.add_argument("--replicas", type=int, help="of each deployment, instead of what its manifest says")
    parser.add_argument("--port", type=int, help="where the Ingress listens at 127.0.0.1; nowhere when not given")
    parser.add_argument("--ready-seconds", type=float, default=120.0, help="how long a pod may take to become ready")
    parser.add_argument("--check", action="store_true", help="end as soon as everything is ready")
    options = parser.parse_args()
    terminal = Terminal()
    entrance: socket | None = listen(HOST, options.port) if options.port else None
    try:
        manifests = manifests_of(options.overlay)
        enter_own_network()
        with throwaway_folder() as folder:
            folder.chmod(0o755)
            cluster = Cluster(
                manifests,
                folder,
                terminal,
                replicas=options.replicas,
                ready_seconds=options.ready_seconds,
                entrance=entrance,
            )
            if entrance:
                terminal.say(f"the Ingress is http://{HOST}:{options.port}")
            asyncio.run(until_stopped(cluster, terminal, check=options.check))
    except LocalFailure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
