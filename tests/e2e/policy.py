"""Rules between real stacks: what is allowed works, what is denied is not heard of until the client gives up, and a
reload judges what lives."""

import json
import os
import shutil
import signal
import socket
import time

from guard import Flood, ServerView, accept_spoofed, honest, told
from rig.process import execute, expect, wait_until
from rig.scenario import scenario
from rig.services import TcpServer, dns_answer_address, dns_question, ping
from rig.topology import IPV4, IPV6

ALLOWED, DENIED, REJECTED = 7001, 7002, 7003

RULES = """
[[set]]
name = "clients"
addresses = ["192.0.2.1", "2001:db8::1"]

[[rule]]
name = "web"
action = "allow"
protocol = "tcp"
from = "clients"
to_port = [80, {allowed}]
interface = "{left}"

[[rule]]
name = "dns"
action = "allow"
protocol = "udp"
to_port = 53
{more}
"""

PING = """
[[rule]]
name = "ping"
action = "allow"
protocol = "{protocol}"
icmp = "echo-request"
"""

REJECT = """
[[rule]]
name = "refused"
action = "reject"
protocol = ["tcp", "udp"]
to_port = {rejected}
"""


def rules(middle_device, *more):
    return RULES.format(allowed=ALLOWED, left=middle_device + ":left", more="".join(more))


def pings(path):
    return PING.format(protocol="icmp" if path is IPV4 else "icmpv6")


def sluice(context, middle, *words):
    """`sluice WORD --socket …`, its rows."""
    argv = [context.programs.sluice, words[0], "--socket", middle.socket_path, "--json", *words[1:]]
    return [json.loads(line) for line in execute(context.transcript, argv, quiet=True).stdout.splitlines()]


def hits(context, middle):
    return {row["name"]: row["hits"] for row in sluice(context, middle, "rules")}


def curl(rig, path, seconds=3):
    """The status of curl and how long it took."""
    url = f"http://{path.bracketed(path.server)}/small-1"
    began = time.monotonic()
    argv = rig.client.argv("curl", "--silent", "--output", "/dev/null", "--max-time", str(seconds), url)
    return execute(rig.transcript, argv, check=False).returncode, time.monotonic() - began


def answers_ping(rig, path):
    return " 0% packet loss" in ping(rig.transcript, rig.client, path.server, "-c", "2", "-i", "0.1", "-W", "1").stdout


def resolves(rig, path):
    with rig.client:
        client = socket.socket(path.family, socket.SOCK_DGRAM)
    with client:
        client.settimeout(2)
        client.connect((path.server, 53))
        question = dns_question("server.test", 1 if path is IPV4 else 28, 7)
        client.send(question)
        try:
            return dns_answer_address(client.recv(4096), question) == path.server
        except TimeoutError:
            return False


def connects(rig, path, port, seconds=1.5):
    """Nothing when connected, else the error."""
    with rig.client:
        connection = socket.socket(path.family, socket.SOCK_STREAM)
    with connection:
        connection.settimeout(seconds)
        try:
            connection.connect((path.server, port))
        except OSError as error:
            return error
        return None


def rule_scenario(sentence, device=None):
    """Registers a function for each family; each builds its own rig."""

    def register(function):
        for path in (IPV4, IPV6):
            own = scenario(sentence.format(family=path.name), rig="own", families=(), needs_sluiced=True, honest=False,
                           device=device)  # fmt: skip
            own(lambda context, path=path: function(context, path))
        return function

    return register


ICMP_FIELDS = ("eth.src", "eth.dst", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "ip.checksum.status", "icmp.type", "icmp.code",
               "icmpv6.type", "icmpv6.code", "icmp.checksum.status", "icmpv6.checksum.status", "udp.srcport", "udp.dstport",
               "_ws.malformed")  # fmt: skip


