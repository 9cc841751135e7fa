"""Completions for bash, zsh and fish, made from the words of the programs.

What is offered for the value of an option follows from the word in capitals that its help has for it: KEY=VALUE names a
key of the configuration, REASON a reason, FILE, PATH and words with a dot (OUT.pcap) a file; else the words that the
sentence lists, if it lists some ("text or json"), and nothing where it does not.
"""

import re
import shlex
from dataclasses import dataclass

FILES = object()
KEYS = object()
NOTE = "# Made by packaging/generate.py from the help of the commands."


@dataclass
class Words:
    commands: list
    daemon_options: list
    keys: list
    reasons: list

    def values_of(self, option):
        """FILES, KEYS, or a list of words."""
        kind = option.value.removesuffix("[,...]")
        if kind == "KEY=VALUE":
            return KEYS
        if kind == "REASON":
            return [each["reason"] for each in self.reasons]
        if kind in ("FILE", "PATH", "CAPTURE") or re.fullmatch(r"[A-Z]+\.[a-z]+", kind):
            return FILES
        return option.choices()

    def settable(self):
        """The keys that --set takes."""
        return [key for key in self.keys if not re.match(r"(pair|guard\.service|rule|set)\.", key.name)]


def usage_of(command):
    usages = [line for part in command.help.parts if isinstance(part, list) for line in part]
    return usages[0] if usages else ""


def takes_files(command):
    return re.search(r"\b(FILE|CAPTURE)(\.\.\.)?$", usage_of(command)) is not None


def loose_words(command):
    """Words of its own that a command takes between others: `from`, `to`."""
    if command.shared:
        return []
    usage = usage_of(command).removeprefix(f"sluice {command.name}")
    return list(dict.fromkeys(re.findall(r"(?<![-\w])[a-z]+(?=[ \]]|$)", re.sub(r"--?[\w-]+", "", usage))))


def typed(option):
    """Its names, long ones first: what is offered."""
    return sorted(option.names, key=lambda name: not name.startswith("--"))


# ── bash ──

BASH = """\
{note}
# shellcheck shell=bash disable=SC2034,SC2207

# The words of $words that go on with $cur; with $lead before them in a list behind commas.
_sluice_offer() {{
    if [ "$list" = yes ] && [[ $cur == *,* ]]; then
        COMPREPLY=($(compgen -P "${{cur%,*}}," -W "$words" -- "${{cur##*,}}"))
    else
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    fi
}}

_sluice_files() {{
    compopt -o filenames 2> /dev/null
    COMPREPLY=($(compgen -f -- "$cur"))
}}

_sluice_keys() {{
    compopt -o nospace 2> /dev/null
    words={keys}
    _sluice_offer
}}

# What may stand behind KEY= .
_sluice_values() {{
    case $1 in
{values}
    esac
    _sluice_offer
}}

_sluice() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} command='' words='' list='' word
    COMPREPLY=()
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD - 1}}"; do
        case $word in
{which}
        esac
    done
    # The shell takes `=' for a word of its own.
    if [ "$cur" = = ]; then
        cur=''
    elif [ "$prev" = = ]; then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    if [[ $prev != -* && $COMP_CWORD -gt 2 && ${{COMP_WORDS[*]:COMP_CWORD - 1:2}} == *=* ]]; then
        _sluice_values "$prev"
        return
    fi
    case $command in
{commands}
        *)
            words={names}
            ;;
    esac
    _sluice_offer
}}
complete -F _sluice sluice
"""

BASH_DAEMON = """
_sluiced() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} words='' list=''
    COMPREPLY=()
    case $prev in
{cases}
        *)
            words={options}
            ;;
    esac
    _sluice_offer
}}
complete -F _sluiced sluiced
"""


def bash_cases(words, options, indent):
    """What follows an option that takes a value."""
    out = []
    for option in options:
        if not option.value:
            continue
        values = words.values_of(option)
        if values is FILES:
            act = ["_sluice_files", "return"]
        elif values is KEYS:
            act = ["_sluice_keys", "return"]
        else:
            act = [f"words={shlex.quote(' '.join(values))}"] + (["list=yes"] if option.value.endswith("[,...]") else [])
        out += [" | ".join(option.names) + ")", *("    " + line for line in act), "    ;;"]
    return "\n".join(" " * indent + line for line in out)


def bash(words):
    def offered(options):
        return " ".join(name for option in options for name in typed(option))

    sections = []
    for command in words.commands:
        own = offered(command.help.options) + "".join(" " + word for word in loose_words(command))
        cases = bash_cases(words, command.help.options, 16)
        files = ["                    if [[ $cur != -* ]]; then _sluice_files; return; fi"] if takes_files(command) else []
        sections.append("\n".join([
            f"        {command.name})", "            case $prev in", *([cases] if cases else []), "                *)",
            *files, f"                    words={shlex.quote(own.strip())}", "                    ;;", "            esac",
            "            ;;"]))  # fmt: skip
    spelt = [f"{each.name} | -{each.letter}" if each.letter else each.name for each in words.commands]
    out = BASH.format(
        note=NOTE,
        keys=shlex.quote(" ".join(key.name + "=" for key in words.settable())),
        values="\n".join(
            f"        {key.name}) words={shlex.quote(' '.join(key.choices()))} ;;"
            for key in words.settable() if key.choices()),
        which="\n".join(
            f"            {spelling}) command={command.name}; break ;;"
            for spelling, command in zip(spelt, words.commands)),
        commands="\n".join(sections),
        names=shlex.quote(" ".join(
            [each.name for each in words.commands] + ["-" + each.letter for each in words.commands if each.letter])),
    )  # fmt: skip
    if words.daemon_options:
        out += BASH_DAEMON.format(cases=bash_cases(words, words.daemon_options, 8),
                                  options=shlex.quote(offered(words.daemon_options)))  # fmt: skip
    return out


