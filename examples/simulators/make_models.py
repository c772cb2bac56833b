"""Write the models on which simulators are checked, as SBML: ``make_models.py [FOLDER]``.

They are small, so that the exact law is quick, and have few molecules, so that mistakes show.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fsp

MODELS = Path(__file__).with_name("models")


def pairs(law: str, initial: int = 8) -> fsp.ReactionNetwork:
    """Few molecules that pair quickly, where A*A, A*(A - 1) and half of it are far apart."""
    return fsp.ReactionNetwork({"A": initial, "D": 0}, [f"2 A -> D {law}"], {"k": 0.1})


def binding() -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork(
        {"A": 20, "B": 15, "AB": 0}, ["A + B -> AB ; kf*A*B - kr*AB"], {"kf": 0.01, "kr": 0.2}
    )


def source(law: str, k: float = 10.0, d: float = 1.0, **more: object) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork({"X": 0}, [f"0 -> X ; {law}", "X -> 0 @ d"], {"k": k, "d": d}, **more)


def networks() -> dict[str, fsp.ReactionNetwork]:
    return {
        "dimerisation": fsp.gallery.dimerisation(),
        "homodimer": pairs("@ k"),
        "homodimer_square": pairs("; k*A^2"),
        "telegraph": fsp.gallery.telegraph(),
        "toggle_switch": fsp.gallery.toggle_switch(a=20.0, K=5.0),
        "michaelis_menten": fsp.gallery.michaelis_menten(),
        "sir": fsp.gallery.sir(),
        "reversible": binding(),
        "event_at_time": source("k", events=["dose: at time >= 2.3: X = X + 15"]),
        "event_when_quiet": source("k", k=0.5, d=0.1, events=["dose: at time >= 2.3: X = X + 15"]),
        "event_at_count": source("k", d=0.1, events=["divide: at X >= 20: X = 10"]),
        "seasonal": fsp.ReactionNetwork({"X": 0}, ["0 -> X ; k*(1 + sin(2*time))"], {"k": 0.5}),
    }


def sbml() -> dict[str, str]:
    """Return the text of each file."""
    texts = {}
    for name, network in networks().items():
        text = network.to_sbml()
        # The law of one reaction is a net rate: that is what "reversible" stands for in files for ODE solvers.
        texts[name] = (
            text.replace('reversible="false"', 'reversible="true"') if name == "reversible" else text
        )
    return texts


def main(folder: Path = MODELS) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in sbml().items():
        (folder / f"{name}.xml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
