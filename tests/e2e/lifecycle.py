"""Starting, reloading, stopping, and being asked the impossible: one clear sentence, a status that is not 0, and
nothing half done."""

import ctypes
import os
import re
import signal
import socket
import threading

from rig.process import Failure, Skip, execute, expect, wait_until
from rig.scenario import scenario
from rig.services import ping
from rig.topology import IPV4
from traffic import connect, download


def alone(sentence):
    return scenario(sentence, rig="own", families=(), needs_sluiced=True)


def refused(middle, *words):
    """Launches the daemon, which must end by itself with a sentence that contains all the words. Returns its log."""
    program = middle.launch()
    try:
        status = program.wait(30)
    finally:
        program.stop(signal.SIGKILL)
        middle.program = None
    text = program.log()
    middle.transcript.note(text)
    expect(status not in (0, None), f"the daemon ended with status {status} although it cannot work")
    expect(status > 0, f"the daemon died of signal {-status}")
    for word in words:
        expect(word in text, f"the daemon's complaint does not mention {word!r}: {text.strip()[-400:]!r}")
    expect("sluiced: ready" not in text, "the daemon said that it was ready")
    return text


def answers_ping(rig):
    done = ping(rig.transcript, rig.client, IPV4.server, "-c", "3", "-i", "0.1", "-W", "2")
    return " 0% packet loss" in done.stdout


@alone("SIGTERM stops the daemon with status 0 and leaves nothing behind")
def clean_stop(context):
    with context.rig() as rig:
        runtime = set(os.listdir("/run/dpdk")) if os.path.isdir("/run/dpdk") else set()
        links = lambda: re.findall(r"(?:xdp|promisc)\S*", rig.between.run("ip", "link", "show").stdout)  # noqa: E731
        before = links()
        for attempt in (1, 2):
            middle = context.sluiced(rig)
            rig.start_middle(middle)
            expect(answers_ping(rig), f"traffic flows at start {attempt}")
            status = middle.stop()
            rig.middle = None
            expect(status == 0, f"the daemon stopped with status {status}")
            expect(not os.path.exists(middle.socket_path), "the control socket is gone")
            expect(not rig.between.pids(), "no process is left in the namespace")
            expect(links() == before, f"the interfaces are as they were ({before}), not {links()}")
        left = (set(os.listdir("/run/dpdk")) if os.path.isdir("/run/dpdk") else set()) - runtime
        expect(not left, f"DPDK's runtime folders are gone, not {left}")


LAB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "config", "lab-veth.toml")

# A /run of the program's own, as it is after the machine started: nobody else's socket is in the way, and the profile's
# path is used as it stands. The namespaces' names stay to be seen, since the other ends of veths are looked for there.
OWN_RUN = (
    'mount --rbind /run/netns "$0" && mount -t tmpfs run /run && mkdir /run/netns && mount --rbind "$0" /run/netns '
    '&& exec "$@"'
)


@alone("the shipped lab profile runs as its comment and the README say, with nothing prepared below /run")
def lab_profile(context):
    with context.rig(offloads=True) as rig:
        for port, name in (("left", "veth-client"), ("right", "veth-server")):
            rig.between.run("ip", "link", "set", port, "down")
            rig.between.run("ip", "link", "set", port, "name", name)
            rig.between.run("ip", "link", "set", name, "up")
        for end in (rig.client, rig.server):
            end.run("ethtool", "-K", "eth0", *"tx off gso off tso off gro off".split())
        config, names = os.path.join(rig.folder, "lab-veth.toml"), os.path.join(rig.folder, "netns")
        os.mkdir(names)
        with open(LAB) as shipped, open(config, "w") as file:
            file.write(shipped.read().replace("af_xdp:", context.options.device + ":"))  # as its comment says
        own_run = ["unshare", "--mount", "sh", "-c", OWN_RUN, names]
        daemon = rig.run_program(
            rig.between.argv(*own_run, context.programs.sluiced, "--config", config), "lab"
        )  # fmt: skip
        wait_until(lambda: "sluiced: ready" in daemon.log() or not daemon.running(), "sluiced is ready", 30)
        expect(daemon.running(), f"sluiced starts from the lab profile: {daemon.log().strip()[-400:]!r}")
        run = os.open(f"/proc/{daemon.pid}/root/run", os.O_RDONLY | os.O_DIRECTORY)
        try:
            expect(answers_ping(rig), "traffic flows")
            inside = ["nsenter", "--mount", f"--target={daemon.pid}"]
            listing = execute(
                context.transcript,
                [*inside, "env", "SLUICE_SOCKET=/run/sluice/lab.sock", context.programs.sluice, "-L"],
            )  # fmt: skip
            expect(re.search(r"^icmp .*src=192\.0\.2\.1 ", listing.stdout, re.M), "the ping is in the table")
            expect("sluice" in os.listdir(run), "the socket's folder was made")
            status = daemon.stop(signal.SIGTERM, 15)
            expect(status == 0, f"the daemon stopped with status {status}")
            expect("sluice" not in os.listdir(run), "the socket's folder is gone")
        finally:
            os.close(run)


