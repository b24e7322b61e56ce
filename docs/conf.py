"""How Sphinx turns the project's Markdown into a site (`make site`): the pages lie in it as they lie here."""

import shutil
from pathlib import Path

from pygments.lexers.special import TextLexer

NAVIGATION = {
    "README": """

```{toctree}
:hidden:
:caption: Use
docs/study-file
docs/datasets
docs/adding-a-dataset
docs/adding-a-model
docs/slurm
docs/other-executors
docs/reliability
```

```{toctree}
:hidden:
:caption: Results
docs/report
docs/tables
docs/methods
docs/calibration
docs/audit
docs/studies/README
published/README
```

```{toctree}
:hidden:
:caption: Project
:glob:
docs/design
docs/performance
docs/reproducibility
docs/licences
*
```
""",
    "docs/studies/README": """

```{toctree}
:hidden:
:glob:
*
```
""",
}

project = html_title = "trainsize"
html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_copyright = html_show_sphinx = html_copy_source = html_use_index = False

extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "published/**.md"]
exclude_patterns = [".*", "results", "site"]
smartquotes = False
highlight_language = "none"
myst_heading_anchors = 6
# The pages are a code host's Markdown: what only MyST gives a meaning to is text.
myst_disable_syntax = ["myst_block_break", "myst_line_comment", "myst_role", "myst_target"]


def add_navigation(app, docname, source):
    source[0] += NAVIGATION.get(docname, "")


def make_index(app, exception):
    """The README is also the page that a browser is given for the folder."""
    if exception is None and app.builder.name == "html":
        shutil.copy(Path(app.outdir, f"{root_doc}.html"), Path(app.outdir, "index.html"))


def setup(app):
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", add_navigation)
    app.connect("build-finished", make_index)
