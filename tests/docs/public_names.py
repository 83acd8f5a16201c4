"""What users may import: all names that the package and its public modules offer."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType

import mdisim

DEEPER = ("planners", "ledgers", "regret")  # for users, too, but not among the names of the package itself


def public_modules() -> list[ModuleType]:
    found = [mdisim, *(importlib.import_module(f"mdisim.{name}") for name in DEEPER)]
    for module in found:  # grows meanwhile
        found += [one for name in getattr(module, "__all__", ()) if inspect.ismodule(one := getattr(module, name))]
    return found


def own(module: ModuleType) -> list[str]:
    """The functions and classes that a module defines for others."""
    named = {name: one for name, one in vars(module).items() if _is_made(one)}
    return [name for name, one in named.items() if name[0] != "_" and one.__module__ == module.__name__]


def public_names() -> Iterator[str]:
    for module in public_modules():
        for name in getattr(module, "__all__", None) or own(module):
            if not inspect.ismodule(getattr(module, name)):
                yield f"{module.__name__}.{name}"


def thing(name: str) -> str:
    """What a name stands for: the home of a class or function, which may have several names."""
    home, _, last = name.rpartition(".")
    found = getattr(importlib.import_module(home), last)
    return f"{found.__module__}.{found.__qualname__}" if _is_made(found) else name


def _is_made(found: object) -> bool:
    return inspect.isclass(found) or inspect.isroutine(found)