# ── zsh ──

ZSH = """\
#compdef sluice{and_daemon}
{note}

_sluice_keys() {{
    if compset -P 1 '*='; then
        case ${{${{IPREFIX%=}}##*=}} in
{values}
        esac
    else
        compadd -S = -- {keys}
    fi
}}

_sluice_command() {{
    case $1 in
{commands}
    esac
}}

_sluice() {{
    if (( CURRENT == 2 )); then
        local -a commands=(
{names}
        )
        _describe -t commands command commands
        return
    fi
    shift words
    (( CURRENT-- ))
    _sluice_command $words[1]
}}
{daemon}
case $service in
    sluice) _sluice "$@" ;;{daemon_case}
esac
"""


def zsh_text(text):
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def zsh_specs(words, options, more=()):
    out = []
    for option in options:
        values = words.values_of(option) if option.value else None
        if values is None:
            action = ""
        elif values is FILES:
            action = ":file:_files"
        elif values is KEYS:
            action = ":key:_sluice_keys"
        elif values and option.value.endswith("[,...]"):
            action = f":{zsh_text(option.value)}:_sequence compadd - {' '.join(values)}"
        else:
            action = f":{zsh_text(option.value)}:" + (f"({' '.join(values)})" if values else "")
        repeated = "*" if values is KEYS else ""
        others = "" if repeated else f"({' '.join(option.names)})"
        out += [shlex.quote(f"{others}{repeated}{name}[{zsh_text(option.text)}]{action}") for name in option.names]
    out += [shlex.quote(each) for each in more]
    return " \\\n                ".join(["_arguments -S", *out])


def zsh(words):
    def more(command):
        if takes_files(command):
            return ["*:file:_files"]
        loose = loose_words(command)
        return [f"*:word:({' '.join(loose)})"] if loose else []

    sections = []
    for command in words.commands:
        spelling = f"{command.name}|-{command.letter}" if command.letter else command.name
        specs = zsh_specs(words, command.help.options, more(command))
        sections.append(f"        ({spelling})\n            {specs}\n            ;;")
    names = [(each.name, each.summary) for each in words.commands]
    names += [("-" + each.letter, each.summary) for each in words.commands if each.letter]
    daemon = ""
    if words.daemon_options:
        daemon = f"\n_sluiced() {{\n            {zsh_specs(words, words.daemon_options)}\n}}\n"
    return ZSH.format(
        note=NOTE, and_daemon=" sluiced" if daemon else "", daemon=daemon,
        daemon_case='\n    sluiced) _sluiced "$@" ;;' if daemon else "",
        keys=" ".join(key.name for key in words.settable()),
        values="\n".join(f"            ({key.name}) compadd -- {' '.join(map(shlex.quote, key.choices()))} ;;"
                         for key in words.settable() if key.choices()),
        commands="\n".join(sections),
        names="\n".join("            " + shlex.quote(f"{name}:{zsh_text(text)}") for name, text in names),
    )  # fmt: skip


# ── fish ──

FISH = """\
{note}

# Whether the command line is about this command, by name or by letter.
function __sluice_about
    __fish_seen_subcommand_from $argv[1]; and return 0
    set -q argv[2]; and __fish_contains_opt -s $argv[2]
end

# Whether no command is there yet.
function __sluice_free
    not __fish_seen_subcommand_from {names}; and not string match -qr -- '^-[{letters}]$' (commandline -opc)
end

complete -c sluice -f
{lines}
"""


def fish_quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_option(words, option, program, condition):
    line = f"complete -c {program}" + (f" -n {fish_quoted(condition)}" if condition else "")
    for name in option.names:
        line += f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
    if option.value:
        values = words.values_of(option)
        if values is FILES:
            line += " -r -F"
        elif values is KEYS:
            settings = [f"{key.name}={value}" for key in words.settable() for value in key.choices() or [""]]
            line += f" -x -a {fish_quoted(' '.join(settings))}"
        elif values and option.value.endswith("[,...]"):
            listing = "printf '%s\\n' " + " ".join(values)
            line += f" -x -a {fish_quoted('(__fish_complete_list , ' + fish_quoted(listing) + ')')}"
        else:
            line += " -x" + (f" -a {fish_quoted(' '.join(values))}" if values else "")
    return line + f" -d {fish_quoted(option.text)}"


def fish(words):
    lines = []
    for command in words.commands:
        about = f"__sluice_about {command.name} {command.letter}".strip()
        lines.append(f"complete -c sluice -n __sluice_free -a {command.name} -d {fish_quoted(command.summary)}")
        if command.letter:
            lines.append(f"complete -c sluice -n __sluice_free -s {command.letter} -d {fish_quoted(command.summary)}")
        lines += [fish_option(words, option, "sluice", about) for option in command.help.options]
        if takes_files(command):
            lines.append(f"complete -c sluice -n {fish_quoted(about)} -F")
        elif loose_words(command):
            lines.append(f"complete -c sluice -n {fish_quoted(about)} -a {fish_quoted(' '.join(loose_words(command)))}")
    lines += [fish_option(words, option, "sluiced", "") for option in words.daemon_options]
    return FISH.format(note=NOTE, names=" ".join(each.name for each in words.commands),
                       letters="".join(each.letter for each in words.commands), lines="\n".join(lines))  # fmt: skip


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
