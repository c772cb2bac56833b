"""Files that are no models, made the same way each time: what `test_malformed_inputs` feeds to ``fsp info``."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from malformed_antimony import wrong_antimony
from malformed_sbml import SBML_FAMILIES

import fsp

__all__ = ["Case", "cases", "special_paths"]

ROOT = Path(__file__).resolve().parents[1]


class Case(NamedTuple):
    """One input: its name, the ending of its file, and what is in it."""

    name: str
    ending: str
    data: bytes


def rich_network() -> fsp.ReactionNetwork:
    """Return a network that uses most of what the writers can write."""
    return fsp.ReactionNetwork(
        {"A": 3, "B": 0, "G": 1},
        [
            "bind: 2 A -> B @ k",
            "B -> 2 A ; q*piecewise(B, A > 3 and not (B == 2), B/2)",
            "G -> G + A ; k*exp(-time/5)*max(G, 1)^1.5 + 1.25e-7*log10(A + 1)",
            "A -> 0 ; sqrt(k)*A/(1 + floor(B/7))",
        ],
        {"k": 0.1 + 0.2, "q": 2.5e-9},
        name="rich",
        observables={"total": "A + 2*B"},
    )


def sbml_bases() -> list[str]:
    paths = [ROOT / "fsp/model/data/dimerisation.xml", ROOT / "fsp/model/data/toggle_switch.xml"]
    return [rich_network().to_sbml(), *(path.read_text(encoding="utf-8") for path in paths)]


def antimony_bases() -> list[str]:
    by_hand = """// a model
function hill(x, K)
  x/(K + x)
end
model inner(S)
  S => ; 2*S;
end
model *outer()
  compartment cell = 1; species A in cell; A = 5; B = 0; k = 1.5; r := k*A; var x; x = 2;
  R1: A -> B; k*A; R2: B => ; hill(B, 3)*x; sub: inner(A);
  A has item; k is "rate";
