"""Build the documentation site with warnings as errors, and check its links: python docs/build.py [FOLDER]

Every relative link and anchor of the built pages, of README.md and of the notebooks must resolve. Nothing is downloaded, and two builds give the same bytes.
"""

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
FRONT = '<!doctype html><meta charset="utf-8"><title>tdsm</title><meta http-equiv="refresh" content="0; url=docs/index.html">\n'


class Page(HTMLParser):
    """The anchors of a page, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {""}
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect ids, names and targets."""
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")
            elif name in ("href", "src", "poster"):
                self.links.append(value or "")


def build(folder: Path) -> int:
    """Write the site, in place of an older one; returns Sphinx's exit status."""
    from sphinx.cmd.build import main

    if (folder / "objects.inv").is_file():
        shutil.rmtree(folder)
    with tempfile.TemporaryDirectory() as doctrees:
        status = main(["-q", "-W", "--keep-going", "-E", "-d", doctrees, "-c", str(ROOT / "docs"), str(ROOT), str(folder)])
    if folder.is_dir():  # Sphinx makes it once its settings are read
        (folder / ".buildinfo").unlink(missing_ok=True)
        (folder / "index.html").write_text(FRONT, encoding="utf-8")
    return status


def dead_links_of_site(folder: Path) -> Iterator[str]:
    """One line for each relative link of a built page that does not resolve."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file() or (target in pages and unquote(parts.fragment) not in pages[target].anchors):
                yield f"{path.relative_to(folder.resolve())}: {link}"


def dead_links_of_sources() -> Iterator[str]:
    """The same for README.md and the notebooks as they are read in the repository."""
    texts = {ROOT / "README.md": (ROOT / "README.md").read_text(encoding="utf-8")}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts[path] = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for path, text in texts.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path.parent / unquote(parts.path) if parts.path else path
            if not target.exists() or (parts.fragment and parts.fragment not in headings(target)):
                yield f"{path.relative_to(ROOT)}: {link}"


def headings(path: Path) -> set[str]:
    """Anchors of the headings of a Markdown file, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)}


def main(folder: Path) -> int:
    """Build and check; prints one line per dead link."""
    status = build(folder)
    dead = [*dead_links_of_site(folder), *dead_links_of_sources()]
    print(*(f"dead link: {line}" for line in dead), f"{folder}/index.html", sep="\n")
    return status or int(bool(dead))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"))
