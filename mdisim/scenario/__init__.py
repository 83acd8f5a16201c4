"""Scenarios: YAML in, a World out. Text becomes numbers here and nowhere else; YAML and pydantic stay here."""

from mdisim.scenario.catalogue import find, names
from mdisim.scenario.faults import Fault, ScenarioError
from mdisim.scenario.scenario import Scenario

__all__ = ["Fault", "Scenario", "ScenarioError", "find", "names"]
