"""The lock files: `make lock` makes them, and `make lock-check` holds them to pyproject.toml.

A lock has an entry for each package, with the version and the hashes of its wheels, for Python 3.11 to 3.13 on
Linux, macOS and Windows. pip and uv install it alike. It names no index and no address. It leaves torch out: which
build of that fits depends on the machine.

To check a lock needs no network. It must hold every requirement of pyproject.toml in a version that is allowed
there, so that it stays fresh when something newer is published.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = {  # a lock, and the extra of pyproject.toml that it is for
    "plot": "plot",
    "dev": "dev",
    "text": "text",
}
APART = {"torch"}
EDITABLE = "editables>=0.5"  # what the build back end needs to install a clone in place
PLATFORMS = {"linux": ("Linux", "posix"), "darwin": ("Darwin", "posix"), "win32": ("Windows", "nt")}
PYTHONS = ("3.11", "3.12", "3.13")
PIN = re.compile(
    r"(?P<requirement>[\w.-]+==[^\s;\\]+(?:\s*;[^\\]+?)?)\s*(?P<hashes>(?:--hash=sha256:[0-9a-f]{64}\s*)+)"
)


def required(project: Path, extra: str) -> list[Requirement]:
    """Everything that the project, one of its extras and its build ask for; extras of our own are followed."""
    table = tomllib.loads(project.read_text(encoding="utf-8"))
    extras = table["project"]["optional-dependencies"]
    found = [Requirement(one) for one in (*table["project"]["dependencies"], *table["build-system"]["requires"])]
    found.append(Requirement(EDITABLE))
    waiting = [extra]
    while waiting:
        for one in map(Requirement, extras[waiting.pop()]):
            if one.name == table["project"]["name"]:
                waiting += sorted(one.extras)
            else:
                found.append(one)
    return [one for one in found if canonicalize_name(one.name) not in APART]


def pins(lock: Path) -> Iterator[Requirement]:
    """Every package of a lock with its version; a ValueError for a line that is no such thing."""
    text = re.sub(r"^\s*#.*$", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.replace("\\\n", " ").strip()):
        match = PIN.fullmatch(entry.strip())
        if match is None:
            raise ValueError(f"{lock}: {entry[:60]!r} is no package with its version and the hashes of its files")
        yield Requirement(match["requirement"])


def environments() -> Iterator[dict[str, str]]:
    """Where a lock must do: the variables of its markers, for each Python and platform."""
    for python in PYTHONS:
        for platform, (system, name) in PLATFORMS.items():
            here = {"sys_platform": platform, "platform_system": system, "os_name": name}
            yield {**default_environment(), **here, "python_version": python, "python_full_version": f"{python}.0"}


def faults(lock: Path, project: Path, extra: str) -> list[str]:
    """What of pyproject.toml a lock does not hold."""
    locked = list(pins(lock))
    found = []
    for environment in environments():
        held = {canonicalize_name(p.name): p for p in locked if p.marker is None or p.marker.evaluate(environment)}
        for need in required(project, extra):
            pin = held.get(canonicalize_name(need.name))
            if need.marker is not None and not need.marker.evaluate(environment):
                continue
            if pin is None:
                found.append(f"{lock.name}: {need.name} is missing; run make lock")
            elif not need.specifier.contains(next(iter(pin.specifier)).version):
                found.append(f"{lock.name}: {pin} does not fit {need}; run make lock")
    found += [
        f"{lock.name}: {pin.name} must be left out" for pin in locked if canonicalize_name(pin.name) in APART
    ]
    return list(dict.fromkeys(found))


def disagreements(locks: dict[str, Path]) -> list[str]:
    """Packages of which two locks have different versions: they could not be installed together."""
    versions: dict[str, dict[str, str]] = {}
    for name, lock in locks.items():
        for pin in pins(lock):
            versions.setdefault(canonicalize_name(pin.name), {})[name] = str(pin.specifier)
    return [
        f"{package}: {', '.join(f'{v} in {name}.txt' for name, v in found.items())}; run make lock"
        for package, found in versions.items()
        if len(set(found.values())) > 1
    ]


def path(name: str) -> Path:
    """The file of a lock."""
    return ROOT / "requirements" / f"{name}.txt"


def check() -> list[str]:
    """Everything that is wrong with the locks."""
    found = [
        fault for name, extra in LOCKS.items() for fault in faults(path(name), ROOT / "pyproject.toml", extra)
    ]
    return found + disagreements({name: path(name) for name in LOCKS})


def make(uv: str) -> None:
    """Resolve every lock again, to the newest versions that pyproject.toml allows."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        apart, build = Path(folder, "apart.txt"), Path(folder, "build.in")
        build.write_text("\n".join([*table["build-system"]["requires"], EDITABLE]))
        apart.write_text("\n".join(f"{name} ; python_version < '3'" for name in APART))
        done: list[str] = []
        for name in sorted(LOCKS, key=lambda one: one != "dev"):  # the others follow its versions
            arguments = ["--extra", LOCKS[name], "--override", apart, *done, "--output-file", path(name)]
            path(name).unlink(missing_ok=True)
            compiled = [
                uv, "pip", "compile", "pyproject.toml", build, *arguments, "--universal", "--python-version",
                PYTHONS[0], "--fork-strategy", "fewest", "--only-binary", ":all:", "--generate-hashes",
                "--no-emit-index-url", "--no-annotate", "--custom-compile-command", "make lock", "--quiet",
            ]  # fmt: skip
            subprocess.run([str(one) for one in compiled], cwd=ROOT, check=True)
            done = ["--constraint", str(path("dev"))]


def main() -> int:
    """Make the locks with the uv that is named, or check them."""
    if len(sys.argv) > 1:
        make(sys.argv[1])
    found = check()
    print(*(found or ["The locks hold everything that pyproject.toml asks for."]), sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