def icmp_errors(context, file):
    """As tshark reads them: dictionaries of what is there, the outer header's value where both have one."""
    argv = ["tshark", "-n", "-r", file, "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=,", "-E", "occurrence=f",
            *(word for field in ICMP_FIELDS for word in ("-e", field)), "-Y", "icmp.type == 3 || icmpv6.type == 1"]  # fmt: skip
    lines = execute(context.transcript, argv, check=False, quiet=True).stdout.splitlines()
    return [{name: value for name, value in zip(ICMP_FIELDS, line.split(",")) if value} for line in lines]


def check_port_unreachable(context, rig, path, file, own_port):
    """RFC 792 and RFC 4443, 3.1: from the address that was asked, about the very datagram, with right checksums."""
    wait_until(lambda: icmp_errors(context, file), "tcpdump has written the ICMP error", every=0.3)
    [error] = icmp_errors(context, file)
    macs = [each.run("cat", "/sys/class/net/eth0/address", quiet=True).stdout.strip() for each in (rig.server, rig.client)]
    family, icmp, kind, code = ("ip", "icmp", "3", "3") if path is IPV4 else ("ipv6", "icmpv6", "1", "4")
    wanted = {"eth.src": macs[0], "eth.dst": macs[1], f"{family}.src": path.server, f"{family}.dst": path.client,
              f"{icmp}.type": kind, f"{icmp}.code": code, f"{icmp}.checksum.status": "1",
              "udp.srcport": str(own_port), "udp.dstport": str(REJECTED)}  # fmt: skip
    if path is IPV4:
        wanted["ip.checksum.status"] = "1"
    expect(error == wanted, f"the ICMP error is what it should be, says tshark: {error}, not {wanted}")


@rule_scenario("rules over {family}: who is rejected is told at once, over TCP and over UDP", device="af_packet")
def reject(context, path):
    with context.rig() as rig:
        rig.start_middle(context.sluiced(rig, extra=rules(context.options.device, REJECT.format(rejected=REJECTED))))
        file = os.path.join(rig.folder, "client.pcap")
        tcpdump = rig.run_program(rig.client.argv("tcpdump", "-i", "eth0", "-n", "-U", "-Z", "root", "-w", file, "icmp or icmp6"),
                                  "tcpdump-client")  # fmt: skip
        wait_until(lambda: "listening on" in tcpdump.log(), "tcpdump listens")
        with TcpServer(rig.server, path.family, REJECTED, lambda connection: None):
            began = time.monotonic()
            error = connects(rig, path, REJECTED)
            took = time.monotonic() - began
            expect(isinstance(error, ConnectionRefusedError), f"the connection is refused, not {error!r}")
            expect(took < 0.5, f"at once: after {took:.3f} s")
        with rig.client:
            client = socket.socket(path.family, socket.SOCK_DGRAM)
        with client:
            client.settimeout(2)
            client.connect((path.server, REJECTED))
            client.send(b"?")
            try:
                client.recv(1)
                error = None
            except OSError as failed:
                error = failed
            expect(isinstance(error, ConnectionRefusedError), f"the datagram is refused, not {error!r}")
            own_port = client.getsockname()[1]
        if shutil.which("tshark"):
            check_port_unreachable(context, rig, path, file, own_port)


