#!/usr/bin/env python3
"""Makes manual pages, completions and docs/reasons.md from what the programs say of themselves.

usage: generate.py WHAT [--sluice PROGRAM] [--sluiced PROGRAM] [--reference PROGRAM] [--version VERSION] [--example FILE]

WHAT is a frame of a manual page (NAME.in), `bash`, `zsh` or `fish` for a completion, or `reasons` for the page of
docs/. The result goes to standard output.
"""

import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import completion  # noqa: E402
import manual  # noqa: E402
import words  # noqa: E402


def page(options):
    """A manual page. Its pieces are asked for when the frame names them: sluiced(8) needs no `sluice`."""

    def commands():
        return words.commands_of(options.sluice)

    def general():
        return words.read_help(words.said_by(options.sluice, "--help")).options

    pieces = {
        "version": options.version,
        "commands": lambda: manual.commands(commands()),
        "options": lambda: manual.shared_options(
            [each for each in general() if "--" in "".join(each.names)], commands()),
        "own_commands": lambda: manual.own_commands(commands()),
        "reasons": lambda: manual.reasons(words.reasons_of(options.sluice)),
        "sluiced_options": lambda: [
            line for each in words.read_help(words.said_by(options.sluiced, "--help")).options
            for line in manual.item(each)],
        "keys": lambda: manual.keys(words.keys_of(options.reference)),
        "example": lambda: manual.literal(pathlib.Path(options.example).read_text(encoding="utf-8")),
    }  # fmt: skip
    return manual.filled(pathlib.Path(options.what).read_text(encoding="utf-8"), pieces)


def reasons_page(sluice):
    """docs/reasons.md."""
    rows = words.reasons_of(sluice)
    meanings = {
        "tolerated": "It may be an honest leftover. It passes, and changes nothing.",
        "refused": "No honest endpoint sends it here. It is dropped, unless the configuration says that such packets pass.",
        "dropped": "Nothing is wrong with it: there was no room, no link, or an order not to carry it.",
    }
    out = ["# Reasons", "",
           "Every packet that was not simply accepted has one of these reasons. `sluice reasons` prints the list,",
           "`sluice reasons --counts` how often the running daemon met each. This page is made from that list:",
           "`packaging/generate.py reasons --sluice build/sluice > docs/reasons.md`; a test holds it against the command.",
           ]  # fmt: skip
    for outcome in dict.fromkeys(row["outcome"] for row in rows):
        out += ["", f"## {outcome.capitalize()}", "", meanings[outcome], "", "| reason | what it says of the packet |", "|---|---|"]
        out += [f"| `{row['reason']}` | {row['sentence']} |" for row in rows if row["outcome"] == outcome]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what")
    for name in ("sluice", "sluiced", "reference", "version", "example"):
        parser.add_argument("--" + name, default="")
    options = parser.parse_args()
    if options.what == "reasons":
        out = reasons_page(options.sluice)
    elif options.what in completion.SHELLS:
        daemon = words.read_help(words.said_by(options.sluiced, "--help")).options if options.sluiced else []
        out = completion.SHELLS[options.what](completion.Words(
            words.commands_of(options.sluice), daemon, words.keys_of(options.reference),
            words.reasons_of(options.sluice)))  # fmt: skip
    else:
        out = page(options)
    sys.stdout.write(out)


if __name__ == "__main__":
    main()
