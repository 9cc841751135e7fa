#!/usr/bin/env python3
"""Replays the captures in $SLUICE_CAPTURES and holds the result against truth.tsv beside them.

usage: replay_captures_test.py REPLAY_PROGRAM          (exit status 77: skipped, as meson understands it)
       replay_captures_test.py REPLAY_PROGRAM --table  prints what differs, as rows for replay_captures_expected.tsv

truth.tsv was computed by four other programs. For each of its TCP streams this test demands

  counting  packets and bytes per direction as tshark counted them, and exactly one flow that all of them belong to;
  kernel    the verdicts (new, established, invalid), the last state and ASSURED as Linux nf_conntrack gave them, in
            three settings: k_ (pick-up on, checksums not verified), ks_ (no pick-up), kc_ (checksums verified).
            The kernel saw the packets without their timing and with timeouts of a day, so the replay has them too.

or a row in replay_captures_expected.tsv beside this file, which says exactly what is seen instead and why; docs/captures.md
explains each reason. A row that no longer differs fails the test too.
"""

import collections
import csv
import json
import os
import pathlib
import struct
import subprocess
import sys

DAY = 86400
TIMEOUTS = [f"tcp.timeout_{name}={DAY}" for name in (
    "syn_sent", "syn_sent2", "syn_recv", "established", "fin_wait", "close_wait", "last_ack", "time_wait", "close",
    "max_retrans", "unacknowledged", "unassured")]
SETTINGS = {
    "k": TIMEOUTS + ["tracker.checksum=false"],
    "ks": TIMEOUTS + ["tracker.checksum=false", "tcp.loose=false"],
    "kc": TIMEOUTS,
}


def frames_of(path):
    """(captured length, length on the wire) of every packet of a microsecond pcap file, read by other eyes."""
    data = path.read_bytes()
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    at, frames = 24, []
    while at + 16 <= len(data):
        _, _, captured, length = struct.unpack_from(order + "IIII", data, at)
        frames.append((captured, length))
        at += 16 + captured
    return frames


