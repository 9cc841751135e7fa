"""The pages for beginners, typed as they stand: every fenced block that says `sh run`, in its order, in one shell. A block
`text expected` behind it holds lines that must have been printed, `…` standing for anything.

Each page has a network and a /run of its own, so what it makes is nobody else's and goes with it."""

import os
import re
import shutil
import tempfile

from rig.process import Skip, execute, expect
from rig.scenario import scenario

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BLOCK = re.compile(r"^```(sh run|text expected)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "--- block "


def blocks(page):
    """The blocks to be run, each with the lines that are to be seen."""
    with open(os.path.join(ROOT, "docs", page), encoding="utf-8") as file:
        text = file.read()
    out = []
    for kind, body in BLOCK.findall(text):
        if kind == "sh run":
            out.append((body, []))
        else:
            out[-1][1].extend(body.splitlines())
    return out


def pattern(line):
    """What a line that was printed must match: blanks count as one, … as anything."""
    parts = [r"\s+".join(re.escape(word) for word in re.split(r"\s+", part)) for part in line.strip().split("…")]
    return r"\s*" + ".*".join(parts) + r"\s*"


def run_page(context, page, seconds):
    if context.options.installed and page == "howto-benchmark.md":
        raise Skip("benchmarks are not in the packages")
    typed = blocks(page)
    expect(len(typed) > 2, f"{page} has blocks to be run")
    folder = tempfile.mkdtemp(prefix="sluice-e2e-")
    script = os.path.join(folder, "typed.sh")
    try:
        programs = os.path.dirname(os.path.abspath(context.programs.sluiced))
        shutil.copytree(os.path.join(ROOT, "examples"), os.path.join(folder, "examples"))
        os.symlink(programs, os.path.join(folder, "build"))
        with open(script, "w", encoding="utf-8") as file:
            file.write("set -e\nmount -t tmpfs tmpfs /run\nip link set lo up\n")
            for number, (body, _) in enumerate(typed):
                file.write(f"echo '{MARK}{number}'\n{body}")
        argv = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "env", "-C", folder,
                f"PATH={programs}:{os.environ['PATH']}", "bash", script]  # fmt: skip
        done = execute(context.transcript, argv, seconds=seconds, check=False)
        expect(done.returncode == 0, f"every command of {page} succeeds")
        printed = re.split(rf"^{MARK}\d+$", done.stdout, flags=re.MULTILINE)[1:]
        for (body, expected), seen in zip(typed, printed):
            for line in expected:
                found = any(re.fullmatch(pattern(line), each) for each in seen.splitlines())
                expect(found, f"{page}: {line!r} is printed by {body.strip().splitlines()[-1]!r}, which printed:\n{seen}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def page_scenario(page):
    typed = scenario(f"what docs/{page} says can be typed as it stands", rig="own", families=(), needs_sluiced=True,
                     device="af_packet")  # fmt: skip
    typed(lambda context: run_page(context, page, 120))


for name in ("getting-started.md", "howto-firewall.md", "howto-syn-flood.md", "howto-benchmark.md"):
    page_scenario(name)