@rule_scenario("rules over {family}: curl, DNS and ping get through where they are allowed, all else times out", device="af_packet")
def allow_and_deny(context, path):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=rules(context.options.device, pings(path)))
        rig.start_middle(middle)
        rig.nginx()
        rig.dnsmasq()
        status, _ = curl(rig, path)
        expect(status == 0, f"curl is served (its status was {status})")
        expect(resolves(rig, path), "the name is resolved over UDP")
        expect(answers_ping(rig, path), "ping is answered")
        counted = hits(context, middle)
        expect(all(counted[name] >= 1 for name in ("web", "dns", "ping")), f"each rule has decided: {counted}")

        with TcpServer(rig.server, path.family, DENIED, lambda connection: None):
            error = connects(rig, path, DENIED)
            expect(isinstance(error, TimeoutError), f"a port that no rule allows is silent, not {error!r}")
        denied = hits(context, middle)[""] - counted[""]
        expect(denied >= 1, "what no rule allows is counted")
        reasons = middle.statistics()
        expect(reasons["reason_policy-denied"] >= denied, "each under its reason")
        # The server may not open connections to the client, whose rules are about the other direction.
        with rig.server:
            back = socket.socket(path.family, socket.SOCK_STREAM)
        with back:
            back.settimeout(1)
            try:
                back.connect((path.client, 80))
                error = None
            except OSError as failed:
                error = failed
            expect(isinstance(error, TimeoutError), f"the server hears nothing of the client, not {error!r}")

        [decided] = sluice(context, middle, "test-packet", "tcp", "from", path.client, "port", "40000", "to", path.server,
                           "port", str(DENIED))  # fmt: skip
        expect(decided["rule"] == 0 and decided["action"] == "deny", f"test-packet says the same: {decided}")
        why = {row["name"]: row["why"] for row in decided["passed_over"]}
        expect(str(DENIED) in why["web"], f"and why: {why}")
        [decided] = sluice(context, middle, "test-packet", "udp", "from", path.client, "to", path.server, "port", "53")
        expect(decided["name"] == "dns", f"DNS is allowed by its rule: {decided}")


@rule_scenario("a reload over {family} keeps the connections that new rules allow and removes the others", device="af_packet")
def reload_judges(context, path):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=rules(context.options.device))
        rig.start_middle(middle)

        def echo(connection):
            while data := connection.recv(100):
                connection.sendall(data)

        def says(connection, text, seconds=1.0):
            connection.settimeout(seconds)
            connection.sendall(text)
            try:
                return connection.recv(100) == text
            except TimeoutError:
                return False

        with TcpServer(rig.server, path.family, ALLOWED, echo), rig.client:
            kept = socket.create_connection((path.server, ALLOWED), 3)
            with kept:
                expect(says(kept, b"before"), "the connection works")
                middle.write_config(rules(context.options.device, pings(path)))
                middle.sluice("reload")
                expect(says(kept, b"after"), "a connection that the new rules allow goes on")
                wait_until(lambda: sluice(context, middle, "rules")[0]["flows"] == 1, "it lives under its rule")
                middle.write_config(f'[[rule]]\nname = "none"\naction = "deny"\nprotocol = "tcp"\n')
                middle.sluice("reload")
                wait_until(lambda: not middle.rows("-p", "tcp"), "a connection that they do not allow is removed")
                expect(not says(kept, b"gone"), "and carries nothing any more")
                middle.write_config('[[rule]]\naction = "alow"\n')
                done = middle.sluice("reload", check=False)
                expect(done.returncode == 1 and "rule.action" in done.stderr, f"what is wrong is refused: {done.stderr}")
                expect(sluice(context, middle, "rules")[0]["name"] == "none", "and the old rules hold")
        expect(middle.stop() == 0, "the daemon stops with status 0")


def alone(sentence):
    """A scenario of IPv4 and one device: what it is about is the same over others."""
    return scenario(sentence, rig="own", families=(), needs_sluiced=True, honest=False, device="af_packet")


@alone("a reload resets the connections that it rejects, at both ends and at once")
def reload_resets(context):
    ends = {}

    def wait_for_the_end(connection):
        ends["began"] = True
        try:
            connection.recv(1)
            ends["server"] = None
        except OSError as error:
            ends["server"] = error

    with context.rig() as rig:
        middle = context.sluiced(rig, extra=rules(context.options.device))
        rig.start_middle(middle)
        with TcpServer(rig.server, IPV4.family, ALLOWED, wait_for_the_end), rig.client:
            with socket.create_connection((IPV4.server, ALLOWED), 3) as client:
                wait_until(lambda: "began" in ends, "the server has accepted")
                middle.write_config('[[rule]]\nname = "none"\naction = "reject"\nprotocol = "tcp"\n')
                middle.sluice("reload")
                began = time.monotonic()
                client.settimeout(3)
                try:
                    client.recv(1)
                    ends["client"] = None
                except OSError as error:
                    ends["client"] = error
                wait_until(lambda: "server" in ends, "the server's end of it ends")
                took = time.monotonic() - began
        for end in ("client", "server"):
            expect(isinstance(ends[end], ConnectionResetError), f"the {end} is reset, not {ends[end]!r}")
        expect(took < 1, f"at once: after {took:.3f} s")