def replay(program, path, overrides):
    command = [program, "--json"]
    for override in overrides:
        command += ["--set", override]
    done = subprocess.run(command + [str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{path.name}: exit status {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def tuple_of(packet):
    """Both ends of a TCP packet, or None."""
    if packet["protocol"] != "tcp" or packet["sport"] is None:
        return None
    return (packet["src"], packet["sport"]), (packet["dst"], packet["dport"])


def ends_of(row):
    return (row["a_addr"], int(row["a_port"])), (row["b_addr"], int(row["b_port"]))


def by_stream(rows, packets):
    """The packets of each row of truth: by their ends and, where one pair of ends has several streams, by time."""
    first = packets[0]["time"]
    rows_of = collections.defaultdict(list)
    for row in rows:
        rows_of[frozenset(ends_of(row))].append(row)
    out = collections.defaultdict(list)
    for packet in packets:
        ends = tuple_of(packet)
        streams = rows_of.get(frozenset(ends), []) if ends else []
        time = packet["time"] - first
        for row in streams:
            # Half a microsecond: truth has six digits.
            if len(streams) == 1 or float(row["t_first"]) - 5e-7 <= time <= float(row["t_last"]) + 5e-7:
                out[row["stream"]].append(packet)
                break
    return out


def count(row, packets):
    a, _ = ends_of(row)
    out = {"pkts_ab": 0, "pkts_ba": 0, "bytes_ab": 0, "bytes_ba": 0}
    for packet in packets:
        way = "ab" if tuple_of(packet)[0] == a else "ba"
        out["pkts_" + way] += 1
        out["bytes_" + way] += packet["length"]
    flows = {packet["flow"] for packet in packets}
    out["flows"] = len(flows - {None})
    out["flowless"] = sum(packet["flow"] is None for packet in packets)
    return out


def truth_count(row):
    out = {name: int(row[name]) for name in ("pkts_ab", "pkts_ba", "bytes_ab", "bytes_ba")}
    return out | {"flows": 1, "flowless": 0}


def judge(packets):
    verdicts = collections.Counter(packet["verdict"] for packet in packets)
    tracked = [packet for packet in packets if packet["flow"] is not None]
    return {"new": verdicts["new"], "est": verdicts["established"], "inv": verdicts["invalid"],
            "state": tracked[-1]["state"] if tracked else "none",
            "assured": str(int(tracked[-1]["assured"])) if tracked else "-"}


def kernel_judged(row, prefix):
    names = {"k": ("new", "est", "inv", "state", "assured"), "ks": ("new", "est", "inv", "state"), "kc": ("inv", "state")}
    out = {name: row[f"{prefix}_{name}"] for name in names[prefix]}
    return {name: int(value) if name in ("new", "est", "inv") and value != "-" else value for name, value in out.items()}


def compare(kind, row, seen, truth, rows):
    """A row for every comparison in which something differs."""
    differs = {name: seen[name] for name in truth if truth[name] != "-" and str(seen[name]) != str(truth[name])}
    if differs:
        key = (row["file"][:2], row["stream"], kind)
        rows[key] = (" ".join(f"{name}={value}" for name, value in differs.items()),
                     " ".join(f"{name}={truth[name]}" for name in differs))


def check_lines(path, packets):
    frames = frames_of(path)
    assert [packet["n"] for packet in packets] == list(range(1, len(frames) + 1)), f"{path.name}: not one line a packet"
    for packet, (captured, length) in zip(packets, frames):
        assert packet["length"] == length, f"{path.name}: packet {packet['n']}: length"
        assert packet.get("captured", length) == captured, f"{path.name}: packet {packet['n']}: captured"


def differences(program, folder):
    rows_of = collections.defaultdict(list)
    with open(folder / "truth.tsv", newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            rows_of[row["file"]].append(row)
    found = {}
    for name, rows in sorted(rows_of.items()):
        path = folder / name
        packets = replay(program, path, [])
        check_lines(path, packets)
        streams = by_stream(rows, packets)
        for row in rows:
            compare("count", row, count(row, streams[row["stream"]]), truth_count(row), found)
        for prefix, overrides in SETTINGS.items():
            packets = replay(program, path, overrides)
            # The kernel's columns stand on the first row of a tuple and speak of all its streams.
            whole = collections.defaultdict(list)
            for packet in packets:
                if tuple_of(packet):
                    whole[frozenset(tuple_of(packet))].append(packet)
            for row in rows:
                if row["k_state"] != "-":
                    seen = judge(whole[frozenset(ends_of(row))])
                    compare(prefix, row, seen, kernel_judged(row, prefix), found)
    return found


def expected():
    path = pathlib.Path(__file__).with_name("replay_captures_expected.tsv")
    out = {}
    with open(path, newline="", encoding="utf-8") as table:
        for row in csv.DictReader((line for line in table if not line.startswith("#")), delimiter="\t"):
            out[row["capture"], row["stream"], row["compared"]] = (row["sluice"], row["truth"], row["why"])
    return out


def main():
    program = sys.argv[1]
    if not os.environ.get("SLUICE_CAPTURES"):
        print("skipped: SLUICE_CAPTURES does not name a folder of captures")
        return 77
    folder = pathlib.Path(os.environ["SLUICE_CAPTURES"])
    if not (folder / "truth.tsv").exists():
        print(f"skipped: no truth.tsv in {folder}")
        return 77
    found, listed = differences(program, folder), expected()
    if "--table" in sys.argv:
        for key, (seen, truth) in found.items():
            print("\t".join([*key, seen, truth, listed[key][2] if key in listed else "?"]))
        return 0
    faults = []
    for key, (seen, truth) in found.items():
        if key not in listed:
            faults.append(f"{' '.join(key)}: sluice {seen}, truth {truth}: not explained")
        elif listed[key][:2] != (seen, truth):
            faults.append(f"{' '.join(key)}: sluice {seen}, truth {truth}; expected {listed[key][0]}, {listed[key][1]}")
    faults += [f"{' '.join(key)}: no longer differs; remove its row" for key in listed if key not in found]
    print("\n".join(faults) if faults else f"{len(found)} differences, all of them explained")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
