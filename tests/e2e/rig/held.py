"""Many connections held open: each client sends some bytes and waits for their echo, over and over, while what is between
the two ends comes and goes. A connection is alive as long as its bytes come back, however late; at its end the server says
the digest of all that it was sent.

    python3 held.py serve ADDRESS PORT
    python3 held.py hold ADDRESS PORT --connections N

The holder prints `ready` when all are open, and obeys words on its standard input, a line each:

    check S   have every connection make one more exchange within S seconds; prints {"alive": N, "gap": SECONDS}, the
              longest that any connection had waited for an echo since the last check
    finish S  has every connection end within S seconds; prints {"whole": N}: those that were told the right digest
"""

import argparse
import asyncio
import hashlib
import json
import random
import sys
import time

MESSAGE = 256  # bytes
PAUSE = 0.2  # between two exchanges of a connection


async def echo(reader, writer):
    digested = hashlib.sha256()
    try:
        while True:
            data = await reader.readexactly(MESSAGE)
            digested.update(data)
            writer.write(data)
            await writer.drain()
    except asyncio.IncompleteReadError as end:
        if not end.partial:
            writer.write(digested.digest())
    except OSError:
        pass
    writer.close()


async def serve(options):
    server = await asyncio.start_server(echo, options.address, options.port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


class Held:
    """One connection."""

    def __init__(self):
        self.exchanges, self.waited, self.dead = 0, 0.0, False
        self.finishing = self.whole = False

    async def open(self, options):
        self.reader, self.writer = await asyncio.open_connection(options.address, options.port)

    async def talk(self):
        digested = hashlib.sha256()
        try:
            while not self.finishing:
                sent, begun = random.randbytes(MESSAGE), time.monotonic()
                digested.update(sent)
                self.writer.write(sent)
                if await self.reader.readexactly(MESSAGE) != sent:
                    raise OSError("other bytes came back")
                self.waited = max(self.waited, time.monotonic() - begun)
                self.exchanges += 1
                await asyncio.sleep(PAUSE)
            self.writer.write_eof()
            self.whole = await self.reader.read() == digested.digest()
            self.writer.close()
        except (OSError, asyncio.IncompleteReadError):
            self.dead = True


async def check(all_held, seconds):
    before = [held.exchanges for held in all_held]
    deadline = time.monotonic() + seconds

    def alive():
        # Two more: the first may have been under way.
        return sum(held.exchanges >= was + 2 and not held.dead for held, was in zip(all_held, before))

    while alive() < len(all_held) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    answer = {"alive": alive(), "gap": round(max(held.waited for held in all_held), 3)}
    for held in all_held:
        held.waited = 0.0
    print(json.dumps(answer), flush=True)


async def hold(options):
    all_held = [Held() for _ in range(options.connections)]
    for first in range(0, len(all_held), 50):
        await asyncio.gather(*(held.open(options) for held in all_held[first : first + 50]))
    tasks = [asyncio.create_task(held.talk()) for held in all_held]
    print("ready", flush=True)
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    while line := (await words.readline()).decode().split():
        if line[0] == "finish":
            for held in all_held:
                held.finishing = True
            await asyncio.wait(tasks, timeout=float(line[1]))
            print(json.dumps({"whole": sum(held.whole for held in all_held)}), flush=True)
            break
        await check(all_held, float(line[1]))
    for task in tasks:
        task.cancel()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("serve", "hold"))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=1000)
    options = parser.parse_args()
    asyncio.run(serve(options) if options.role == "serve" else hold(options))


if __name__ == "__main__":
    main()