@alone("SIGHUP under traffic takes the new settings and loses neither packet nor flow")
def reload(context):
    with context.rig() as rig:
        middle = context.sluiced(rig)
        rig.start_middle(middle)
        rig.nginx()
        with connect(rig, IPV4, 80) as held:
            failures = []

            def load():
                try:
                    for _ in range(5):
                        download(rig, IPV4, "small", 200)
                except Failure as failure:
                    failures.append(failure)

            traffic = threading.Thread(target=load)
            traffic.start()
            for number in range(10):
                middle.write_config("[udp]\ntimeout = %d\n" % (40 + number))
                before = middle.program.log()
                os.kill(middle.program.pid, signal.SIGHUP)
                wait_until(lambda: middle.program.log() != before, "the daemon says that it reloaded", 5)
            traffic.join()
            expect(not failures, f"downloads went on during the reloads: {failures}")
            held.sendall(b"GET /small HTTP/1.0\r\n\r\n")
            expect(held.recv(100).startswith(b"HTTP/1.1 200"), "a connection from before the reloads goes on")
        middle.write_config("[udp]\ntimeout = 1000\n")
        os.kill(middle.program.pid, signal.SIGHUP)

        def new_timeout():
            with rig.client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"x", (IPV4.unused, 9999))
            return any(int(row.split()[2]) > 900 for row in middle.rows("-p", "udp", "--dport", "9999"))

        wait_until(new_timeout, "the new timeout holds for new packets", 5, every=0.2)
        statistics = middle.statistics()
        expect(statistics["invalid"] == 0, "no honest packet was refused")


@alone("a reload with a mistake in it changes nothing and says where the mistake is")
def wrong_reload(context):
    with context.rig() as rig:
        middle = context.sluiced(rig)
        rig.start_middle(middle)
        middle.write_config("[udp]\ntimeout = \"soon\"\n")
        os.kill(middle.program.pid, signal.SIGHUP)
        wait_until(lambda: re.search(r"sluiced\.toml:\d+:\d+", middle.program.log()), "the mistake is named", 5)
        expect(middle.program.running(), "the daemon goes on")
        expect(answers_ping(rig), "traffic goes on")


@alone("a reload compares DPDK's arguments in the file, and leaves those of the command line out of it")
def reload_of_eal_arguments(context):
    with context.rig() as rig:
        middle = context.sluiced(rig)
        middle.write_config()
        middle.launch("--", "--log-level=user1:4")
        middle.wait_ready()
        rig.middle = middle
        middle.sluice("reload")
        expect("nothing changed" in middle.program.log(), "what stands behind -- is no change")
        middle.settings["huge_pages"] += '\neal_arguments = ["--log-level=user2:4"]'  # a line of [daemon]
        middle.write_config()
        done = middle.sluice("reload", check=False)
        expect(done.returncode == 1, f"the reload is refused, not answered with status {done.returncode}")
        expect("daemon.eal_arguments differs" in done.stderr, f"the key is named: {done.stderr.strip()!r}")


