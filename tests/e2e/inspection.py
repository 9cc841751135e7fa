"""Signatures between real stacks: what is found is told, what may not pass is reset before its receiver has a byte of it, and
a reload with other signatures loses nothing."""

import json
import os
import subprocess
import time

from rig.process import Program, execute, expect, wait_until
from rig.scenario import scenario
from rig.services import TcpServer
from rig.topology import IPV4

API = 8080

PROFILES = """
[inspection]
flows = 64
cache = "{cache}"

[[inspection.profile]]
name = "watch"
signatures = "watch.toml"
excerpt = 24

[[inspection.profile]]
name = "stop"
signatures = "stop.toml"
mode = "block"

[[rule]]
name = "web"
action = "inspect watch"
protocol = "tcp"
to_port = 80

[[rule]]
name = "api"
action = "inspect stop"
protocol = "tcp"
to_port = {api}

[[rule]]
action = "allow"
"""

SIGNATURE = """
[[signature]]
id = {id}
name = "{name}"
pattern = '{pattern}'
direction = "to-server"
severity = "high"
action = "{action}"
"""


def write_signatures(rig, file, *signatures):
    with open(os.path.join(rig.folder, file), "w") as out:
        for number, name, pattern, action in signatures:
            out.write(SIGNATURE.format(id=number, name=name, pattern=pattern, action=action))


TRAVERSAL = (7001, "a path out of the root", r"/etc/passwd", "alert")
SHELL = (7002, "a shell", r"/bin/sh", "reset")


def start(context, rig):
    cache = os.path.join(rig.folder, "cache")
    os.mkdir(cache, 0o700)
    write_signatures(rig, "watch.toml", TRAVERSAL)
    write_signatures(rig, "stop.toml", SHELL)
    middle = context.sluiced(rig, extra=PROFILES.format(cache=cache, api=API))
    rig.start_middle(middle)
    return middle


def curl(rig, url, *words):
    """The status of curl, what it printed and how long it took."""
    began = time.monotonic()
    argv = rig.client.argv("curl", "--silent", "--max-time", "5", *words, url)
    done = execute(rig.transcript, argv, check=False, quiet=True)
    return done.returncode, done.stdout, time.monotonic() - began


def hits(middle):
    rows = map(json.loads, middle.sluice("signatures", "--json", quiet=True).stdout.splitlines())
    return {row["id"]: row["hits"] for row in rows}


def url_of(port, what):
    return f"http://{IPV4.bracketed(IPV4.server)}:{port}/{what}"


def follow_alerts(context, rig, middle):
    path = os.path.join(rig.folder, "alerts")
    program = Program(context.transcript, [context.programs.sluice, "--socket", middle.socket_path, "-E", "-e", "ALERT", "-o", "json"],
                      path, error_path=path + ".summary")  # fmt: skip
    rig.programs.append(program)
    wait_until(lambda: middle.statistics().get("event_readers") == 1, "somebody follows the alerts")
    return lambda: [json.loads(line) for line in program.log().splitlines()]


@scenario("inspection: what a signature finds is told and goes through, or is reset before the server has a byte of it",
          rig="own", families=(), needs_sluiced=True, device="af_packet")  # fmt: skip
def alert_and_reset(context):
    with context.rig() as rig:
        middle = start(context, rig)
        rig.nginx()
        alerts = follow_alerts(context, rig, middle)

        status, _, _ = curl(rig, url_of(80, "small-1?file=../../etc/passwd"), "--output", os.devnull)
        expect(status == 0, f"a request with what the profile only watches for is served (curl: {status})")
        wait_until(lambda: len(alerts()) == 1, "the alert is told")
        [alert] = alerts()
        expected = {"event": "alert", "id": 7001, "severity": "high", "action": "alert", "profile": "watch",
                    "direction": "to-server", "src": IPV4.client, "dst": IPV4.server, "dport": 80}  # fmt: skip
        expect(expected.items() <= alert.items(), f"with all that belongs to it: {alert}")
        expect(alert["excerpt"].endswith("/etc/passwd"), f"and what was found: {alert['excerpt']!r}")
        expect(alert["community_id"].startswith("1:"), f"and the name of its flow: {alert}")

        received = []

        def answer(connection):
            received.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nserved")

        with TcpServer(rig.server, IPV4.family, API, answer):
            status, text, _ = curl(rig, url_of(API, "good"))
            expect((status, text) == (0, "served"), f"a request without it is served (curl: {status}, {text!r})")
            status, _, took = curl(rig, url_of(API, "x?run=/bin/sh"))
            expect(status in (52, 55, 56), f"curl sees a reset (its status was {status})")
            expect(took < 1, f"at once: after {took:.2f} s")
        expect(not any(b"/bin/sh" in text for text in received), f"the server never had a byte of it: {received}")
        wait_until(lambda: len(alerts()) == 2, "that is told too")
        expect(alerts()[1]["action"] == "reset", f"with what was done: {alerts()[1]}")
        expect(hits(middle) == {7001: 1, 7002: 1}, f"both are counted: {hits(middle)}")
        expect("alert: high 7001 (a path out of the root)" in middle.program.log(), "and the log has them")


@scenario("inspection: a reload with other signatures takes effect and no download under way is lost",
          rig="own", families=(), needs_sluiced=True, device="af_packet")  # fmt: skip
def reload_signatures(context):
    with context.rig() as rig:
        middle = start(context, rig)
        nginx = rig.nginx()
        target = os.path.join(rig.folder, "downloaded")
        download = subprocess.Popen(rig.client.argv("curl", "--silent", "--limit-rate", "1M", "--output", target, url_of(80, "large-1")))  # fmt: skip
        wait_until(lambda: os.path.exists(target) and os.path.getsize(target) > 100_000, "a download runs")

        write_signatures(rig, "watch.toml", TRAVERSAL, (7003, "broken", "(", "alert"))
        done = middle.sluice("reload", check=False)
        expect(done.returncode == 1 and "watch.toml:10: pattern:" in done.stderr, f"a broken pattern is refused: {done.stderr}")
        write_signatures(rig, "watch.toml", TRAVERSAL, (7003, "a word", "swordfish", "alert"))
        middle.sluice("reload")
        expect(set(hits(middle)) == {7001, 7002, 7003}, f"the new signatures are in force: {hits(middle)}")
        status, _, _ = curl(rig, url_of(80, "small-1?word=swordfish"), "--output", os.devnull)
        expect(status == 0, f"a request passes (curl: {status})")
        wait_until(lambda: hits(middle)[7003] == 1, "and the new signature finds its word")

        expect(download.poll() is None, "the download has not ended before the reload")
        expect(download.wait(10) == 0, "it ends well")
        with open(target, "rb") as file, open(os.path.join(rig.folder, "www", "large"), "rb") as served:
            expect(file.read() == served.read(), "and nothing of it was lost")
