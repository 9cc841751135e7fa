"""Manual pages: hand-written frames in which a line @NAME@ stands for what the programs say."""

import re
import textwrap

from words import Option

WIDTH = 80


def escaped(text):
    """Text as roff wants it."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")


def guarded(line):
    """A line of text that is not taken for a request."""
    return "\\&" + line if line[:1] in (".", "'") else line


def marked(text):
    """Text in which `this' and `that` are words to be typed."""
    parts = re.split(r"`([^`']+)[`']", text)
    return guarded("".join(f"\\fB{escaped(part)}\\fR" if i % 2 else escaped(part) for i, part in enumerate(parts)))


def item(option, more=""):
    """An option as a tagged paragraph."""
    names = "\\fR, \\fB".join(escaped(name) for name in option.names)
    tag = f'.BI "{names} " "{escaped(option.value)}"' if option.value else f'.B "{names}"'
    return [".TP", tag, marked((option.text + more).strip())]


def help_body(help_text):
    """A help text in its own order."""
    out = []
    for part in help_text.parts:
        if isinstance(part, Option):
            out += item(part)
        elif isinstance(part, list):
            out += [".PP", *(guarded(f"\\fB{escaped(line)}\\fR") for line in part)]
        else:
            out += [".PP", marked(part)]
    return out[1:] if out[:1] == [".PP"] else out  # the heading before it begins a paragraph


def commands(all_commands):
    out = []
    for command in all_commands:
        letter = f"\\fB\\-{command.letter}\\fR, " if command.letter else ""
        out += [".TP", f"{letter}\\fB{escaped(command.name)}\\fR", marked(command.summary)]
    return out


def shared_options(options, all_commands):
    """The options that several commands know, each with those that do."""
    out = []
    knowing = [command for command in all_commands if command.shared and command.help.options]
    for option in options:
        known = [each.name for each in knowing if any(option.names == one.names for one in each.help.options)]
        of_all = len(known) == len(knowing)
        out += item(option, "" if of_all else f". Of: {', '.join(known)}.")
    return out


def own_commands(all_commands):
    """The commands whose options are their own."""
    out = []
    for command in all_commands:
        if not command.shared:
            out += [f".SS sluice {escaped(command.name)}", *help_body(command.help)]
    return out


def keys(all_keys):
    out, grade = [], None
    for key in all_keys:
        if key.grade != grade:
            grade = key.grade
            out.append(f".SS {escaped(grade)}")
        out += [".TP", f"\\fB{escaped(key.name)}\\fR", marked(key.text)]
        default = f"Default: {key.default}. " if key.default else ""
        changes = "A reload changes it." if key.changes_on == "reload" else "Changes with a restart."
        out.append(marked(f"{default}Expected: {key.expected}. {changes}"))
    return out


def reasons(all_reasons):
    out = []
    for reason in all_reasons:
        out += [".TP", f"\\fB{escaped(reason['reason'])}\\fR ({reason['outcome']})", marked(reason["sentence"])]
    return out


def literal(text):
    """Lines as they stand, without comments."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    shown = re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip().splitlines()
    return [".nf", *(guarded(escaped(line)) for line in shown), ".fi"]


def folded(lines):
    """Lines of text no longer than mandoc likes them; what stands between .nf and .fi is left alone."""
    out, as_it_stands = [], False
    for line in lines:
        as_it_stands = line == ".nf" or (as_it_stands and line != ".fi")
        if as_it_stands or line.startswith(".") or len(line) <= WIDTH:
            out.append(line)
        else:
            pieces = textwrap.wrap(line, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
            out += [pieces[0], *map(guarded, pieces[1:])]
    return out


def filled(frame, pieces):
    """The page: `frame` with each line @NAME@ replaced by the lines of that piece, and @NAME@ within a line by a word."""
    out = []
    for line in frame.splitlines():
        whole = re.fullmatch(r"@(\w+)@", line)
        if whole:
            out += pieces[whole[1]]()
        else:
            out.append(re.sub(r"@(\w+)@", lambda found: escaped(pieces[found[1]]), line))
    return "\n".join(folded(out)) + "\n"
