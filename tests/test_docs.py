"""What the documentation shows is true: its code runs, its commands succeed, its links lead somewhere.

Blocks of one page run in order and share their names, in a directory with copies of the example models.
``python`` blocks run; ``pycon`` blocks are doctests; in ``console`` blocks the lines ``$ fsp ...`` run and
must succeed; what is printed below them is not compared. Other blocks (``text``, ``bash``) are for reading.
"""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from matplotlib import pyplot

from fsp.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A fenced block of a page."""

    kind: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page; ``line`` is that of the first line inside."""
    found = []
    for match in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        found.append(Block(match[1], match[2], page.count("\n", 0, match.start()) + 2))
    return found


def run_page(page: str, name: str) -> int:
    """Run the blocks of a page and return how many ran."""
    names: dict[str, Any] = {"__name__": f"docs_{name}"}
    n = 0
    for block in blocks(page):
        pyplot.close("all")  # pictures of one block; matplotlib warns of more than twenty at a time
        if block.kind == "python":
            code = compile("\n" * (block.line - 1) + block.text, name, "exec")
            exec(code, names)
        elif block.kind == "pycon":
            test = doctest.DocTestParser().get_doctest(block.text, names, name, name, block.line - 1)
            report: list[str] = []
            result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append, clear_globs=False)
            assert not result.failed, "".join(report)
            names = test.globs
        elif block.kind == "console":
            for line in block.text.splitlines():
                if line.startswith("$ fsp "):
                    assert main(shlex.split(line)[2:]) == 0, f"{name}: {line}"
        else:
            continue
        n += 1
    return n


def anchors(page: str) -> set[str]:
    """Return the anchors of the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def dead_links(page: str, path: Path) -> list[str]:
    """Return the links of a page to files or headings that do not exist; other sites are not asked."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page, flags=re.MULTILINE | re.DOTALL)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        if not place.exists():
            dead.append(target)
        elif anchor and anchor not in anchors(page if place == path else place.read_text(encoding="utf-8")):
            dead.append(target)
    return dead


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for model in (ROOT / "examples").glob("*.xml"):
        shutil.copy(model, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_page_runs(path: Path, workplace: Path) -> None:
    page = path.read_text(encoding="utf-8")
    n = run_page(page, path.name)
    if path.name in (
        "README.md",
        "getting-started.md",
        "networks.md",
        "transient.md",
        "distributions.md",
        "storage.md",
        "pictures.md",
    ):
        assert n > 0


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    assert dead_links(path.read_text(encoding="utf-8"), path) == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for path in PAGES[1:]:
        assert path.name == "index.md" or f"({path.name})" in index, (
            f"docs/index.md does not link {path.name}"
        )


# -- controls ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page",
    [
        "```python\nx = 1\n```\ntext\n```python\nassert x == 2\n```\n",
        "```pycon\n>>> 1 + 1\n3\n```\n",
        "```pycon\n>>> y = 1\n```\n```python\nassert y == 2\n```\n",
        "```console\n$ fsp info gallery:no_such_model\n```\n",
    ],
)
def test_control_a_false_block_is_noticed(page: str) -> None:
    with pytest.raises(AssertionError):
        run_page(page, "control")


def test_control_a_dead_link_is_noticed() -> None:
    page = "# Here\n[a](README.md) [b](no-such-page.md) [c](#here) [d](#nowhere) [e](https://example.org)"
    assert dead_links(page, ROOT / "README.md") == ["no-such-page.md", "#nowhere"]
