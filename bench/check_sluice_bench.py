#!/usr/bin/env python3
"""Whether sluice_bench is whole: every name others rely on is there, and small runs of each kind come out right.

    check_sluice_bench.py SLUICE_BENCH [--pure]      (--pure: built without DPDK)

A benchmark checks its own output before it times anything; here it is asked whether that held, and whether the figures
that are promised are in the JSON.
"""

import json
import re
import subprocess
import sys

SIZES = (1_000, 100_000, 1_000_000, 4_000_000, 16_000_000)
PURE = [
    *(f"Floor/{kind}/flows:{flows}" for kind in ("OneLine", "TwoLines") for flows in SIZES),
    "Tcp/Step",
    *(f"Table/Find/flows:{flows}" for flows in SIZES),
    *(f"Table/Churn/load:{load}" for load in (50, 75, 90, 99)),
]
OVER_MBUFS = [
    *(f"Floor/Packet/flows:{flows}" for flows in SIZES),
    *(f"RteHash/Find/flows:{flows}" for flows in SIZES),
    *(f"Tracker/Established/flows:{flows}{more}" for flows in SIZES for more in ("", "/acct:1", "/ip6", "/acct:1/ip6")),
    *(f"Tracker/Established/flows:1000/rules:{rules}" for rules in (1, 10_000)),
    "Tracker/Setup",
    *(f"Tracker/SynFlood/{kind}" for kind in ("track", "track/guard", "cookies", "cookies/ip6", "bad_cookies")),
    *(f"Inspect/{kind}/patterns:{count}" for kind in ("BareScan", "Stream") for count in (10, 1_000, 10_000)),
    *(f"Tracker/Established/flows:{flows}/{kind}" for flows in (1_000, 1_000_000) for kind in ("guard", "proxied")),
]
# Of each kind the smallest, so that all of it takes seconds.
SMALL = re.compile(
    r"(Floor|Tcp|Table/Find|Table/Update|RteHash|Tracker/Established|Tracker/Fragments).*/flows:1000(/.*)?"
    r"|Tcp/Step.*|Table/Flood(/shuffled)?/flows:1000|Table/(Churn|ProbeLength)/load:50|Table/Insert/colliding"
    r"|Tracker/Setup/waiting:10000|Tracker/SynFlood/.*/flows:10000(/.*)?|Guard/.*|Worker/.*|Inspect/.*/patterns:10"
)
CONTEXT = ("cpu", "instruction_set", "huge_pages", "tsc_mhz")


def faults(bench, names):
    """What is wrong, a line each."""
    listed = subprocess.run([bench, "--benchmark_list_tests"], capture_output=True, text=True, check=True).stdout.split("\n")
    yield from (f"there is no {name}" for name in names if name not in listed)

    wanted = [name for name in listed if SMALL.fullmatch(name)]
    run = subprocess.run(
        [bench, f"--benchmark_filter=^({'|'.join(wanted)})$", "--benchmark_min_time=0.01", "--benchmark_format=json"],
        capture_output=True, text=True, check=False,
    )
    if run.returncode != 0:
        yield f"exit status {run.returncode}: {run.stderr}"
    results = json.loads(run.stdout)
    yield from (f"the context has no {what}" for what in CONTEXT if not results["context"].get(what))
    cycles_counted = results["context"].get("tsc_mhz") != "0"

    ran = {result["name"]: result for result in results["benchmarks"]}
    yield from (f"{name} did not run" for name in wanted if name not in ran)
    for name, result in ran.items():
        if result.get("error_occurred"):
            yield f"{name}: {result['error_message']}"
            continue
        counters = ["items_per_second"] + ["cycles_per_packet"] * cycles_counted
        if name.startswith(("Tracker/", "RteHash/", "Table/")) and "ProbeLength" not in name:
            counters += ["bytes_per_flow"]
        yield from (f"{name} reports no {counter}" for counter in counters if not result.get(counter, 0) > 0)


def main():
    bench, pure = sys.argv[1], "--pure" in sys.argv
    found = list(faults(bench, PURE + ([] if pure else OVER_MBUFS)))
    print("\n".join(found) or "sluice_bench is whole")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
