"""What the reference takes from the code itself: keys of scenarios, named policies, signatures that can be read.

A directive here writes Markdown and has it parsed in its place, headings and all, so that nothing is stated twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers import TextLexer
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from reference_pages import named_policies, scenario_keys, signatures

logger = logging.getLogger(__name__)


def directive(write: Callable[..., str]) -> type[SphinxDirective]:
    """A directive that hands its arguments to a function and shows the Markdown that it writes."""

    class Written(SphinxDirective):
        optional_arguments = 100

        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes(write(*self.arguments), allow_section_headings=True)

    return Written


def marked(app: Sphinx, document: nodes.document) -> None:
    """Mark the tables of names, defaults and meanings, for narrow screens; and set the dashes of parameters."""
    for text in [text for text in document.findall(nodes.Text) if text == " -- "]:
        text.parent.replace(text, nodes.Text(" – "))
    for table in document.findall(nodes.table):
        head = [entry.astext() for part in table.findall(nodes.thead) for entry in part.findall(nodes.entry)]
        if "Meaning" in head:
            table["classes"] += ["keys", *(f"default-{i}" for i, name in enumerate(head) if name == "Default")]


def executed(app: Sphinx, document: str, source: list[str]) -> None:
    """Show a notebook as it was executed; a warning, where it was not as it is now."""
    if not document.startswith("notebooks/"):
        return
    path = Path(app.config.executed_notebooks, Path(document).name + ".ipynb")
    if not path.is_file() or code_of(path.read_text(encoding="utf-8")) != code_of(source[0]):
        logger.warning("%s was not executed as it is now: make docs runs the notebooks first", document)
        return
    source[0] = path.read_text(encoding="utf-8")


def code_of(notebook: str) -> list[str]:
    """The code of a notebook, cell by cell."""
    cells = json.loads(notebook)["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives, and what makes signatures short."""
    app.add_directive("scenario-keys", directive(scenario_keys.sections))
    app.add_directive("scenario-units", directive(scenario_keys.units))
    app.add_directive("policy-list", directive(named_policies.overview))
    app.add_directive("policy-family", directive(named_policies.family))
    app.add_config_value("executed_notebooks", "", "env", str)
    app.connect("source-read", executed)
    app.add_lexer("csv", TextLexer)
    app.add_role("name", signatures.Name())
    app.connect("doctree-read", marked)
    app.connect("autodoc-process-docstring", signatures.tidied, priority=400)
    app.connect("sphinx-click-process-options", signatures.options)
    app.connect("autodoc-process-signature", signatures.shortened)
    app.connect("autodoc-skip-member", signatures.skipped)
    return {"version": "1", "parallel_read_safe": True}