@alone("rules: clients of a rule that proxies prove their addresses and are served")
def proxied(context):
    rule = f'[[rule]]\nname = "login"\naction = "proxy"\nprotocol = "tcp"\nto_port = [80, {DENIED}]\n'
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=rule)
        rig.start_middle(middle)
        rig.nginx()
        # The first SYNs pass, so that the answer shows what the server knows; those behind them are answered.
        for _ in range(4):
            status, _ = curl(rig, IPV4)
            expect(status == 0, f"curl is served (its status was {status})")
        before = middle.statistics()
        status, _ = curl(rig, IPV4)
        after = middle.statistics()
        expect(status == 0, f"curl is served (its status was {status})")
        expect(after["answered"] > before["answered"], "and its SYN was answered by the box")
        expect(hits(context, middle)["login"] == 5, "each connection counts once under its rule")


@alone("a flood of SYNs at a rule that proxies: clients are served and the server sees their handshakes alone")
def proxied_flood(context):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra='[[rule]]\nname = "login"\naction = "proxy"\nprotocol = "tcp"\nto_port = 80\n')
        rig.start_middle(middle)
        accept_spoofed(rig)  # the server would answer the flood, if it had any of it
        rig.nginx()
        honest(rig, IPV4, count=4, number=1, pause=0)  # shows what the server knows
        view, before, decided = ServerView(rig), middle.statistics(), hits(context, middle)["login"]
        flood = Flood(context, rig, IPV4, 10_000, 10)
        wait_until(lambda: middle.statistics()["answered"] - before["answered"] > 1000, "the box answers the flood")
        report = honest(rig, IPV4, count=100, number=10, pause=0.05)
        seen, half_open = view.since(), view.half_open(rig)
        answered = middle.statistics()["answered"] - before["answered"]
        decided = hits(context, middle)["login"] - decided
        flood.stop()
        rig.transcript.note(f"{told(report)}; {answered} SYNs answered; the server saw {seen}; the rule decided {decided}")
        expect(report["succeeded"] == report["transactions"], f"all clients are served: {told(report)}")
        expect(answered > 1000 + report["transactions"], f"each SYN is answered: {answered}")
        # One SYN a minute may pass unproven, to see what the server knows.
        expect(seen["completed"] >= report["transactions"], f"the server completes a handshake for each of them: {seen}")
        expect(seen["syns"] - seen["completed"] <= 1 and half_open <= 1, f"and sees no others: {seen}, {half_open} half open")
        expect(abs(decided - report["transactions"]) <= 1, f"the rule counts clients, not SYNs: {decided}")


EVERYTHING = """
[inspection]
flows = 64
cache = "{cache}"

[[inspection.profile]]
name = "stop"
signatures = "stop.toml"
mode = "block"

[[rule]]
name = "web"
action = "inspect stop"
protocol = "tcp"
to_port = 80

[[rule]]
name = "names"
action = "inspect stop"
protocol = "udp"
to_port = 53

[[rule]]
name = "ping"
action = "inspect stop"
protocol = "icmp"
icmp = "echo-request"

[[rule]]
name = "login"
action = "proxy"
protocol = "tcp"
to_port = {proxied}

[[rule]]
name = "shell"
action = "allow"
protocol = "tcp"
to_port = {allowed}

[[rule]]
name = "closed"
action = "reject"
protocol = "tcp"
to_port = {rejected}

[[rule]]
name = "silent"
action = "deny"
protocol = "tcp"
to_port = {denied}
"""

WORD = """
[[signature]]
id = 7101
name = "a word"
pattern = "swordfish"
action = "reset"
"""

PROXIED = 7004


