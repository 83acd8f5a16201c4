"""The lock files hold what pyproject.toml asks for, and nothing that ties them to a place or to a day."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = """
[build-system]
requires = ["hatchling>=1.25"]
[project]
name = "mdisim"
dependencies = ["numpy>={numpy}", "tomli>=2; python_version < '3.11'"]
[project.optional-dependencies]
plot = ["matplotlib>=3"]
all = ["mdisim[plot]", "torch>=2"]
"""
HASHED = f" \\\n    --hash=sha256:{'0' * 64}\n"


@pytest.fixture(scope="module")
def locks():
    spec = importlib.util.spec_from_file_location("locks", ROOT / "requirements" / "locks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def found(locks, tmp_path):
    """What is wrong with a lock of these lines, for the extra `all` of a small project."""

    def check(*pins: str, numpy: str = "2.0") -> list[str]:
        (tmp_path / "pyproject.toml").write_text(PROJECT.format(numpy=numpy))
        pins = ("hatchling==1.30", "editables==0.6", *pins)
        (tmp_path / "all.txt").write_text("# made by hand\n" + "".join(pin + HASHED for pin in pins))
        return locks.faults(tmp_path / "all.txt", tmp_path / "pyproject.toml", "all")

    return check


def test_the_locks_are_fresh(locks):
    assert locks.check() == []


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_a_lock_names_no_place_and_every_file_has_a_hash(locks, lock):
    text = lock.read_text(encoding="utf-8")
    assert lock.stem in locks.LOCKS
    assert not [word for word in ("://", "file:", "--index", "--find-links", "-e ", " @ ") if word in text]
    assert len(list(locks.pins(lock))) > 30


def test_what_a_lock_must_hold(found):
    assert found("numpy==2.4", "matplotlib==3.10") == []
    assert found("numpy==2.4") == ["all.txt: matplotlib is missing; run make lock"]
    assert found("numpy==2.4", "matplotlib==3.10", numpy="2.5") == [
        "all.txt: numpy==2.4 does not fit numpy>=2.5; run make lock"
    ]
    assert found("numpy==2.4", "matplotlib==3.10", "torch==2.9") == ["all.txt: torch must be left out"]


def test_every_python_and_platform_must_have_a_version(found):
    assert (
        found("numpy==2.4 ; python_version < '3.12'", "numpy==2.5 ; python_version >= '3.12'", "Matplotlib==3.10")
        == []
    )
    assert found("numpy==2.4 ; sys_platform != 'win32'", "matplotlib==3.10") == [
        "all.txt: numpy is missing; run make lock"
    ]
    assert found(
        "numpy==2.4 ; python_version < '3.12'", "numpy==1.9 ; python_version >= '3.12'", "matplotlib==3"
    ) == ['all.txt: numpy==1.9; python_version >= "3.12" does not fit numpy>=2.0; run make lock']


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.4",
        "numpy>=2.4" + HASHED,
        "numpy @ https://files.example/numpy.whl" + HASHED,
        "--index-url https://index.example/simple",
        "-e .",
        "numpy==2.4 \\\n    --hash=md5:0",
    ],
)
def test_lines_that_no_lock_has(locks, tmp_path, line):
    lock = tmp_path / "all.txt"
    lock.write_text(f"{line}\npandas==3.0{HASHED}")
    with pytest.raises(ValueError, match="is no package with its version and the hashes of its files"):
        list(locks.pins(lock))


def test_locks_that_are_installed_together_agree(locks, tmp_path):
    paths = {name: tmp_path / f"{name}.txt" for name in ("one", "other")}
    for path, version in zip(paths.values(), ("2.4", "2.5"), strict=True):
        path.write_text(f"numpy=={version}{HASHED}")
    assert locks.disagreements(paths) == ["numpy: ==2.4 in one.txt, ==2.5 in other.txt; run make lock"]
