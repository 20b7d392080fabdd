# SPDX-License-Identifier: MIT
"""What the end-to-end tests are made of.

A test puts a Daemon between a RawClient (or a real program) and a RawOrigin (or nginx), and looks
at all three: what the client got, what the origin was sent, and what the recording holds.
Everything listens on 127.0.0.1 on a free port and is stopped by its own process id.
"""

from .client import RawClient
from .daemon import Daemon, run_hark
from .message import Aborted, Head, Response
from .nginx import Nginx
from .origin import OriginConnection, RawOrigin
from .wait import LARGE_MIB, SCALE, wait_stable, wait_until

__all__ = [
    "Aborted", "Daemon", "Head", "LARGE_MIB", "Nginx", "OriginConnection", "RawClient", "RawOrigin",
    "Response", "SCALE", "run_hark", "wait_stable", "wait_until",
]
