#!/usr/bin/env python3
"""What `meson install` puts where, and that a stranger can build on it: every header by itself, and the example, with
nothing but what pkg-config says of the installed library.

usage: installed_test.py BUILD
"""

import concurrent.futures
import os
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import unittest

BUILD = sys.argv.pop()
COMPILER = shlex.split(os.environ.get("CXX", "g++"))[-1]

MACS = bytes.fromhex("020000000002" "020000000001" "0800")
CLIENT, SERVER = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
SYN, RST, ACK = 2, 4, 16


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(to_server, flags, seq, ack):
    """A frame with a TCP segment between port 40000 of the client and port 80 of the server."""
    source, target, ports = (CLIENT, SERVER, (40000, 80)) if to_server else (SERVER, CLIENT, (80, 40000))
    tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, 0x50, flags, 65535, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(source + target + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    network = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + source + target
    network = network[:10] + struct.pack("!H", checksum(network)) + network[12:]
    return MACS + network + tcp


def capture(frames):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for i, frame in enumerate(frames):
        out += struct.pack("<IIII", 1_700_000_000, 1000 * i, len(frame), len(frame)) + frame
    return out


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="sluice-installed-")
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        cls.files = {str(path.relative_to(root)): path for path in root.rglob("*") if not path.is_dir()}

    def one(self, ending):
        found = [path for name, path in self.files.items() if name.endswith(ending)]
        self.assertEqual(len(found), 1, f"{ending}: {found}")
        return found[0]

    def flags(self, what, *packages):
        page = self.one("/libsluice.pc")
        # As if it had been installed for good where it lies.
        root = pathlib.Path(self.folder.name)
        text = re.sub(r"(?m)^prefix=/", lambda found: f"prefix={root}/", page.read_text(encoding="utf-8"))
        folder = root / "pkgconfig"
        folder.mkdir(exist_ok=True)
        (folder / "libsluice.pc").write_text(text, encoding="utf-8")
        said = subprocess.run(["pkg-config", what, *packages], stdout=subprocess.PIPE, text=True, check=True,
                              env={**os.environ, "PKG_CONFIG_PATH": str(folder)}).stdout  # fmt: skip
        return shlex.split(said)

    def test_everything_is_in_its_place(self):
        for ending in ("bin/sluice", "sbin/sluiced", "/libsluice.so", "/libsluice.pc", "include/sluice/pipeline/tracker.hpp",
                       "include/sluice/dpdk/mbuf_tracker.hpp", "etc/sluice/sluice.toml", "etc/sluice/signatures.toml",
                       "lib/systemd/system/sluiced.service", "man/man1/sluice.1", "man/man5/sluice.toml.5",
                       "man/man8/sluiced.8", "bash-completion/completions/sluice", "bash-completion/completions/sluiced",
                       "zsh/site-functions/_sluice", "fish/vendor_completions.d/sluice.fish",
                       "fish/vendor_completions.d/sluiced.fish", "doc/sluice/examples/lab", "doc/sluice/README.md",
                       "doc/sluice/docs/getting-started.md", "doc/sluice/examples/embed/embed.cpp",
                       "doc/sluice/examples/lab-veth.toml"):  # fmt: skip
            self.one(ending)

    def test_what_the_library_does_not_contain_is_not_declared(self):
        folders = {name.split("/sluice/")[1].split("/")[0] for name in self.files if "/include/sluice/" in name}
        self.assertEqual(folders, {"base", "packet", "tcp", "flow", "guard", "policy", "inspect", "pipeline", "dpdk"})

    def test_the_unit_names_what_was_installed(self):
        unit = self.one("sluiced.service").read_text(encoding="utf-8")
        for line in unit.splitlines():
            if line.startswith("ExecStart="):
                program, _, configuration = line.removeprefix("ExecStart=").split()
        self.assertIn(program.lstrip("/"), self.files)
        self.assertIn(configuration.lstrip("/"), self.files)
        self.assertNotIn("@/", unit)

    def test_headers_compile_alone(self):
        """The front doors; with SLUICE_LONG set every single one, two minutes of processor time."""
        flags = self.flags("--cflags", "libsluice")
        headers = sorted(path for name, path in self.files.items() if "/include/sluice/" in name)
        self.assertGreater(len(headers), 60)
        if not os.environ.get("SLUICE_LONG"):
            doors = ("packet/parse.hpp", "tcp/step.hpp", "flow/table.hpp", "policy/rule_set.hpp", "pipeline/tracker.hpp",
                     "dpdk/mbuf_tracker.hpp")  # fmt: skip
            headers = [self.one("include/sluice/" + door) for door in doors]

        def compile_alone(header):
            done = subprocess.run([COMPILER, *flags, "-fsyntax-only", "-Werror=psabi", "-x", "c++", "-include", header, "/dev/null"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # fmt: skip
            return done.stdout if done.returncode else None

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for header, complaint in zip(headers, pool.map(compile_alone, headers)):
                self.assertIsNone(complaint, header)

    def test_the_example_is_built_and_judges(self):
        folder = pathlib.Path(self.folder.name)
        program, file = folder / "embed", folder / "a.pcap"
        command = [COMPILER, self.one("embed/embed.cpp"), "-O1", "-o", program, *self.flags("--cflags", "--libs", "libsluice", "libpcap")]
        subprocess.run(command, check=True)
        file.write_bytes(capture([
            segment(True, SYN, 1000, 0), segment(False, SYN | ACK, 5000, 1001), segment(True, ACK, 1001, 5001),
            segment(False, RST, 900_000_000, 0), segment(True, ACK, 1001, 6001)]))  # fmt: skip
        library = {**os.environ, "LD_LIBRARY_PATH": str(self.one("/libsluice.so").parent)}
        done = subprocess.run([program, file], stdout=subprocess.PIPE, text=True, check=True, env=library)
        self.assertEqual(done.stdout.splitlines(), [
            "1 pass new none", "2 pass established none", "3 pass established none", "4 drop invalid rst-out-of-window",
            "5 drop invalid ack-unsent"])  # fmt: skip


if __name__ == "__main__":
    unittest.main()
