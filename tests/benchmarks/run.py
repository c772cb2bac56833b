"""Measure, and print or write the tables of ``docs/performance.md``, and one of ``docs/stationary.md``.

    python tests/benchmarks/run.py --markdown              # everything, in the form of the page
    python tests/benchmarks/run.py --only product --write  # one section, written into the page

Sections: product, solve, collection, timed, stationary, larger, many, ssa, memory, startup. Nothing else should run
on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import re
import sys

import collection
import larger_boxes
import many_species
import memory
import product
import solve
import ssa
import startup
import stationary
import timed
from common import HERE, Options, machine

DOCS = HERE.parents[1] / "docs"
#: Where sections stand; all others in ``performance.md``.
PAGES = {"larger": "stationary.md", "many": "stationary.md"}
SECTIONS = {
    "machine": lambda options: machine(),
    "product": product.section,
    "solve": solve.section,
    "collection": collection.section,
    "timed": timed.section,
    "stationary": stationary.section,
    "larger": larger_boxes.section,
    "many": many_species.section,
    "ssa": ssa.section,
    "memory": memory.section,
    "startup": startup.section,
}


def markers(name: str) -> tuple[str, str]:
    """Return the comments between which a section of the page stands."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def replace(page: str, name: str, text: str) -> str:
    """Return the page with the section ``name`` replaced."""
    begin, end = markers(name)
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(pattern.findall(page)) != 1:
        message = f"the page must hold the markers of section {name} once"
        raise ValueError(message)
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen sections."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="the sections to run"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few repeats and small sizes, to try the scripts"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="also what takes long: expm_multiply on the repressilator to the end (hours)",
    )
    parser.add_argument("--markdown", action="store_true", help="print with the markers of the page")
    parser.add_argument("--write", action="store_true", help="replace the sections in docs/")
    chosen = parser.parse_args(arguments)
    if chosen.quick and chosen.write:
        parser.error("--quick gives no figures to write")
    options = Options(chosen.quick, chosen.full)
    for name in chosen.only:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        text = SECTIONS[name](options)
        begin, end = markers(name)
        print(f"{begin}\n{text}\n{end}\n" if chosen.markdown else f"{text}\n", flush=True)
        if chosen.write:
            page = DOCS / PAGES.get(name, "performance.md")
            page.write_text(replace(page.read_text(encoding="utf-8"), name, text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