@alone("a second daemon beside the first is refused, and the first goes on")
def two_daemons(context):
    with context.rig() as rig:
        first = context.sluiced(rig)
        rig.start_middle(first)
        second = context.sluiced(rig)
        second.write_config()
        second.starts = 10
        refused(second, first.socket_path)
        expect(answers_ping(rig), "the first daemon forwards on")
        expect(first.rows() is not None, "the first daemon answers on its socket")


@alone("a missing interface is named")
def missing_interface(context):
    with context.rig() as rig:
        middle = context.sluiced(rig)
        middle.write_config()
        rig.between.run("ip", "link", "set", "right", "down")
        rig.between.run("ip", "link", "set", "right", "name", "elsewhere")
        refused(middle, "right")
        expect(not os.path.exists(middle.socket_path), "no socket is left behind")


@alone("a start says which links it brought up, which are missing and which it took down")
def links_at_start(context):
    with context.rig() as rig:
        middle = context.sluiced(rig)

        def says(*sentences):
            for sentence in sentences:
                line = f" {context.options.device}:{sentence}\n"
                wait_until(lambda: line in middle.program.log(), f"the log says {sentence!r}", 10)
                expect(middle.program.log().count(line) == 1, f"the log says {sentence!r} once")

        rig.start_middle(middle)
        wait_until(lambda: re.search("find their worker|has every flow", middle.program.log()), "ports are described")
        for words in ("was down", "no link", "taken down"):
            expect(words not in middle.program.log(), f"links that were up are not said to be {words!r}")
        middle.stop()  # takes both links down

        middle.start()
        says("left: was down, brought up", "right: was down, brought up")
        expect("no link" not in middle.program.log(), "links that are there are not said to be missing")
        expect(answers_ping(rig), "traffic flows")
        middle.stop()

        rig.client.run("ip", "link", "set", "eth0", "down")
        middle.start()
        says("left: was down, brought up", "left: no link", "right: link taken down, the other side's is lost")
        rig.client.run("ip", "link", "set", "eth0", "up")
        says("left: link up", "right: link brought back, the other side's is up again")
        wait_until(lambda: answers_ping(rig), "traffic flows once the link is there", 20)


@alone("too few huge pages are named, with what to do")
def too_few_huge_pages(context):
    with open("/proc/sys/vm/nr_hugepages") as file:
        if file.read().strip() != "0":
            context.transcript.note("huge pages are reserved on this machine: nothing to try")
            return
    with context.rig() as rig:
        middle = context.sluiced(rig)
        middle.settings["huge_pages"] = "true"
        middle.write_config()
        text = refused(middle, "huge")
        expect("nr_hugepages" in text or "huge_pages = false" in text, "the sentence says what to do")


@alone("a socket path that exists as a file is refused and the file is left alone")
def socket_path_is_a_file(context):
    with context.rig() as rig:
        middle = context.sluiced(rig)
        middle.write_config()
        with open(middle.socket_path, "w") as file:
            file.write("precious")
        refused(middle, middle.socket_path)
        with open(middle.socket_path) as file:
            expect(file.read() == "precious", "the file is as it was")


@alone("the socket of a daemon that was killed does not stop the next one")
def stale_socket(context):
    with context.rig() as rig:
        first = context.sluiced(rig)
        rig.start_middle(first)
        first.program.stop(signal.SIGKILL)
        expect(os.path.exists(first.socket_path), "a killed daemon leaves its socket")
        rig.start_middle(context.sluiced(rig))
        expect(answers_ping(rig), "traffic flows through the new daemon")


@alone("an interface whose offloads would break us is named with the ethtool line that mends it")
def wrong_offloads(context):
    with context.rig(offloads=True) as rig:
        middle = context.sluiced(rig)
        middle.write_config()
        # Both ends of each veth are looked at; the complaint has a line for each that is to be changed. It may take
        # more than one start until all have been named.
        for _ in range(4):
            text = refused(middle, "ethtool -K ")
            for words in re.findall(r"(?:ip netns exec \S+ )?ethtool -K \S+(?: \w+ off)+", text):
                inside = [] if words.startswith("ip netns exec") else rig.between.argv()
                execute(context.transcript, [*inside, *words.split()])
            if starts(rig, context):
                break
        expect(rig.middle, "the daemon starts once the lines it named were typed")
        download(rig, IPV4, "large", 2)
        expect(rig.middle.statistics()["invalid"] == 0, "no honest packet was refused")


