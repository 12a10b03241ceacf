"""Sphinx configuration: ``tox -e docs`` builds these pages and treats every warning as an error."""

from importlib.metadata import version as version_of

project = "oms-core"
author = "The oms-core maintainers"
project_copyright = "the oms-core maintainers, Apache License 2.0"
release = version_of("oms-core")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = False
# Short names read better, and the page says which module it is about.
add_module_names = False
autodoc_typehints = "description"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"oms-core {release}"
