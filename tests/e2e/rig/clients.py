"""Honest clients: each fetches a file over a connection of its own, again and again, and times every transaction.

    python3 clients.py ADDRESS PORT PATH DIGEST [--clients N] [--seconds S | --count N] [--pause S] [--patience S]
                       [--sources ADDRESS,...]

A transaction lasts from the SYN to the last byte. It has succeeded when what came has the digest (SHA-256) and came
within the patience. `--count`: so many in all; `--seconds`: as many as begin in that time. Prints one line of JSON.
"""

import argparse
import asyncio
import collections
import hashlib
import itertools
import json
import random
import socket
import sys
import time


class Failed(Exception):
    """Why a transaction has failed, in a word or two."""


FIRST_PORT = 10_000  # of those that are taken in turn


async def fetch(loop, source, family, address, request, digest):
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        if source:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind(source)
        await loop.sock_connect(connection, address)
        await loop.sock_sendall(connection, request)
        got, head = hashlib.sha256(), b""
        while data := await loop.sock_recv(connection, 1 << 16):
            if head is not None:
                head += data
                if b"\r\n\r\n" not in head:
                    continue
                data, head = head.split(b"\r\n\r\n", 1)[1], None
            got.update(data)
    if got.hexdigest() != digest:
        raise Failed("other content")


class Clients:
    def __init__(self, options):
        self.options = options
        self.began = self.left = 0
        self.times, self.failures = [], collections.Counter()
        self.sources = self.sources_in_turn(options.sources)

    @staticmethod
    def sources_in_turn(addresses):
        """No pair of an address and a port again before all have had their turn; None where connect() is to choose."""
        if not addresses:
            yield from itertools.repeat(None)
        for port in itertools.cycle(range(FIRST_PORT, 1 << 16)):
            yield from ((address, port) for address in addresses.split(","))

    def more(self):
        if self.options.count:
            self.left -= 1
            return self.left >= 0
        return time.monotonic() - self.began < self.options.seconds

    async def one(self, loop, target):
        # Spread over the first pause, or all would begin at once.
        await asyncio.sleep(random.random() * self.options.pause)
        while self.more():
            start = time.monotonic()
            try:
                async with asyncio.timeout(self.options.patience):
                    await fetch(loop, next(self.sources), *target)
                self.times.append(time.monotonic() - start)
            except TimeoutError:
                self.failures["timed out"] += 1
            except Failed as failed:
                self.failures[str(failed)] += 1
            except OSError as error:
                self.failures[error.strerror or type(error).__name__] += 1
            if self.options.pause:
                await asyncio.sleep(self.options.pause * random.uniform(0.5, 1.5))

    async def run(self):
        options = self.options
        family, _, _, _, address = socket.getaddrinfo(options.address, options.port, type=socket.SOCK_STREAM)[0]
        request = f"GET {options.path} HTTP/1.0\r\nHost: server.test\r\n\r\n".encode()
        self.began, self.left = time.monotonic(), options.count
        loop = asyncio.get_running_loop()
        target = (family, address, request, options.digest)
        await asyncio.gather(*(self.one(loop, target) for _ in range(options.clients)))
        return self.report(time.monotonic() - self.began)

    def report(self, seconds):
        times, failed = sorted(self.times), sum(self.failures.values())

        def quantile(part):
            return round(times[min(len(times) - 1, int(part * len(times)))] * 1000, 3) if times else None

        return {
            "transactions": len(times) + failed, "succeeded": len(times), "seconds": round(seconds, 3),
            "median_ms": quantile(0.5), "p90_ms": quantile(0.9), "p99_ms": quantile(0.99), "longest_ms": quantile(1),
            "failures": dict(self.failures),
        }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("address", "port", "path", "digest"):
        parser.add_argument(name)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.5)
    parser.add_argument("--patience", type=float, default=5.0)
    parser.add_argument("--sources", default="", help="the client's own addresses, in turn")
    print(json.dumps(asyncio.run(Clients(parser.parse_args()).run())), flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
