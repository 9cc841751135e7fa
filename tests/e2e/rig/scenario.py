"""Scenarios: sentences with a function behind each, and what the function needs to run."""

from dataclasses import dataclass
from typing import Callable, Optional

from .topology import IPV4, IPV6

registered = []


@dataclass(frozen=True)
class Scenario:
    sentence: str
    run: Callable
    rig: str  # which rig: see RIGS in run; "own" builds what it needs itself
    path: Optional[object]  # the address family, None when it takes no path
    needs_sluiced: bool  # cannot be tried with a plain bridge in the middle
    honest: bool  # nothing in it may be refused
    aborts: bool  # it resets connections with data in flight: what was in flight arrives after the close
    device: Optional[str]  # the one --device it is run with, where another would only repeat it; None: every


def scenario(sentence, rig="plain", families=(IPV4, IPV6), needs_sluiced=False, honest=True,
             aborts=False, device=None):  # fmt: skip
    """Registers a function as a scenario for each family; `{family}` in the sentence is filled in."""

    def register(function):
        for path in families or (None,):
            words = sentence.format(family=path.name) if path else sentence
            registered.append(Scenario(words, function, rig, path, needs_sluiced, honest, aborts, device))
        return function

    return register
