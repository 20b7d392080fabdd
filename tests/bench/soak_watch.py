# SPDX-License-Identifier: MIT
"""What the daemon holds while it is soaked: memory, descriptors, threads, once a second."""

import itertools
import os
import statistics
import threading
import time
from pathlib import Path


def slope(points):
    """Of the (x, y), by Theil and Sen: the median of the slopes between any two of them, which a
    minute with a full queue does not tilt; 0 for less than two."""
    return statistics.median(
        [(y - before) / (x - earlier)
         for (earlier, before), (x, y) in itertools.combinations(points, 2)] or [0.0])


class Watch(threading.Thread):
    """`warm_up` is in minutes. `minutes` are (minute, lowest of each figure in it). The lowest, since a queue that fills
    while the disk is locked is no leak; what is never given back is in each minute's lowest."""

    FIGURES = ("RssAnon", "descriptors", "threads")

    def __init__(self, hark, warm_up):
        super().__init__(daemon=True)
        self.hark, self.warm_up = hark, warm_up
        self.minutes = []
        self.peaks = dict.fromkeys(self.FIGURES, 0)
        self.early_peaks = {}
        self.ended = threading.Event()
        self.start()

    def look(self):
        folder = Path(f"/proc/{self.hark.pid}")
        fields = dict(line.split(":\t", 1) for line in
                      (folder / "status").read_text().splitlines() if ":\t" in line)
        return {"RssAnon": int(fields["RssAnon"].split()[0]) / 1024,
                "descriptors": len(os.listdir(folder / "fd")), "threads": int(fields["Threads"])}

    def run(self):
        began = time.monotonic()
        while not self.ended.wait(1):
            try:
                now = self.look()
            except OSError:
                return  # it has ended, which others find out
            self.peaks = {name: max(self.peaks[name], now[name]) for name in self.FIGURES}
            minute = int((time.monotonic() - began) / 60)
            if not self.minutes or self.minutes[-1][0] != minute:
                self.print_last()
                self.minutes.append((minute, now))
            lowest = self.minutes[-1][1]
            for name in self.FIGURES:
                lowest[name] = min(lowest[name], now[name])
            if minute < self.warm_up:
                self.early_peaks = self.peaks

    def print_last(self):
        if self.minutes:
            minute, lowest = self.minutes[-1]
            print(f"{time.strftime('%T')} minute {minute:3}: "
                  f"RssAnon {lowest['RssAnon']:6.2f} MiB, {lowest['descriptors']} descriptors, "
                  f"{lowest['threads']} threads", flush=True)

    def slope_an_hour(self, name):
        """After the warm-up; without the last minute, which may be short."""
        return 60 * slope([(minute, lowest[name]) for minute, lowest in self.minutes[:-1]
                           if minute >= self.warm_up])

    def end(self):
        self.ended.set()
        self.join()
