"""The documentation site, built by `make docs`. Sphinx reads the repository itself, so that links are the same on the site and in the repository."""

import re
import textwrap
from itertools import pairwise

from docutils.nodes import Element, SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

import tdsm

project = "tdsm"
author = "The tdsm developers"
project_copyright = author
release = tdsm.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "notebooks/*.ipynb", "results/README.md", "tdsm/recognizer/weights/README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = [".*", "build", "runs", "demo", "tests", "findings"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_update_mathjax = False
html_math_renderer = "mathml"
myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks are committed with their outputs
nb_merge_streams = True
highlight_language = "none"
# Widgets need a kernel, which a page does not have: the still output beside a widget is shown instead.
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]

napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"tdsm {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
suppress_warnings = ["ref.python"]  # names of axes in type hints, such as "layout", look like names of attributes


def _plain_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are written to be read as they are: indented or aligned paragraphs (diagrams, tables) become literal blocks, and *.json is no emphasis."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    if what == "module":
        drawn = [_is_drawn(each.split("\n")) and not before.endswith("::") for before, each in pairwise(["", *paragraphs])]
        paragraphs = ["::\n\n" + textwrap.indent(each, "    ") if is_drawn else each for each, is_drawn in zip(paragraphs, drawn, strict=True)]
    lines[:] = [re.sub(r"(?<![*\w`\\])\*(?=\.\w)", r"\\*", line) for line in "\n\n".join(paragraphs).split("\n")]


def _is_drawn(lines: list[str]) -> bool:
    aligned = sum(bool(re.search(r"\S {2,}\S| -> ", line)) for line in lines)
    return all(line.startswith(" ") for line in lines) or (len(lines) > 1 and 2 * aligned >= len(lines))


def _inline_math(translator: HTML5Translator, node: Element) -> None:
    translator.body.append(convert(node.astext()))
    raise SkipNode


def _display_math(translator: HTML5Translator, node: Element) -> None:
    translator.body.append(convert(node.astext(), display="block"))
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Connect what this file adds to Sphinx."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline_math, None), block_renderers=(_display_math, None))  # needs no script and no network
    app.connect("autodoc-process-docstring", _plain_docstring)