def shell(connection):
    """The server's end of what ssh looks like: a banner, and then each keystroke comes back."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    while data := connection.recv(4096):
        connection.sendall(data)


def converse(rig, port, idle):
    """The client's end: small segments both ways, then silence, then more of them. What it has heard."""
    with rig.client:
        connection = socket.create_connection((IPV4.server, port), 3)
    with connection:
        connection.settimeout(3)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        heard = connection.recv(100)
        expect(heard.startswith(b"SSH-2.0-OpenSSH"), f"the banner comes, not {heard!r}")
        for number in range(40):
            if number == 20:
                time.sleep(idle)
            keys = b"k" * (1 + number % 48)
            connection.sendall(keys)
            heard = b""
            while len(heard) < len(keys):
                heard += connection.recv(100)
            expect(heard == keys, f"what was typed comes back: {heard!r}")


@alone("rules that allow, deny, reject, proxy and inspect together do as they say to curl, a shell, DNS and ping")
def all_actions(context):
    with context.rig() as rig:
        cache = os.path.join(rig.folder, "cache")
        os.mkdir(cache, 0o700)
        with open(os.path.join(rig.folder, "stop.toml"), "w") as file:
            file.write(WORD)
        middle = context.sluiced(rig, extra=EVERYTHING.format(cache=cache, proxied=PROXIED, allowed=ALLOWED, denied=DENIED,
                                                              rejected=REJECTED))  # fmt: skip
        rig.start_middle(middle)
        rig.nginx()
        rig.dnsmasq()

        status, _ = curl(rig, IPV4)
        expect(status == 0, f"curl is served (its status was {status})")
        url = f"http://{IPV4.server}/small-1?swordfish"
        done = execute(rig.transcript, rig.client.argv("curl", "--silent", "--output", os.devnull, "--max-time", "3", url), check=False)
        expect(done.returncode in (52, 55, 56), f"a request with the word is reset (curl: {done.returncode})")
        expect(resolves(rig, IPV4), "a name is resolved")
        with rig.client:
            client = socket.socket(IPV4.family, socket.SOCK_DGRAM)
        with client:
            client.settimeout(0.4)
            client.connect((IPV4.server, 53))
            client.send(dns_question("swordfish.test", 1, 8))
            try:
                answer = client.recv(4096)
            except TimeoutError:
                answer = None
            expect(answer is None, f"a question with the word is not heard of, not answered {answer!r}")
        expect(answers_ping(rig, IPV4), "ping is answered")
        word = "swordfish".encode().hex()
        lost = ping(rig.transcript, rig.client, IPV4.server, "-c", "1", "-W", "0.4", "-s", "56", "-p", word)
        expect("100% packet loss" in lost.stdout, f"a ping with the word is not: {lost.stdout}")

        with TcpServer(rig.server, IPV4.family, ALLOWED, shell), TcpServer(rig.server, IPV4.family, PROXIED, shell):
            converse(rig, ALLOWED, 1.0)
            for _ in range(3):  # the first shows what the server knows
                converse(rig, PROXIED, 0.1)
        expect(middle.statistics()["answered"] >= 2, "connections of the rule that proxies are answered by the box")
        with TcpServer(rig.server, IPV4.family, REJECTED, shell), TcpServer(rig.server, IPV4.family, DENIED, shell):
            began = time.monotonic()
            error = connects(rig, IPV4, REJECTED)
            expect(isinstance(error, ConnectionRefusedError), f"who is rejected is refused, not {error!r}")
            expect(time.monotonic() - began < 0.5, "at once")
            error = connects(rig, IPV4, DENIED, 0.7)
            expect(isinstance(error, TimeoutError), f"who is denied hears nothing, not {error!r}")
        decided = hits(context, middle)
        expect(all(decided[name] for name in ("web", "names", "ping", "login", "shell", "closed", "silent")),
               f"each rule has decided: {decided}")  # fmt: skip
        rows = map(json.loads, middle.sluice("signatures", "--json", quiet=True).stdout.splitlines())
        found = {row["id"]: row["hits"] for row in rows}
        expect(found == {7101: 3}, f"the word was found in a request, a question and a ping: {found}")


