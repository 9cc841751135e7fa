"""Metrics: a real Prometheus scrapes the daemon and every query of the dashboard has an answer; scrapers that mean ill;
`sluice drops`; DPDK's telemetry."""

import json
import os
import shutil
import signal
import socket
import time
import urllib.parse
import urllib.request

from rig.process import Program, Skip, expect, wait_until
from rig.scenario import scenario
from rig.services import TcpServer, read_forever
from rig.topology import IPV4
from traffic import connect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PORT, PROMETHEUS_PORT = 9477, 9490

SCRAPING = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: sluice
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def own(sentence):
    return scenario(sentence, rig="own", families=(), needs_sluiced=True, device="af_packet")


def dashboard():
    """(title, query) of every target, its variables filled in."""
    with open(os.path.join(ROOT, "config/grafana/sluice.json")) as file:
        panels = json.load(file)["panels"]
    for panel in panels:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "4s").replace("$instance", ".*")


def get(namespace, path, port=PORT):
    with namespace:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode()


def value(page, name):
    """The one sample that the line begins with."""
    return next(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name + " "))


def exchange(rig, seconds):
    """Some traffic that is let through."""
    with TcpServer(rig.server, IPV4.family, 9000, read_forever), connect(rig, IPV4, 9000) as connection:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(b"x" * 1000)
            time.sleep(0.02)


def forged(rig, count):
    """TCP segments to a connection that is none: refused as no-connection."""
    with rig.client, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        for number in range(count):
            header = bytearray(20)
            header[0:4] = (40000 + number).to_bytes(2, "big") + (9999).to_bytes(2, "big")
            header[12], header[13] = 5 << 4, 0x10
            header[14:16] = (1000).to_bytes(2, "big")
            pseudo = socket.inet_aton(IPV4.client) + socket.inet_aton(IPV4.server) + b"\0\x06\0\x14"
            total = sum(int.from_bytes((pseudo + header)[i : i + 2], "big") for i in range(0, 32, 2))
            total = (total & 0xFFFF) + (total >> 16)
            header[16:18] = (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big")
            raw.sendto(header, (IPV4.server, 0))


@own("Prometheus scrapes the daemon, and every query of the dashboard has an answer")
def prometheus(context):
    if shutil.which("prometheus") is None:
        raise Skip("prometheus is not installed")
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig, extra=f'[metrics]\nlisten = "127.0.0.1:{PORT}"\n'))
        rig.between.run("ip", "link", "set", "lo", "up", quiet=True)
        config = os.path.join(rig.folder, "prometheus.yml")
        with open(config, "w") as file:
            file.write(SCRAPING.format(rules=os.path.join(ROOT, "config/prometheus/sluice.rules.yml"), port=PORT))
        program = Program(
            rig.transcript,
            rig.between.argv(
                "prometheus", "--config.file", config, "--storage.tsdb.path", os.path.join(rig.folder, "tsdb"),
                "--web.listen-address", f"127.0.0.1:{PROMETHEUS_PORT}", "--log.level", "warn",
            ),
            os.path.join(rig.folder, "prometheus.log"),
        )  # fmt: skip
        rig.programs.append(program)

        def answer(query):
            path = "/api/v1/query?" + urllib.parse.urlencode({"query": query})
            try:
                return json.loads(get(rig.between, path, PROMETHEUS_PORT))["data"]["result"]
            except OSError:
                return []

        forged(rig, 5)
        exchange(rig, 2)

        def unanswered():
            return [title for title, query in dashboard() if not answer(query)]

        wait_until(lambda: not unanswered(), "every query of the dashboard has an answer", 8, every=0.5)
        refused = 'sluice_drops_total{reason="no-connection"}'
        wait_until(lambda: float((answer(refused) or [{"value": [0, 0]}])[0]["value"][1]) == 5, "the forged segments are counted", 4)
        alerts = {each["metric"]["alertname"] for each in answer("ALERTS")}
        expect(not alerts, f"no alert fires on a box that is well: {alerts}")
        rig.transcript.note(program.log())
        expect(program.stop(signal.SIGTERM) == 0, "Prometheus stops")
        expect(rig.middle.stop() == 0, "the daemon stops with status 0")


