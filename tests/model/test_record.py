"""Networks as plain data: through JSON and back without loss."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sympy

import fsp
from fsp.errors import ModelError
from fsp.model.record import network_from_record, network_record

LAWS = [
    "k*exp(-X) + max(X, 3, k)*1e300",
    "X if X > 3 and k < 1 or not X == 2 else 1/(X + 1)",
    "piecewise(X, X > 1, 2, X <= 0, 0) + floor(X/2) - ceil(X) + log10(X + 1)",
    "sqrt(2)*pi*X^0.5",
    "min(X, 4)*abs(X - 3)*binomial(X, 6)*factorial(X)*sin(X)/cos(X)",
    "X/X*X*X",
    "(X*X)*(X*X)",
    "2*X + 3*X - (-X)",
    "sqrt(12345.7)*X + exp(1)",
    "(X > 1) == (k > 2)",
    "tan(2)*tanh(3)*sinh(1)*cosh(2)*log(7)*X",
    "exp(2000.5)*0 + exp(1500)^0.001*X",
    "2^0.5*3^-1*X^k",
    "k*X*(1 + 0.1*sin(2*pi*time))",
]


def back(network):
    return network_from_record(json.loads(json.dumps(network_record(network))))


def same(a, b):
    assert a == b
    assert repr(a) == repr(b)
    assert (a.name, a.source, a.notes) == (b.name, b.source, b.notes)
    assert [r.law for r in a.reactions] == [r.law for r in b.reactions]
    for p, q in zip(a.propensities, b.propensities, strict=True):
        assert sympy.srepr(p.expression) == sympy.srepr(q.expression)
        assert (p.species, p.parameters, p.depends_on_time) == (q.species, q.parameters, q.depends_on_time)


@pytest.mark.parametrize("name", fsp.gallery.names())
def test_the_gallery_comes_back(name):
    network = getattr(fsp.gallery, name)()
    again = back(network)
    same(network, again)
    states = np.array([network.initial_state, network.initial_state + 1])
    assert again.evaluate_propensities(states).tolist() == network.evaluate_propensities(states).tolist()
    # What is made of it is what is made of the original.
    parameter = next(iter(network.parameters), None)
    if parameter is not None:
        same(network.with_parameters(**{parameter: 0.5}), again.with_parameters(**{parameter: 0.5}))


@pytest.mark.parametrize("law", LAWS)
def test_every_kind_of_expression_comes_back(law):
    network = fsp.ReactionNetwork(
        {"X": 4, "\u03b2": 1}, [f"0 -> X ; {law}", "named one: 2 X + \u03b2 -> 0 @ k/3"], {"k": 0.1 + 0.2},
        name="a \u2264 b </script>", source="some\nwhere", notes='"quoted"',
    )  # fmt: skip
    same(network, back(network))


def test_models_from_files_come_back():
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.xml")):
        network = fsp.load_model(str(path))
        same(network, back(network))


def test_shared_parts_are_stored_once():
    part = "(X + 1)"
    for _ in range(5):  # twice as long each time, but one node more
        part = f"({part}*{part})"
    network = fsp.ReactionNetwork({"X": 4}, [f"0 -> X ; {part}"])
    assert len(network_record(network)["nodes"]) < 20
    same(network, back(network))


def test_other_networks_are_told_apart():
    network = fsp.gallery.toggle_switch()
    record = network_record(network)
    record["species"]["U"] += 1
    assert network_from_record(record) != network


@pytest.mark.parametrize(
    "change",
    [
        {"nodes": [["import", "os"]]},
        {"nodes": [["symbol"]]},
        {"nodes": [["add", 5]]},
        {"nodes": [["constant", "oo"]]},
        {"nodes": 3},
        {"reactions": [{}]},
        {"species": {"a b": 1}},
        {"species": None},
        {"parameters": {"k": "big"}},
    ],
)
def test_records_that_make_no_sense_are_refused(change):
    record = network_record(fsp.gallery.birth_death())
    with pytest.raises(ModelError):
        network_from_record({**record, **change})
    for key in record:
        with pytest.raises(ModelError):
            network_from_record({k: v for k, v in record.items() if k != key})


def test_what_a_record_cannot_express_is_refused():
    class Odd(fsp.ReactionNetwork):
        def __eq__(self, other):
            return False

        __hash__ = None

    with pytest.raises(ModelError, match="cannot keep"):
        network_record(Odd({"X": 0}, ["0 -> X @ 1"]))


def test_events_come_back():
    network = fsp.ReactionNetwork(
        {"X": 0, "Y": 1},
        ["0 -> X @ k", "X -> 0 @ 1"],
        {"k": 2.0},
        events=[
            "dose: at time >= 2 and not (X > 3): X = max(X, 2*Y), Y = 0; priority Y; not persistent; initially false",
            "at time > 3: k = 0.5",
            "at X > 30: X = 0; values at execution",
        ],
    )
    again = back(network)
    assert again == network
    assert [str(e) for e in again.events] == [str(e) for e in network.events]
    assert again != fsp.ReactionNetwork({"X": 0, "Y": 1}, ["0 -> X @ k", "X -> 0 @ 1"], {"k": 2.0})
