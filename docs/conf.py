"""How the site is built, by `make docs`. Its source folder is the repository, so that links hold in both."""

from __future__ import annotations

import sys
from pathlib import Path

import mdisim

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "mdisim"
author = "The mdisim authors"
copyright = f"2026, {author}"
version = release = mdisim.__version__

root_doc = "docs/index"
include_patterns = [
    "docs/**.md", "notebooks/*.ipynb", "traces/README.md", "benchmarks/README.md",
    "CHANGELOG.md", "CONTRIBUTING.md",
]  # fmt: skip
exclude_patterns = [".*", "build", "results", "mdisim", "tests", "scenarios"]

extensions = [
    "myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "sphinx_copybutton",
    "reference_pages",
]  # fmt: skip
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "deflist"]
executed_notebooks = str(
    Path(__file__).parents[1] / "build" / "notebooks"
)  # left there by tests/test_notebooks.py
nb_execution_mode = "off"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
napoleon_google_docstring = False
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
default_role = "name"  # code, and a link where it names something of ours
smartquotes = False  # in docstrings and help texts, quotes and dashes are what one types

html_theme = "furo"
html_title = "mdisim"
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_extra_path = ["extra"]
