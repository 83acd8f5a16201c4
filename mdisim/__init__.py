"""Simulate early-exit inference that is distributed over the devices of a network: see `simulate` and `compare`.

The public names are loaded when first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdisim import (
        bounds,
        calibration,
        metrics,
        policies,
        profiles,
        promises,
        recovery,
        report,
        statistics,
        traces,
    )
    from mdisim.engine import RuleError, run
    from mdisim.errors import InputError, MdisimError, PolicyError, RunError
    from mdisim.experiments.compare import Auto, Comparison, compare
    from mdisim.experiments.prepare import ExperimentError
    from mdisim.experiments.search import Search, search_rate
    from mdisim.experiments.simulate import simulate
    from mdisim.experiments.sweep.sweep import Sweep, sweep
    from mdisim.experiments.tune import Tuning, tune
    from mdisim.folders import ResultsError
    from mdisim.policies.policy import Policy
    from mdisim.profiles import Profile, ProfileError
    from mdisim.results import Run
    from mdisim.scenario import Scenario, ScenarioError
    from mdisim.traces import Trace, TraceError
    from mdisim.world import World

__version__ = "0.1.0"

__all__ = [
    "Auto",
    "Comparison",
    "ExperimentError",
    "InputError",
    "MdisimError",
    "Policy",
    "PolicyError",
    "Profile",
    "ProfileError",
    "ResultsError",
    "RuleError",
    "Run",
    "RunError",
    "Scenario",
    "ScenarioError",
    "Search",
    "Sweep",
    "Trace",
    "TraceError",
    "Tuning",
    "World",
    "__version__",
    "bounds",
    "calibration",
    "compare",
    "metrics",
    "policies",
    "profiles",
    "promises",
    "recovery",
    "report",
    "run",
    "search_rate",
    "simulate",
    "statistics",
    "sweep",
    "traces",
    "tune",
]

_HOMES = {
    "Auto": "experiments.compare",
    "Comparison": "experiments.compare",
    "ExperimentError": "experiments.prepare",
    "InputError": "errors",
    "MdisimError": "errors",
    "Policy": "policies.policy",
    "PolicyError": "errors",
    "Profile": "profiles",
    "ProfileError": "profiles",
    "ResultsError": "folders",
    "RuleError": "engine",
    "Run": "results",
    "RunError": "errors",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "Search": "experiments.search",
    "Sweep": "experiments.sweep.sweep",
    "Trace": "traces",
    "TraceError": "traces",
    "Tuning": "experiments.tune",
    "World": "world",
    "compare": "experiments.compare",
    "run": "engine",
    "search_rate": "experiments.search",
    "simulate": "experiments.simulate",
    "sweep": "experiments.sweep.sweep",
    "tune": "experiments.tune",
}


def __getattr__(name: str) -> object:
    """Load a public name, or a module of ours, from its home."""
    if name in _HOMES:
        return getattr(import_module(f"mdisim.{_HOMES[name]}"), name)
    if name in __all__:
        return import_module(f"mdisim.{name}")
    raise AttributeError(f"module 'mdisim' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Complete the public names, and only these."""
    return __all__
