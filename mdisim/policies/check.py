"""Does a rule keep within what gives the same result compiled and not? Reads its source and says what does not.

Allowed: plain numbers, comparisons, + - * / // %, `min max abs int float bool len range list`, the `math`
functions that agree to the last bit, scalar draws from the generator, the views and their fields, helpers
marked `@pure`. Powers, NumPy calls, `rng.choice`, attributes set on self and calls of anything else do not
compile, or differ in the last digit.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from mdisim.policies import views

POINTS = ("admits", "picks", "where", "sends", "turns", "learns")
BUILTINS = {"min", "max", "abs", "int", "float", "bool", "len", "range", "list"}
MATH = {"exp", "log", "log1p", "sqrt", "sin", "tanh", "floor", "ceil", "isnan", "isinf", "inf", "pi", "nan"}
DRAWS = {"random", "uniform", "exponential", "standard_normal", "normal", "integers", "standard_exponential"}
PLAIN = (bool, int, float, str, tuple)
UNFIT = {
    ast.Pow: "powers differ in the last digit when compiled; write products",
    ast.Lambda: "a lambda does not compile",
    ast.GeneratorExp: "a generator does not compile; write a loop",
    ast.DictComp: "a dict does not compile",
    ast.Dict: "a dict does not compile",
    ast.Set: "a set does not compile",
    ast.SetComp: "a set does not compile",
    ast.Try: "an exception does not compile",
    ast.With: "a context does not compile",
    ast.Global: "a rule keeps nothing between calls",
    ast.Nonlocal: "a rule keeps nothing between calls",
    ast.Import: "import at the top of the module",
    ast.ImportFrom: "import at the top of the module",
    ast.JoinedStr: "text does not compile",
    ast.Yield: "a rule answers once",
    ast.Await: "a rule answers once",
}


def check(rule: object) -> list[str]:
    """What keeps this rule from compiling to the same result; an empty list if nothing does.

    Give a rule object or its class. Each fault names the method and the line in its source file.
    """
    kind = rule if isinstance(rule, type) else type(rule)
    faults = _form(rule, kind)
    points = [p for p in POINTS if callable(getattr(kind, p, None))]
    if not points:
        faults.append(f"{kind.__name__} has none of the methods {', '.join(POINTS)}")
    for point in points:
        faults += _method(kind, point)
    return faults


def _form(rule: object, kind: type) -> list[str]:
    if not is_dataclass(kind) or not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return [f"{kind.__name__} is not a frozen dataclass: a rule's fields are its parameters and never change"]
    if rule is kind:
        return []
    values = [(f.name, getattr(rule, f.name)) for f in fields(kind)]
    return [
        f"{kind.__name__}.{name} is {type(value).__name__}; a field is a plain number, text or a tuple of them"
        for name, value in values
        if not isinstance(value, PLAIN)
    ]


def _method(kind: type, point: str) -> list[str]:
    method: Callable[..., Any] = getattr(kind, point)
    try:
        lines, first = inspect.getsourcelines(method)
    except (OSError, TypeError):
        return [f"{kind.__name__}.{point}: no source to read; define the class in a file"]
    tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    reader = _Reader(method.__globals__, tree)
    for statement in tree.body:
        reader.visit(statement)
    return [
        f"{kind.__name__}.{point}, line {first + line - 1}: {what}" for line, what in sorted(set(reader.faults))
    ]


class _Reader(ast.NodeVisitor):
    """Walks a method's statements and collects what does not fit."""

    def __init__(self, names: dict[str, Any], tree: ast.FunctionDef) -> None:
        self.names = names
        self.arguments = {a.arg for a in tree.args.args}
        self.local = self.arguments | {
            n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        self.faults: list[tuple[int, str]] = []

    def generic_visit(self, node: ast.AST) -> None:
        """Note what never fits; look inside everything else."""
        for kind, why in UNFIT.items():
            if isinstance(getattr(node, "op", node), kind) and isinstance(node, ast.expr | ast.stmt):
                self.faults.append((node.lineno, why))
        super().generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """An attribute that is set is hidden state."""
        self._stored(node.targets)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """The same, with a type; the type itself is not run."""
        self._stored([node.target])
        for part in (node.target, node.value):
            if part is not None:
                self.visit(part)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """The same, for += and its kin."""
        self._stored([node.target])
        self.generic_visit(node)

    def _stored(self, targets: list[ast.expr]) -> None:
        for target in targets:
            if isinstance(target, ast.Attribute):
                self.faults.append(
                    (target.lineno, f"sets {ast.unparse(target)}: a rule keeps nothing between calls")
                )

    def visit_Name(self, node: ast.Name) -> None:
        """A name from outside is a constant, a view, `math`, or a builtin known to agree."""
        if node.id in self.local or (node.id in BUILTINS and node.id not in self.names):
            return
        value = self.names.get(node.id)
        if value is None and node.id in ("None", "True", "False"):
            return
        if not (_is_math(value) or _is_view(value) or _is_pure(value) or isinstance(value, PLAIN)):
            self.faults.append(
                (
                    node.lineno,
                    f"{node.id} is neither a number, math, a view, a known builtin nor marked @pure",
                )
            )

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """`math` and the generator offer only some of what they have; NumPy offers nothing."""
        if isinstance(node.value, ast.Name):
            owner = node.value.id
            if owner not in self.local and _is_math(self.names.get(owner)):
                if node.attr not in MATH:
                    self.faults.append(
                        (node.lineno, f"math.{node.attr} may differ in the last digit when compiled")
                    )
                return
            if owner == "rng" and node.attr not in DRAWS:
                self.faults.append(
                    (node.lineno, f"rng.{node.attr} does not compile; there are {', '.join(sorted(DRAWS))}")
                )
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Calls go to names that fit, to `math` and to the generator; methods of other things do not compile."""
        target = node.func
        if isinstance(target, ast.Attribute):
            owner = target.value.id if isinstance(target.value, ast.Name) else ""
            known = owner == "rng" or _is_math(self.names.get(owner))
            if not known or (owner in self.local and owner != "rng"):
                self.faults.append((node.lineno, f"{ast.unparse(target)}() is a call that does not compile"))
            if owner == "rng" and target.attr == "integers" and len(node.args) != 2:
                self.faults.append((node.lineno, "rng.integers needs both bounds to compile"))
            if owner == "rng" and any(k.arg == "size" for k in node.keywords):
                self.faults.append((node.lineno, "draw one number at a time"))
        self.generic_visit(node)


def _is_math(value: object) -> bool:
    return inspect.ismodule(value) and value.__name__ == "math"


def _is_view(value: object) -> bool:
    return isinstance(value, type) and value.__module__ == views.__name__


def _is_pure(value: object) -> bool:
    if callable(value) and getattr(value, "__module__", "") == "math":
        return getattr(value, "__name__", "") in MATH
    return bool(getattr(value, "__pure__", False))
