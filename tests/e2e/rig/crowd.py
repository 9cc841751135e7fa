"""Many clients at the control socket, from one process: honest ones that ask and check what comes, and hostile ones.

    python3 crowd.py SOCKET --honest N --hostile N --seconds S [--user UID]

It ends after S seconds and prints one line of JSON: what the honest ones were answered, how long the longest had to wait
from its connect() on, and how often each kind of hostile one came.
"""

import argparse
import json
import os
import random
import resource
import selectors
import socket
import time

PAUSE = 0.3  # between two requests of an honest client, about
CHUNK = 1 << 16

LIST = b'{"sluice":1,"request":"list","format":"json"}\n'
FOLLOW = b'{"sluice":1,"request":"events","filter":{"protocol":6},"format":"json"}\n'
QUESTIONS = (b'{"sluice":1,"request":"stats"}\n', b'{"sluice":1,"request":"count"}\n', b'{"sluice":1,"request":"list","filter":{"nothing":true}}\n')
GARBAGE = b"\0\xff[{" * 200 + b"\n"
# What each kind sends first, what over and over, and whether it reads. "killed" goes away in the middle of an answer.
HOSTILE = {
    "silent": (b"", b"", False),
    "half": (b'{"sluice":1,', b"", False),
    "endless": (b"", b"a" * CHUNK, False),  # one line, as long as it is let
    "garbage": (GARBAGE, GARBAGE, True),
    "deaf": (LIST * 100, b"", False),
    "stopped": (FOLLOW, b"", False),
    "killed": (LIST * 100, b"", True),
}


class Crowd:
    def __init__(self, options):
        self.options = options
        self.selector = selectors.DefaultSelector()
        self.random = random.Random(1)
        self.waiting = []  # (when, client): who connects then
        self.came = dict.fromkeys(HOSTILE, 0)
        self.right = self.wrong = self.refused = self.cut = 0
        self.waits = []

    def run(self):
        now = time.monotonic()
        clients = [Honest(self) for _ in range(self.options.honest)]
        clients += [Hostile(self, list(HOSTILE)[i % len(HOSTILE)]) for i in range(self.options.hostile)]
        for client in clients:
            self.later(client, self.random.random() * 0.3)
        end = now + self.options.seconds
        while (now := time.monotonic()) < end:
            due = [client for when, client in self.waiting if when <= now]
            self.waiting = [entry for entry in self.waiting if entry[0] > now]
            for client in due:
                client.connect()
            for key, events in self.selector.select(0.01):
                key.data.act(events)
        # Who has waited until now counts too.
        self.waits += [now - client.since for client in clients if isinstance(client, Honest) and client.since]
        self.waits.sort()
        return {
            "right": self.right, "wrong": self.wrong, "refused": self.refused, "cut": self.cut, "hostile": self.came,
            "median_ms": round(1000 * self.waits[len(self.waits) // 2], 1) if self.waits else None,
            "longest_ms": round(1000 * self.waits[-1], 1) if self.waits else None,
        }  # fmt: skip

    def later(self, client, seconds):
        self.waiting.append((time.monotonic() + seconds, client))


class Client:
    def __init__(self, crowd):
        self.crowd, self.socket, self.since = crowd, None, None

    def connect(self):
        self.since = self.since or time.monotonic()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        try:
            self.socket.connect(self.crowd.options.socket)
        except BlockingIOError:  # as many wait to be accepted as may
            self.socket.close()
            self.crowd.later(self, 0.02)
            return
        self.begin()

    def watch(self, events):
        self.crowd.selector.register(self.socket, events, self)

    def leave(self, pause):
        self.crowd.selector.unregister(self.socket)
        self.socket.close()
        self.since = None
        self.crowd.later(self, pause)

    def try_to(self, action):
        """What the socket says, b"" when the daemon has hung up, None when it has to be waited for."""
        try:
            return action()
        except BlockingIOError:
            return None
        except OSError:
            return b""


class Honest(Client):
    def begin(self):
        self.received = b""
        self.socket.send(self.crowd.random.choice(QUESTIONS))
        self.watch(selectors.EVENT_READ)

    def act(self, _):
        data = self.try_to(lambda: self.socket.recv(CHUNK))
        if data is None:
            return
        self.received += data
        if data and not self.received.endswith(b"\n"):
            return
        lines = self.received.splitlines()
        if data and not lines[-1].startswith(b'{"end":'):
            return
        crowd = self.crowd
        if not data:
            crowd.cut += 1
        elif (end := json.loads(lines[-1])["end"])["ok"]:
            rows = [json.loads(line) for line in lines[:-1]]
            crowd.right += 1 if len(rows) in (0, end["count"] + 1) else 0
            crowd.wrong += 0 if len(rows) in (0, end["count"] + 1) else 1
        else:
            crowd.refused += "places" in end["error"]
            crowd.wrong += "places" not in end["error"]
        crowd.waits.append(time.monotonic() - self.since)
        self.leave(PAUSE * (0.5 + crowd.random.random()))


class Hostile(Client):
    def __init__(self, crowd, kind):
        super().__init__(crowd)
        self.kind = kind
        self.first, self.again, self.reads = HOSTILE[kind]

    def begin(self):
        self.crowd.came[self.kind] += 1
        if self.first:
            self.try_to(lambda: self.socket.send(self.first))
        # Whoever does not read learns that it was let go by writing, or not at all.
        self.watch(selectors.EVENT_WRITE if self.again else selectors.EVENT_READ)

    def act(self, _):
        if self.again:
            if self.try_to(lambda: self.socket.send(self.again)) == b"":
                self.leave(0.2)
                return
            if not self.reads:
                return
        if not self.reads:
            # Nothing is taken, but for a look whether the daemon has hung up.
            if self.try_to(lambda: self.socket.recv(1, socket.MSG_PEEK)) == b"":
                self.leave(0.2)
            else:
                self.crowd.selector.unregister(self.socket)
                self.crowd.later(Look(self), 0.5)
            return
        data = self.try_to(lambda: self.socket.recv(1000))
        if data == b"" or (data and self.kind == "killed"):
            self.leave(0.05)


class Look:
    """A hostile client that does not read, looked at again."""

    def __init__(self, client):
        self.client = client

    def connect(self):
        self.client.watch(selectors.EVENT_READ)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    for name in ("honest", "hostile"):
        parser.add_argument("--" + name, type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--user", type=int)
    options = parser.parse_args()
    most = 2 * (options.honest + options.hostile) + 100
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(most, 1024)), hard))
    if options.user is not None:
        os.setuid(options.user)
    print(json.dumps(Crowd(options).run()), flush=True)


if __name__ == "__main__":
    main()
