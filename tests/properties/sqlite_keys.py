"""A key store that processes share, in a file: proof that the protocol allows one.

What lives here: ``SqliteKeys``, and a program that sends by it. It is as plain as it can
be: one row for each key, each operation in one transaction.
"""

import asyncio
import pickle
import sqlite3
import sys
import time
from contextlib import closing, contextmanager

from mailbalance import Mailer, MemoryBackend, RetryPolicy
from mailbalance.delivery.key_store import Claim

WINDOW = 86_400.0
NOTE = {"from_": "a@x.com", "to": "b@x.com", "text": "Hello", "key": "shared"}


class SqliteKeys:
    """Remembers keys in a file; the wall clock counts, for all processes alike."""

    def __init__(self, path):
        self.path = path
        with self._alone() as store:
            store.execute(
                "CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, token TEXT, "
                "fingerprint TEXT, until REAL, ended BLOB)"
            )

    @contextmanager
    def _alone(self):
        with closing(sqlite3.connect(self.path, timeout=30)) as store:
            store.isolation_level = None
            store.execute("BEGIN IMMEDIATE")
            yield store
            store.execute("COMMIT")

    def claim(self, key, fingerprint, token, *, lease, over=None):
        now = time.time()
        with self._alone() as store:
            query = "SELECT token, fingerprint, until, ended FROM keys WHERE key = ?"
            row = store.execute(query, (key,)).fetchone()
            if row is not None and now < row[2] + WINDOW and row[0] != over:
                end = None if row[3] is None else pickle.loads(row[3])  # noqa: S301
                return Claim(row[0], row[1], end, end is None and now >= row[2])
            fresh = key, token, fingerprint, now + lease, None
            store.execute("REPLACE INTO keys VALUES (?, ?, ?, ?, ?)", fresh)
            return Claim(token, fingerprint)

    def settle(self, key, token, end):
        change = (
            "UPDATE keys SET ended = ?, until = ? "
            "WHERE key = ? AND token = ? AND ended IS NULL"
        )
        with self._alone() as store:
            store.execute(change, (pickle.dumps(end), time.time(), key, token))

    def release(self, key, token):
        change = "DELETE FROM keys WHERE key = ? AND token = ? AND ended IS NULL"
        with self._alone() as store:
            store.execute(change, (key, token))

    def forget(self, key):
        change = "DELETE FROM keys WHERE key = ? AND (ended NOT NULL OR until <= ?)"
        with self._alone() as store:
            return store.execute(change, (key, time.time())).rowcount > 0

    async def aclaim(self, *words, **options):
        return await asyncio.to_thread(lambda: self.claim(*words, **options))

    async def asettle(self, *words):
        await asyncio.to_thread(self.settle, *words)

    async def arelease(self, *words):
        await asyncio.to_thread(self.release, *words)

    async def aforget(self, key):
        return await asyncio.to_thread(self.forget, key)


class Door(MemoryBackend):
    """Takes a moment, and writes down in a file whatever it took."""

    def __init__(self, path):
        super().__init__("door")
        self.path = path

    def send(self, *args, **options):
        with open(self.path, "ab", buffering=0) as file:
            file.write(b"taken\n")
        time.sleep(0.05)
        return super().send(*args, **options)


def main(store, door):
    """Send once, and print the Message-ID on the receipt."""
    policy = RetryPolicy(timeout=30)
    with Mailer({Door(door): 1}, keys=SqliteKeys(store), policy=policy) as mailer:
        print("ready", flush=True)  # noqa: T201
        sys.stdin.readline()
        print(mailer.send(**NOTE).message_id)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
