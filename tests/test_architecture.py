"""The import order of the map in docs/architecture.md holds, in the map's own words.

The map lists the modules and packages of ``fsp`` from first to last; what is listed may import only from
lines above it, or from its own line. Imports inside functions count as well, and so do those for types only:
they cost nothing when the program runs, but a module that needs to name a later one is in the
wrong place. Only the search for cycles passes over them, because two modules of one package may name each
other's types.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
#: Packages that a distributed run needs; only fsp/parallel may import them.
PARALLEL = {"mpi4py", "petsc4py", "slepc4py"}
#: Too slow for ``import fsp``: imported when they are needed.
SLOW = (
    "antimony",
    "h5netcdf",
    "libsbml",
    "matplotlib",
    "numba",
    "pandas",
    "scipy",
    "sympy",
    "tqdm",
    "xarray",
)


class Import(NamedTuple):
    """Module ``source`` imports ``target``, perhaps only for its types."""

    source: str
    target: str
    line: int
    typing_only: bool


def read_map(text: str) -> dict[str, int]:
    """Return the rank of each entry of the map; ``fsp/solve.py`` becomes ``fsp.solve``."""
    block = re.search(r"^```map\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None, "docs/architecture.md has no block that begins with ```map"
    ranks: dict[str, int] = {}
    for rank, line in enumerate(block[1].splitlines()):
        for entry in re.findall(r"fsp/[a-z_]+(?:/|\.py)", line):
            name = entry.removesuffix(".py").strip("/").replace("/", ".")
            assert name not in ranks, f"{entry} is listed twice"
            ranks[name] = rank
    return ranks


def module_name(path: Path, root: Path) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit(module: str) -> str:
    """Return the entry of the map that a module belongs to."""
    return ".".join(module.split(".")[:2])


def find_imports(source: str, module: str, package: bool, modules: set[str]) -> Iterator[Import]:
    """Yield the imports of ``fsp`` in a module, wherever they stand."""
    tree = ast.parse(source)
    typing_only: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only.update(inner for statement in node.body for inner in ast.walk(statement))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                kept = len(parts) - node.level + (1 if package else 0)
                base = ".".join([*parts[:kept], *filter(None, [node.module])])
            # ``from fsp.model import gallery`` imports the module fsp.model.gallery.
            inside = [f"{base}.{alias.name}" for alias in node.names]
            names = [name if name in modules else base for name in inside]
        else:
            continue
        for name in dict.fromkeys(names):
            if name == "fsp" or name.startswith("fsp."):
                yield Import(module, name, node.lineno, node in typing_only)


def all_imports(root: Path) -> tuple[set[str], list[Import]]:
    """Return the modules of ``root/fsp`` and all imports between them."""
    files = {module_name(path, root): path for path in sorted((root / "fsp").rglob("*.py"))}
    found: list[Import] = []
    for module, path in files.items():
        package = path.name == "__init__.py"
        found += find_imports(path.read_text(encoding="utf-8"), module, package, set(files))
    return set(files), found


def violations(ranks: dict[str, int], imports: list[Import]) -> list[str]:
    """Say which imports go against the order; the facade ``fsp`` itself may name everything."""
    wrong = []
    for i in imports:
        source, target = unit(i.source), unit(i.target)
        if source in ("fsp", target):
            continue
        if target == "fsp":  # only the last line of the map, the command line, stands behind the facade
            if ranks[source] < max(ranks.values()):
                wrong.append(f"{i.source}:{i.line} imports the facade fsp")
        elif ranks[target] > ranks[source]:
            wrong.append(f"{i.source}:{i.line} imports {i.target}, which comes later")
    return wrong


def cycle(imports: list[Import]) -> list[str]:
    """Return the modules of one cycle of imports at run time, late ones included; empty if there is none."""
    graph: dict[str, set[str]] = {}
    for i in imports:
        if not i.typing_only and i.source != "fsp" and i.source != i.target:
            graph.setdefault(i.source, set()).add(i.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def ranks() -> dict[str, int]:
    return read_map((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def package() -> tuple[set[str], list[Import]]:
    return all_imports(ROOT)


def test_the_map_is_complete(ranks: dict[str, int], package: tuple[set[str], list[Import]]) -> None:
    assert set(ranks) == {unit(module) for module in package[0]} - {"fsp"}


def test_data_flows_one_way(ranks: dict[str, int], package: tuple[set[str], list[Import]]) -> None:
    assert len(package[1]) > 100
    assert violations(ranks, package[1]) == []


def test_there_is_no_cycle(package: tuple[set[str], list[Import]]) -> None:
    assert cycle(package[1]) == []


def test_only_one_package_may_import_mpi() -> None:
    for path in (ROOT / "fsp").rglob("*.py"):
        if "parallel" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not PARALLEL & {name.split(".")[0] for name in names}, path


def test_import_fsp_stays_light() -> None:
    code = "import sys, fsp; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "fsp" in loaded
    assert loaded.isdisjoint(SLOW)


# -- controls: each checker finds what it is there to find -------------------------------------------------

_MAP = "```map\nfsp/errors.py  fsp/names.py  first\nfsp/model/\nfsp/solve.py\nfsp/cli.py\n```\n"
_MODULES = {"fsp", "fsp.errors", "fsp.model", "fsp.model.network", "fsp.solve", "fsp.cli"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fsp.model.network", "from fsp.solve import solve_transient"),
        ("fsp.model.network", "from fsp import solve"),
        ("fsp.model.network", "from ..solve import solve_transient"),
        ("fsp.model.network", "def f():\n    import fsp.cli"),
        (
            "fsp.model.network",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from fsp.cli import main",
        ),
        ("fsp.solve", "import fsp"),
        ("fsp.errors", "import fsp.model"),
    ],
)
def test_control_a_wrong_import_is_found(module: str, source: str) -> None:
    assert violations(read_map(_MAP), list(find_imports(source, module, False, _MODULES)))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fsp.solve", "from fsp.model import network"),
        ("fsp.cli", "import fsp"),
        ("fsp.model", "import fsp.errors"),
        ("fsp.errors", "from fsp import names"),
        ("fsp", "from fsp.cli import main"),
    ],
)
def test_control_a_right_import_is_not(module: str, source: str) -> None:
    modules = {*_MODULES, "fsp.names"}
    assert not violations(read_map(_MAP), list(find_imports(source, module, False, modules)))


def test_control_a_cycle_is_found() -> None:
    one = find_imports("def f():\n    from fsp.model import network", "fsp.model", True, _MODULES)
    other = find_imports("import fsp.model", "fsp.model.network", False, _MODULES)
    assert cycle([*one, *other])


def test_control_an_unlisted_module_is_found() -> None:
    assert "fsp.solve" not in read_map("```map\nfsp/errors.py\n```\n")
