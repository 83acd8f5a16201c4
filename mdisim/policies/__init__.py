"""Rules, plans and scores: what decides during a run, and what is laid out before it. Nothing of ours below this.

A policy is a `Policy`: rules for the six decision points (see `protocols`), a plan table, a score and an
answer. The named ones stand in `named`; `check` says whether a rule, ours or yours, keeps within what a
compiled engine can run to the same last bit.
"""

from mdisim.policies.adaptive import Adaptive
from mdisim.policies.check import check
from mdisim.policies.descriptions import Description, described
from mdisim.policies.named import RECIPES, Ddi, Local, MdiExit, NoExit, Oracle, Random, Remote
from mdisim.policies.parameters import Meaning, Parameter, parameters
from mdisim.policies.plan import Row, row
from mdisim.policies.policy import Policy, Recipe, Setting, Signals
from mdisim.policies.scores import ANSWERS, SCORES, Outputs
from mdisim.policies.views import (
    CONTINUE,
    FEATURE,
    FREE,
    INPUT,
    KEEP,
    NOBODY,
    OFFER,
    Here,
    Knobs,
    Load,
    Outcome,
    Peer,
    Place,
    Seen,
    Task,
    moved,
    pure,
)

__all__ = [
    "ANSWERS",
    "CONTINUE",
    "FEATURE",
    "FREE",
    "INPUT",
    "KEEP",
    "NOBODY",
    "OFFER",
    "RECIPES",
    "SCORES",
    "Adaptive",
    "Ddi",
    "Description",
    "Here",
    "Knobs",
    "Load",
    "Local",
    "MdiExit",
    "Meaning",
    "NoExit",
    "Oracle",
    "Outcome",
    "Outputs",
    "Parameter",
    "Peer",
    "Place",
    "Policy",
    "Random",
    "Recipe",
    "Remote",
    "Row",
    "Seen",
    "Setting",
    "Signals",
    "Task",
    "check",
    "described",
    "moved",
    "parameters",
    "pure",
    "row",
]
