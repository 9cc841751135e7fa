"""What stands between client and server: sluiced, or a plain bridge that shows the scenarios themselves hold."""

import json
import os
import signal
import sys

from .process import Failure, Program, execute, wait_until

WIRE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wire.py")

CONFIGURATION = """\
profile = "{profile}"

[daemon]
workers = {workers}
huge_pages = {huge_pages}

[control]
socket = "{socket}"

[[pair]]
name = "wire"
ports = {ports}
"""


class Bridge:
    """A learning bridge of the kernel: no tracking, nothing counted."""

    program = None
    tracks = False

    def __init__(self, rig):
        self.namespace = rig.between

    def start(self):
        run = self.namespace.run
        run("ip", "link", "add", "middle", "type", "bridge", "stp_state", "0", "forward_delay", "0", quiet=True)
        for port in ("left", "right"):
            run("ip", "link", "set", port, "master", "middle", quiet=True)
        run("ip", "link", "set", "middle", "up", quiet=True)

    def stop(self):
        return 0


class Tap:
    """Carries everything and records it: what a tracker in this place would see."""

    tracks = False

    def __init__(self, rig):
        self.rig = rig
        self.path = os.path.join(rig.folder, "middle.pcap")
        self.program = None

    def start(self):
        argv = self.rig.between.argv(sys.executable, WIRE, "left", "right", "--record", self.path)
        self.program = Program(self.rig.transcript, argv, os.path.join(self.rig.folder, "tap.log"))
        wait_until(lambda: "ready" in self.program.log(), "the tap carries frames")

    def stop(self):
        return self.program.stop(signal.SIGTERM, 15) if self.program else None


class Sluiced:
    """The daemon over two ordinary interfaces, `left` and `right`, unless it is given other ports. A second one on the
    same rig needs a name of its own."""

    tracks = True

    def __init__(self, rig, programs, device="af_packet", profile="appliance", workers=1,
                 huge_pages=False, extra="", ports=None, name="sluiced"):
        self.rig, self.programs, self.name, self.device = rig, programs, name, device
        self.transcript, self.namespace = rig.transcript, rig.between
        self.socket_path = os.path.join(rig.folder, name + ".sock")
        self.config_path = os.path.join(rig.folder, name + ".toml")
        self.settings = {
            "profile": profile, "workers": workers, "huge_pages": "true" if huge_pages else "false",
            "socket": self.socket_path,
            "ports": json.dumps(ports or [device + ":left", device + ":right"]),  # TOML writes such a list alike
        }  # fmt: skip
        self.extra = extra
        self.program = None
        self.starts = 0

    def write_config(self, extra=None):
        with open(self.config_path, "w") as file:
            file.write(CONFIGURATION.format(**self.settings) + (self.extra if extra is None else extra))

    def launch(self, *arguments, environment=()):
        """Starts the daemon without waiting for it to forward. `environment`: variables as NAME=VALUE."""
        self.starts += 1
        inside = ["env", *environment] if environment else []
        argv = self.namespace.argv(*inside, self.programs.sluiced, "--config", self.config_path, *arguments)
        log = os.path.join(self.rig.folder, f"{self.name}-{self.starts}.log")
        self.program = Program(self.transcript, argv, log)
        return self.program

    def start(self):
        self.write_config()
        self.launch()
        self.wait_ready()

    def wait_ready(self, seconds=30):
        def ready_or_dead():
            return "sluiced: ready" in self.program.log() or not self.program.running()

        wait_until(ready_or_dead, "sluiced says that it is ready", seconds)
        if not self.program.running():
            self.transcript.note(self.program.log())
            raise Failure(f"sluiced ended at start with status {self.program.process.returncode}")

    def stop(self):
        """SIGTERM, and the exit status."""
        if self.program is None:
            return None
        status = self.program.stop(signal.SIGTERM, 15)
        self.transcript.note(f"(sluiced ended with status {status})")
        return status

    # ── the command ──

    def sluice(self, *arguments, check=True, quiet=False, seconds=60):
        argv = [self.programs.sluice, "--socket", self.socket_path, *arguments]
        return execute(self.transcript, argv, seconds=seconds, check=check, quiet=quiet)

    def rows(self, *filters):
        """The lines of `sluice -L`."""
        return self.sluice("-L", *filters, quiet=True).stdout.splitlines()

    def statistics(self):
        """The daemon's counters by name, workers added up; those of reasons begin with `reason_`."""
        totals = {}

        def add(name, value):
            totals[name] = totals.get(name, 0) + value

        for line in self.sluice("stats", "--json", quiet=True).stdout.splitlines():
            row = json.loads(line)
            for name, value in row.get("counters", {}).items():
                add(name, value)
            for name, value in row.get("reasons", {}).items():
                add("reason_" + name, value)
            for name, value in row.items():
                if name != "worker" and isinstance(value, int):
                    add(name, value)
        return totals

    def tolerated_reasons(self):
        """The names of the reasons that say an honest leftover."""
        rows = map(json.loads, self.sluice("reasons", "--json", quiet=True).stdout.splitlines())
        return [row["reason"] for row in rows if row["outcome"] == "tolerated"]
