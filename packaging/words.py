"""What the programs say of themselves, read from their own help: commands, options and their values, keys, reasons.

Manual pages and completions are made of this alone, so a command, an option or a key that is added needs nothing here.
What the help has to look like is what `sluice --help` looks like:

    a command    `  -L, list      show flows`, or without the letter; `sluice WORD --help` is its own help
    an option    `  -s, --src, --source ADDRESS  which bits count`: names, one word in capitals for a value, two
                 spaces, a sentence; lines that follow, deeper indented, go on with it
"""

import json
import re
import subprocess
from dataclasses import dataclass, field

COMMAND = re.compile(r"^  (?:-(?P<letter>\w),)? +(?P<name>[a-z][a-z-]*) +(?P<summary>\S.*)$")
OPTION = re.compile(r"^ +(?P<names>--?\w[\w-]*(?:, ?--?\w[\w-]*)*)(?: (?P<value>[A-Z]\S*(?: \.\.\.)?))?(?:  +| (?=\S))(?P<text>\S.*)$")
BARE_OPTION = re.compile(r"^ +(?P<names>--?\w[\w-]*(?:, ?--?\w[\w-]*)*)(?: (?P<value>[A-Z]\S*))?$")
ROW = re.compile(r"(?<!\\)\|")


@dataclass
class Option:
    names: list  # as typed: "-s", "--src"
    value: str  # what it takes, in capitals; empty: nothing
    text: str

    def choices(self):
        """The words its value may be, where the sentence lists them: "new, old or all"."""
        if not self.value:
            return []
        listing = re.sub(r"\s*\(.*?\)", "", self.text).split(": ")[-1]
        words = re.split(r",\s*|\s+or\s+", listing)
        return words if len(words) > 1 and all(re.fullmatch(r"[A-Za-z]\w*", word) for word in words) else []


@dataclass
class Help:
    """A help text taken apart. `parts` keeps its order: paragraphs (str), usages (list of lines) and Options."""

    parts: list = field(default_factory=list)

    @property
    def options(self):
        return [part for part in self.parts if isinstance(part, Option)]


@dataclass
class Command:
    name: str
    letter: str  # conntrack's, empty: none
    summary: str
    help: Help
    shared: bool  # its options are those that `sluice --help` lists


@dataclass
class Key:
    name: str
    default: str
    expected: str
    changes_on: str
    text: str
    grade: str

    def choices(self):
        if self.expected == "true or false":
            return ["true", "false"]
        words = re.findall(r'"([^"]*)"', self.expected)
        plain = re.sub(r'"[^"]*"|,|\bor\b|\s', "", self.expected)
        return words if words and not plain else []


def said_by(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True).stdout


def read_help(text):
    """Takes a help text apart."""
    out, fresh = Help(), True  # fresh: the next line of text begins a paragraph
    for line in text.splitlines():
        option = OPTION.match(line) or BARE_OPTION.match(line)
        last = out.parts[-1] if out.parts else None
        if not line.strip():
            fresh = True
        elif option:
            found = option.groupdict()
            out.parts.append(Option(re.split(r", ?", found["names"]), found["value"] or "", found.get("text") or ""))
            fresh = False
        elif re.match(r"usage: ", line, re.IGNORECASE):
            out.parts.append([line.split(" ", 1)[1].strip()])
            fresh = False
        elif not fresh and isinstance(last, list) and line.startswith(" "):
            last[-1] += " " + line.strip()
        elif not fresh and isinstance(last, Option) and line.startswith("    "):
            last.text = (last.text + " " + line.strip()).strip()
        elif not fresh and isinstance(last, str):
            out.parts[-1] += " " + line.strip()
        else:
            out.parts.append(line.strip())
            fresh = False
    return out


def commands_of(sluice):
    """Every command that `sluice --help` lists, with its own help."""
    out, general = [], said_by(sluice, "--help")
    for line in general.split("\nOptions")[0].splitlines():
        found = COMMAND.match(line)
        if not found:
            continue
        name = found["name"]
        text = said_by(sluice, name, "--help")
        summary = found["summary"].removesuffix(f"(sluice {name} --help)").strip()
        own = Help() if text == general else read_help(text)  # `sluice help` is about all commands
        shared = text == general or text.startswith(name + ": ")
        out.append(Command(name, found["letter"] or "", summary, own, shared))
    return out


def reasons_of(sluice):
    return [json.loads(line) for line in said_by(sluice, "reasons", "--json").splitlines()]


def keys_of(reference):
    """The keys of the configuration, as docs/configuration.md lists them."""
    out, grade = [], ""
    for line in said_by(reference, "markdown").splitlines():
        if line.startswith("### "):
            grade = line[4:]
        if line.startswith("| `"):
            cells = [cell.strip().replace("\\|", "|") for cell in ROW.split(line)[1:-1]]
            name, default, expected, changes_on, text = cells
            out.append(Key(name.strip("`"), default, expected, changes_on, text, grade))
    return out