def starts(rig, context):
    """Whether the daemon starts; if so it becomes the middle of the rig."""
    middle = context.sluiced(rig)
    middle.starts = 20
    try:
        middle.start()
    except Failure:
        return False
    rig.middle = middle
    return True


@alone("an argument or a key that does not exist is refused before anything is touched")
def wrong_configuration(context):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra="[trackr]\nmax = 1\n")
        middle.write_config()
        text = refused(middle, "trackr")
        expect(re.search(r"sluiced\.toml:\d+:\d+", text), "file, line and column are named")
        expect(not os.path.exists(middle.socket_path), "no socket was made")


def one_ping(rig):
    return ping(rig.transcript, rig.client, IPV4.server, "-c", "1", "-W", "0.2").returncode == 0


def link_is_up(end):
    """Whether the end of a wire sees somebody at the other one."""
    return "LOWER_UP" in end.run("ip", "-o", "link", "show", "dev", "eth0", quiet=True).stdout


def ports_up(rig):
    """Which of the daemon's interfaces are set up, whatever is at their other ends."""
    shown = rig.between.run("ip", "-o", "link", "show", quiet=True).stdout
    return [port for port in ("left", "right") if re.search(rf"\b{port}@\S+ <[^>]*\bUP\b", shown)]


def set_link(end, state):
    end.run("ip", "link", "set", "eth0", state)


@alone("a link lost on one side is lost on the other too, and comes back with it")
def link_loss_carried_over(context):
    with context.rig() as rig:
        middle = context.sluiced(rig)
        rig.start_middle(middle)
        for near, far, port in ((rig.client, rig.server, "right"), (rig.server, rig.client, "left")):
            wait_until(lambda: link_is_up(far), "the far side has a link", 5)
            set_link(near, "down")
            wait_until(lambda: not link_is_up(far), f"the link behind {port} goes with the one on the other side", 5)
            expect(f"{port}: link taken down" in middle.program.log(), f"the log says that {port} was taken down")
            set_link(near, "up")
            wait_until(lambda: link_is_up(far), f"the link behind {port} comes back", 5)
            # Only then has the daemon, too, seen that it is back; until then it would wait for it (docs/ports.md).
            wait_until(lambda: one_ping(rig), "traffic flows again", 10)


@scenario("links are left alone where the configuration says so, and taken down at the end where it does not",
          rig="own", families=(), needs_sluiced=True, device="af_packet")  # fmt: skip
def links_at_the_end(context):
    with context.rig() as rig:
        middle = context.sluiced(rig, extra='[ports]\nlink_loss = "ignore"\non_stop = "leave-up"\n')
        rig.start_middle(middle)
        set_link(rig.client, "down")
        # What is carried over is carried over in the same look at the links, before the log says anything of it.
        wait_until(lambda: "left: link lost" in middle.program.log(), "the log tells of the loss", 5)
        expect(ports_up(rig) == ["left", "right"], "the loss of one link is not carried over to the other")
        set_link(rig.client, "up")
        expect(middle.stop() == 0, "the daemon stops with status 0")
        expect(ports_up(rig) == ["left", "right"], f"both links are left up, not {ports_up(rig)} alone")
        rig.start_middle(context.sluiced(rig))
        expect(rig.middle.stop() == 0, "the daemon stops with status 0")
        expect(ports_up(rig) == [], f"no link is left up, but {ports_up(rig)} are")
        for name, end in (("client", rig.client), ("server", rig.server)):
            wait_until(lambda end=end: not link_is_up(end), f"the {name} sees that its link is gone", 5)


@scenario("a service manager is told when the daemon forwards and when it stops, and nothing of a start that fails",
          rig="own", families=(), needs_sluiced=True, device="af_packet")  # fmt: skip