end
"""
    return [rich_network().to_antimony(), by_hand]


# -- damage ------------------------------------------------------------------------------------------------


def damaged(kind: str, ending: str, bases: list[str], scale: int) -> Iterator[Case]:
    """Cut texts off, flip their bits, and move their parts about."""
    dice = random.Random(f"{kind} 2026")
    for b, base in enumerate(bases):
        data = base.encode()
        for i in range(10 * scale):
            at = dice.randrange(1, len(data) - 8)
            yield Case(f"{kind} {b} truncated at {at} ({i})", ending, data[:at])
        for i in range(20 * scale):
            flipped = bytearray(data)
            for _ in range(dice.choice([1, 1, 2, 5, 20])):
                flipped[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            yield Case(f"{kind} {b} bits flipped ({i})", ending, bytes(flipped))
        for i in range(5 * scale):
            x, y, z = sorted(dice.randrange(len(data)) for _ in range(3))
            change = dice.choice(
                [data[:x] + data[y:], data[:y] + data[x:], data[:x] + data[y:z] + data[x:y] + data[z:]]
            )
            yield Case(f"{kind} {b} parts moved ({i})", ending, change)
        lines = base.splitlines()
        for i in range(5 * scale):
            order = lines[:]
            for _ in range(3):
                x, y = dice.randrange(len(order)), dice.randrange(len(order))
                order[x], order[y] = order[y], order[x]
            del order[dice.randrange(len(order))]
            yield Case(f"{kind} {b} lines moved ({i})", ending, "\n".join(order).encode())


def junk(kind: str, ending: str, base: str) -> Iterator[Case]:
    """Make files that are no text, or no text in UTF-8."""
    dice = random.Random(f"{kind} junk")
    yield Case(f"{kind} empty", ending, b"")
    yield Case(f"{kind} blank", ending, b" \n\t \r\n" * 100)
    yield Case(f"{kind} byte order mark only", ending, b"\xef\xbb\xbf")
    yield Case(f"{kind} zeros", ending, bytes(10_000))
    yield Case(f"{kind} a zero byte inside", ending, base.encode()[:400] + b"\0" + base.encode()[400:])
    yield Case(f"{kind} zero byte at the end of half", ending, base.encode()[: len(base) // 2] + b"\0")
    for n in (1, 3, 100, 10_000, 1_000_000):
        yield Case(f"{kind} random bytes ({n})", ending, dice.randbytes(n))
        text = "".join(dice.choice("<>&;/=\"'abc(){}[]:\n \\%#0.9e+-*^") for _ in range(min(n, 20_000)))
        yield Case(f"{kind} random text ({n})", ending, text.encode())
    yield Case(f"{kind} gzip", ending, gzip.compress(base.encode(), mtime=0))
    yield Case(f"{kind} png", ending, b"\x89PNG\r\n\x1a\n" + dice.randbytes(1000))
    yield Case(f"{kind} elf", ending, b"\x7fELF\x02\x01\x01" + dice.randbytes(1000))
    yield Case(f"{kind} pickle", ending, b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    for encoding in ("utf-16", "utf-16-be", "utf-32", "cp037"):
        yield Case(f"{kind} in {encoding}", ending, base.encode(encoding))
    yield Case(f"{kind} latin-1 letters", ending, base.replace("rich", "é").encode("latin-1"))
    yield Case(f"{kind} surrogates", ending, base.encode()[:200] + b"\xed\xa0\x80" + base.encode()[200:])


# -- all of them -------------------------------------------------------------------------------------------


def cases() -> Iterator[Case]:
    """Yield all inputs that are files, in a fixed order."""
    xml, ant = sbml_bases(), antimony_bases()
    yield from damaged("SBML", ".xml", xml, 2)
    yield from damaged("Antimony", ".ant", ant, 1)
    yield from junk("SBML", ".xml", xml[0])
    yield from junk("Antimony", ".ant", ant[0])
    for family in SBML_FAMILIES:
        for name, text in family():
            yield Case(f"{family.__name__}: {name}", ".xml", text.encode())
    for name, text in wrong_antimony():
        yield Case(f"Antimony: {name}", ".ant", text.encode())
    for ending in ("", ".py", ".ode", ".json", ".xml.gz", ".XML~", ".csv"):
        yield Case(f"ending {ending!r}", ending, xml[0].encode())


def special_paths(folder: Path) -> dict[str, str]:
    """Make what is no ordinary file, and return the paths by name."""
    (folder / "folder.xml").mkdir()
    (folder / "folder.ant").mkdir()
    (folder / "loop.xml").symlink_to(folder / "loop.xml")
    (folder / "nowhere.xml").symlink_to(folder / "missing.xml")
    os.mkfifo(folder / "pipe.xml")
    os.mkfifo(folder / "pipe.ant")
    (folder / "zero.xml").symlink_to("/dev/zero")
    (folder / "zero.ant").symlink_to("/dev/zero")
    (folder / "null.xml").symlink_to("/dev/null")
    with (folder / "huge.xml").open("wb") as file:
        file.truncate(10**10)  # 10 GB with holes
    with (folder / "huge.ant").open("wb") as file:
        file.truncate(10**10)
    names = [p.name for p in folder.iterdir() if not p.name.startswith("case")]
    found = {f"path {name}": str(folder / name) for name in sorted(names)}
    found["path that does not exist"] = str(folder / "not there.xml")
    found["path that is too long"] = str(folder / ("x" * 5000 + ".xml"))
    found["path with a file as its folder"] = str(folder / "null.xml" / "model.xml")
    found["path that is empty"] = ""
    found["path of a dot"] = "."
    found["path with odd letters"] = str(folder / "\udcff\n\x1b[31m.xml")
    found["gallery of nothing"] = "gallery:"
    found["gallery of a path"] = "gallery:../../../etc/passwd"
    found["gallery of a long name"] = "gallery:" + "x" * 10_000
    return found
