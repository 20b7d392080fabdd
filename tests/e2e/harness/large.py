# SPDX-License-Identifier: MIT
"""Bodies too large to be held: made, and compared, a MiB at a time."""

import hashlib
import random

MIB = 1 << 20
BLOCK = random.Random(1).randbytes(MIB)


def block(number):
    """The numberth MiB of a body: no two are the same."""
    return number.to_bytes(8, "big") + BLOCK[8:]


def hash_of(mib):
    digest = hashlib.sha256()
    for number in range(mib):
        digest.update(block(number))
    return digest.hexdigest()


def recorded_hash(hark, exchange_id, side):
    """(the hash, the size) of the recorded bytes, a segment in memory at a time."""
    digest, size = hashlib.sha256(), 0
    connection = hark.connect()
    query = "SELECT CAST(data AS BLOB) FROM body WHERE exchange_id = ? AND side = ? ORDER BY seq"
    for (part,) in connection.execute(query, (exchange_id, side)):
        digest.update(part)
        size += len(part)
    connection.close()
    return digest.hexdigest(), size