def service_manager(context):
    with context.rig() as rig:
        path = os.path.join(rig.folder, "notify")
        abstract = f"sluice-e2e-{os.getpid()}"  # such a name belongs to the network namespace of its socket
        for address, variable in ((path, path), ("\0" + abstract, "@" + abstract)):
            with rig.between, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(address)
                manager.settimeout(30)
                middle = rig.middle = context.sluiced(rig, ports=["net_ring0", "net_ring1"])
                middle.write_config()
                middle.launch(environment=["NOTIFY_SOCKET=" + variable])
                said = manager.recv(1000)
                expect(said.startswith(b"READY=1\nSTATUS=ready, 1 workers, "), f"the first thing it is told is that the daemon is ready, not {said}")
                expect("sluiced: ready" in middle.program.log(), "the daemon's log says so too")
                expect(middle.rows() == [], "the daemon answers on its socket by then")
                expect(middle.stop() == 0, "the daemon stops with status 0")
                said = manager.recv(1000)
                expect(said == b"STOPPING=1\nSTATUS=sending what is under way", f"the next thing it is told is that the daemon stops, not {said}")
                broken = context.sluiced(rig, ports=["net_ring0", "af_packet:nowhere"], name="broken")
                broken.write_config()
                program = broken.launch(environment=["NOTIFY_SOCKET=" + variable])
                rig.programs.append(program)
                expect(program.wait(30) == 1, "a daemon without its port ends with status 1")
                manager.setblocking(False)
                try:
                    raise Failure(f"it is told nothing else, and so not {manager.recv(100)}")
                except BlockingIOError:
                    pass


def worker_thread(middle):
    """The number of the thread that the first worker runs on."""
    pids = [int(pid) for pid in middle.namespace.pids()]
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/comm") as file:
                if "worker" in file.read():
                    return int(task)
    raise Failure("no thread of the daemon is a worker's")


class Held:
    """A thread of another process that stands still, the others running on. Used by the thread that holds it."""

    SEIZE, INTERRUPT, DETACH, WAIT_ALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, thread):
        self.thread, self.library = thread, ctypes.CDLL(None, use_errno=True)

    def ask(self, request):
        if self.library.ptrace(request, self.thread, None, None) != 0:
            raise Skip(f"this machine does not let a thread be held: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        self.ask(self.SEIZE)
        self.ask(self.INTERRUPT)
        os.waitpid(self.thread, self.WAIT_ALL)

    def __exit__(self, *_):
        self.ask(self.DETACH)


@scenario("a service manager is told of each reload, and that all is well only while every worker turns",
          rig="own", families=(), needs_sluiced=True, device="af_packet")  # fmt: skip
def watched(context):
    with context.rig() as rig, rig.between, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = os.path.join(rig.folder, "notify")
        manager.bind(path)
        manager.settimeout(30)
        middle = rig.middle = context.sluiced(rig, ports=["net_ring0", "net_ring1"])
        middle.write_config()
        middle.launch(environment=["NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=800000"])

        def next_but_well():
            said = manager.recv(1000)
            while said == b"WATCHDOG=1":
                said = manager.recv(1000)
            return said

        expect(next_but_well().startswith(b"READY=1\n"), "it is told that the daemon is ready")
        for extra, sentence in (("[tcp]\nloose = true\n", b"STATUS=ready, "), ("[tcp]\nlosse = 1\n", b"STATUS=reload refused, ")):
            middle.write_config(extra)
            middle.program.process.send_signal(signal.SIGHUP)
            said = next_but_well()
            expect(said.startswith(b"RELOADING=1\nMONOTONIC_USEC="), f"a reload is announced, not {said}")
            said = next_but_well()
            expect(said.startswith(b"READY=1\n" + sentence) and said.count(b"\n") == 1, f"and its end told, not {said}")
        expect(manager.recv(1000) == b"WATCHDOG=1", "all is well")
        with Held(worker_thread(middle)):
            manager.settimeout(1.2)  # three times the half of what is allowed
            try:
                said = [manager.recv(1000) for _ in range(4)]  # one may have been on its way
                raise Failure(f"nothing is said of a worker that hangs, and so not {said}")
            except TimeoutError:
                pass
        expect(manager.recv(1000) == b"WATCHDOG=1", "all is well again once it turns")
        expect(middle.stop() == 0, "the daemon stops with status 0")