@alone("what reloads bring costs no packet and no connection")
def reloads_under_load(context):
    def echo(connection):
        while data := connection.recv(100):
            connection.sendall(data)

    with context.rig() as rig:
        middle = context.sluiced(rig, extra=rules(context.options.device, pings(IPV4)))
        open_to_load = '[[rule]]\nname = "load"\naction = "allow"\nto_port = 5201\nprotocol = ["tcp", "udp"]\n'
        variants = [rules(context.options.device, open_to_load, *more) for more in ((), (pings(IPV4),))]
        middle.extra = variants[0]
        rig.start_middle(middle)
        rig.iperf3()
        with TcpServer(rig.server, IPV4.family, ALLOWED, echo), rig.client:
            with socket.create_connection((IPV4.server, ALLOWED), 3) as kept:
                kept.settimeout(2)
                argv = rig.client.argv("iperf3", "--client", IPV4.server, "--json", "--udp", "--bitrate", "8M",
                                       "--length", "800", "--time", "2")  # fmt: skip
                load = rig.run_program(argv, "iperf3-beside-reloads")
                reloads = 0
                while load.running():
                    reloads += 1
                    middle.write_config(variants[reloads % 2])
                    middle.sluice("reload", quiet=True)
                    kept.sendall(b"still here")
                    expect(kept.recv(100) == b"still here", "a connection that the new rules allow goes on")
                report = json.loads(load.log())
        expect("error" not in report, f"iperf3 runs to its end: {report.get('error')}")
        lost = report["end"]["sum"]["lost_packets"]
        rig.transcript.note(f"{reloads} reloads beside {report['end']['sum']['packets']} datagrams, {lost} lost")
        expect(reloads >= 5, f"there were several reloads: {reloads}")
        expect(lost == 0, f"no datagram was lost: {lost}")
        counted = {name: n for name, n in middle.statistics().items() if name.startswith("reason_") and n}
        expect(not counted, f"nothing was refused or dropped: {counted}")


@alone("the daemon answers while many rules compile, and what is asked for meanwhile is not forgotten")
def long_reload(context):
    count = 50_000 if os.environ.get("SLUICE_LONG") else 10_000
    many = "".join(
        f'[[rule]]\naction="allow"\nprotocol="tcp"\nto="10.{i >> 16}.{i >> 8 & 255}.{i & 255}"\nto_port=443\n'
        for i in range(count)
    )
    with context.rig() as rig:
        middle = context.sluiced(rig, extra=rules(context.options.device))
        rig.start_middle(middle)
        middle.write_config(many)
        argv = [context.programs.sluice, "--socket", middle.socket_path, "reload"]
        began = time.monotonic()
        reload = rig.run_program(argv, "long-reload")
        slowest, answers = 0.0, 0
        while reload.running():
            asked = time.monotonic()
            middle.sluice("stats", quiet=True)
            slowest, answers = max(slowest, time.monotonic() - asked), answers + 1
            if answers == 1:
                # In the place of the file, which may be being read.
                path = middle.config_path
                middle.config_path += ".new"
                middle.write_config(rules(context.options.device, pings(IPV4)))
                os.replace(middle.config_path, path)
                middle.config_path = path
                middle.program.send(signal.SIGHUP)
        took = time.monotonic() - began
        expect(reload.process.returncode == 0, f"the reload succeeds: {reload.log()}")
        rig.transcript.note(f"reloaded in {took:.2f} s, {answers} answers meanwhile, the slowest after {slowest:.3f} s")
        expect(answers >= 2, f"others were answered meanwhile: {answers}")
        expect(slowest < 0.5, f"none of them waited for long: {slowest:.3f} s")
        wait_until(lambda: [row["name"] for row in sluice(context, middle, "rules")][:3] == ["web", "dns", "ping"],
                   "what SIGHUP asked for meanwhile comes into force")  # fmt: skip
