# SPDX-License-Identifier: MIT
"""Peers from elsewhere: a daemon in a network of its own, which has other addresses than loopback.

Daemon(…, preexec=enter_network) puts it there; peer_curl() asks it from one of those addresses.
"""

import ctypes
import os
import subprocess

import pytest

from .wait import SCALE

NEIGHBOUR, STRANGER = "198.51.100.7", "203.0.113.9"
NEIGHBOUR6, STRANGER6 = "fd00:1::7", "fd00:2::9"
CLONE_NEWNET = 0x40000000


def _can_enter():
    done = subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"],
                          capture_output=True, check=False)
    return done.returncode == 0


needs_network = pytest.mark.skipif(not _can_enter(), reason="no network of one's own without root")


def enter_network():
    """For a child process before exec."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    commands = ["link set lo up"]
    commands += [f"addr add {address}/32 dev lo" for address in (NEIGHBOUR, STRANGER)]
    commands += [f"addr add {address}/128 dev lo nodad" for address in (NEIGHBOUR6, STRANGER6)]
    for command in commands:
        if os.spawnvp(os.P_WAIT, "ip", ["ip", *command.split()]) != 0:
            raise OSError(f"ip {command}")


def peer_curl(daemon, source, *words, seconds=10):
    """Run curl in the daemon's network with that address as its own."""
    return subprocess.run(
        ["nsenter", f"--net=/proc/{daemon.pid}/ns/net", "curl", "-sS", "--noproxy", "",
         "--interface", source, "--max-time", str(seconds), *words],
        capture_output=True, text=True, timeout=(seconds + 5) * SCALE, check=False,
    )