@own("scrapers that send a header without end, or never read, hold up neither traffic nor anybody who asks")
def hostile_scrapers(context):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig, extra=f'[metrics]\nlisten = "127.0.0.1:{PORT}"\n'))
        rig.between.run("ip", "link", "set", "lo", "up", quiet=True)
        before = value(get(rig.between, "/metrics"), "sluice_stat_insert_total")
        mute = []
        try:
            with rig.between:
                for _ in range(10):
                    mute.append(socket.create_connection(("127.0.0.1", PORT)))
                    mute[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
                endless = socket.create_connection(("127.0.0.1", PORT))
                mute.append(endless)
                endless.settimeout(5)
                sent = 0
                try:
                    endless.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
                    while sent < 100_000_000:
                        sent += endless.send(b"a" * 65536)
                except OSError:
                    pass
                expect(sent < 100_000_000, "a header of 100 MB is cut off")
            exchange(rig, 0.2)
            started = time.monotonic()
            rows = rig.middle.rows()
            expect(any("dport=9000" in row for row in rows), "the connection is in the table")
            expect(time.monotonic() - started < 2, "the command is answered at once")
            after = value(get(rig.between, "/metrics"), "sluice_stat_insert_total")
            expect(after == before + 1, f"one flow more is counted: {before}, then {after}")
        finally:
            for each in mute:
                each.close()
        expect(rig.middle.stop() == 0, "the daemon stops with status 0")


@own("sluice drops shows what was refused, why and how fast, once or over and over")
def drops(context):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig))
        middle = rig.middle
        expect(middle.sluice("drops").stdout == "", "at first there is nothing to show")
        time.sleep(1.2)
        forged(rig, 40)
        wait_until(lambda: "no-connection" in middle.sluice("drops", quiet=True).stdout, "the segments are shown")
        row = json.loads(middle.sluice("drops", "-o", "json").stdout)
        expect(row["reason"] == "no-connection" and row["packets"] == 40, f"under their reason: {row}")
        expect(0 < row["rate"] <= 40, f"with a rate: {row}")
        log = os.path.join(rig.folder, "watch.log")
        watch = Program(rig.transcript, [context.programs.sluice, "--socket", middle.socket_path, "drops", "--watch"], log)
        rig.programs.append(watch)
        wait_until(lambda: watch.log().count("no-connection") >= 2, "--watch shows them again", 5)
        expect(watch.stop(signal.SIGINT) == 0, "and ends with status 0 when told to")
        expect(middle.stop() == 0, "the daemon stops with status 0")


class Telemetry:
    """A client of DPDK's telemetry socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(5)
        self.socket.connect(path)
        self.most = json.loads(self.socket.recv(1024))["max_output_len"]

    def ask(self, command):
        self.socket.sendall(command.encode())
        text = self.socket.recv(self.most + 1)
        expect(len(text) <= self.most, "the answer is within DPDK's bound")
        return json.loads(text)[command.split(",")[0]]


@own("DPDK's telemetry answers for the tracker, where EAL is told to open its socket")
def telemetry(context):
    with context.rig() as rig:
        middle = context.sluiced(rig, workers=2)
        middle.write_config()
        middle.launch("--", "--telemetry")
        rig.middle = middle
        middle.wait_ready()
        # By the sockets of its network namespace: DPDK chooses another name where one is taken.
        with open(f"/proc/{middle.program.pid}/net/unix") as file:
            sockets = [line.split()[-1] for line in file if "/dpdk_telemetry." in line]
        expect(len(sockets) == 1, f"DPDK has opened one socket: {sockets}")
        client = Telemetry(sockets[0])
        known = client.ask("/")
        for command in ("stats", "drops", "workers", "floods"):
            expect("/sluice/" + command in known, f"/sluice/{command} is a command")
        forged(rig, 7)
        wait_until(lambda: client.ask("/sluice/drops")["no_connection"] == 7, "the forged segments are counted")
        expect(client.ask("/sluice/stats")["invalid"] == 7, "in the sums, too")
        expect(client.ask("/sluice/workers") == [0, 1], "the workers are listed")
        each = [client.ask(f"/sluice/workers,{number}") for number in (0, 1)]
        expect(sum(one["invalid"] for one in each) == 7 and all(one["polls"] > 0 for one in each), f"and shown: {each}")
        for wrong in ("/sluice/workers,2", "/sluice/workers,x", "/sluice/workers,-1"):
            expect(client.ask(wrong) is None, f"{wrong} is answered with nothing")
        expect("guard_syns" in client.ask("/sluice/floods"), "the guard's numbers are there")
        expect(middle.stop() == 0, "the daemon stops with status 0")
