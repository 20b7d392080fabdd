# SPDX-License-Identifier: MIT
"""What another program may do to the file of a recording."""

import contextlib
import sqlite3

from .wait import SCALE


@contextlib.contextmanager
def changing(hark, **options):
    """A connection that may write."""
    with contextlib.closing(sqlite3.connect(hark.db, timeout=5 * SCALE, **options)) as connection:
        yield connection


@contextlib.contextmanager
def held(hark):
    """Nobody else can write meanwhile."""
    with changing(hark, isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def multiply(hark, count):
    """Repeats exchange 1, the only one, with its bodies until there are `count`. No daemon runs."""

    def copy(connection, table, key):
        info = connection.execute(f"PRAGMA table_info({table})")
        names = ", ".join(row[1] for row in info if row[1] != key)
        connection.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
            f" INSERT INTO {table} ({key}, {names})"
            f" SELECT i, {names} FROM n, {table} WHERE {table}.{key} = 1")

    with changing(hark) as connection, connection:
        copy(connection, "exchange", "id")
        copy(connection, "body", "exchange_id")
