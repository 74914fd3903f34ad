"""The documentation as a site: ``make site`` writes it to ``dist/site``.

The pages are the Markdown files of the repository, as they are. README.md is the start page. Sphinx
refuses every link without a target. No page loads a file from another host.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx

ROOT: Final = Path(__file__).parents[2]

NAVIGATION: Final[Mapping[str, tuple[str, ...]]] = {
    "Start": ("docs/tutorial", "docs/rollout"),
    "Deployments": (
        "docs/debian-nginx",
        "docs/docker-jitsi-meet",
        "docs/kubernetes",
        "docs/other-proxies",
        "docs/prosody",
    ),
    "Operate": (
        "docs/check-gate",
        "docs/troubleshooting",
        "docs/operations",
        "docs/packages",
        "docs/monitoring",
        "docs/keys",
        "docs/revocation",
        "docs/pages-and-handoff",
        "contrib/prometheus/README",
        "contrib/grafana/README",
        "contrib/fail2ban/README",
        "contrib/pages/README",
    ),
    "Reference": (
        "docs/configuration",
        "docs/denial-codes",
        "docs/commands",
        "docs/http-api",
        "docs/admin-api",
        "docs/nginx",
        "docs/prosody-modules",
    ),
    "Understand": (
        "docs/differences-from-jitsi",
        "docs/benchmarks",
        "SECURITY",
        "docs/architecture",
        "CONTRIBUTING",
        "CHANGELOG",
    ),
}
"""The pages in the order of a reader. Links lead to other pages of ``contrib`` and ``tests``."""

_LINK: Final = re.compile(r"\]\(([^()\s#:]+)\)")


def _names(folder: str) -> list[str]:
    return sorted(
        file.relative_to(ROOT / folder).as_posix()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.name != "README.md" and "__pycache__" not in file.parts
    )


def read_source(_app: Sphinx, page: str, source: list[str]) -> None:
    """Add the navigation to the start page and the files to the pages of ``contrib``.

    A link to a folder leads to the folder's page.
    """
    folder = (ROOT / page).parent
    source[0] = _LINK.sub(
        lambda link: (
            f"]({link[1].rstrip('/')}/README.md)" if (folder / link[1]).is_dir() else link[0]
        ),
        source[0],
    )
    if page == "README":
        for caption, pages in NAVIGATION.items():
            options = f":hidden:\n:caption: {caption}\n\n"
            source[0] += f"\n```{{toctree}}\n{options}" + "\n".join(f"/{each}" for each in pages)
            source[0] += "\n```\n"
    elif page.startswith("contrib/"):
        files = _names(str(Path(page).parent))
        source[0] += "\n## Files\n\n" + "".join(f"- [`{name}`]({name})\n" for name in files)
    # A page of docs that has no place in the navigation is an error.
    known = {"README", *(each for pages in NAVIGATION.values() for each in pages)}
    if page not in known and page.startswith(("contrib/", "tests/")):
        source[0] = f"---\norphan: true\n---\n\n{source[0]}"


def use_anchors_of_code_hosts(_app: Sphinx, document: nodes.document) -> None:
    """Give each heading the anchor that it has where the Markdown files are shown as they are."""
    for section in document.findall(nodes.section):
        slug = section.get("slug")
        if slug and slug not in section["ids"]:
            section["ids"].insert(0, slug)


def make_start_page(app: Sphinx, error: Exception | None) -> None:
    """Write the start page also under the name that web servers look for."""
    if error is None:
        shutil.copyfile(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))


def setup(app: Sphinx) -> None:
    """Connect the functions of this file to Sphinx."""
    app.connect("source-read", read_source)
    app.connect("doctree-read", use_anchors_of_code_hosts)
    app.connect("build-finished", make_start_page)


project = "jitsi-verifier"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "version"
]
html_title = f"{project} {version}"
extensions = ["myst_parser", "sphinx_copybutton"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "contrib/**/*.md", "tests/**/README.md"]
exclude_patterns = ["**/node_modules", ".*", "build", "dist"]
myst_heading_anchors = 6
nitpicky = True
# A block may be a part of a file, with "…" in place of the rest.
suppress_warnings = ["misc.highlighting_failure"]

# The button copies the commands of a transcript without their prompts and their output.
copybutton_prompt_text = "$ "

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_permalinks_icon = "#"
highlight_language = "none"
pygments_style = "default"
pygments_dark_style = "github-dark"
