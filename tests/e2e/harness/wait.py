# SPDX-License-Identifier: MIT
"""Waiting for conditions: nothing in these tests sleeps for a fixed time, it polls.

HARK_SLOW=1 stretches every deadline, for binaries built with sanitizers, and makes large bodies
smaller: what they show then is that nothing is lost, not how much memory that takes.
"""

import os
import threading
import time

SCALE = 6 if os.environ.get("HARK_SLOW") else 1
LARGE_MIB = 200 if SCALE == 1 else 48  # more than all buffers on the way
_never = threading.Event()


def wait_until(condition, what, seconds=5, every=0.01):
    """Poll until condition() is true, and return its value; the failure names `what`."""
    limit = time.monotonic() + seconds * SCALE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            raise AssertionError(f"waited {seconds * SCALE} s for {what}; last saw {value!r}")
        _never.wait(every)


def wait_stable(measure, what, still_for=0.5, seconds=20):
    """Poll until measure() has kept one value for `still_for` seconds; return that value."""
    last, since = measure(), time.monotonic()

    def is_still():
        nonlocal last, since
        now = measure()
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since >= still_for * SCALE

    wait_until(is_still, f"{what} to stand still", seconds)
    return last
