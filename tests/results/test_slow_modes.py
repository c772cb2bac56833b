"""`fsp.slow_modes` on networks: closed forms, metastable sets, pictures, wrong use."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import eigs
from scipy.special import comb
from slow_chains import inverse_iteration_rate

import fsp

pytestmark = pytest.mark.filterwarnings("error")

DIMER = ["A + A -> B @ 0.02", "B -> A + A @ 1.5"]


def immigration_death(rate: float = 4.0, death: float = 0.5) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork({"X": 0}, ["0 -> X @ b", "X -> 0 @ d"], {"b": rate, "d": death})


def charlier(n: int, x: np.ndarray, mean: float) -> np.ndarray:
    """Return the Charlier polynomial of degree n, orthogonal for the Poisson law."""
    return sum(
        comb(n, k) * (-1.0 / mean) ** k * np.prod([x - i for i in range(k)], axis=0) for k in range(n + 1)
    )


def test_immigration_and_death_has_multiples_of_the_death_rate_and_charlier_polynomials() -> None:
    modes = fsp.slow_modes(immigration_death(), k=3, bounds={"X": 45})
    exact = 0.5 * np.arange(1, 4)
    assert np.abs(modes.rates - exact).max() <= modes.error_bounds.max() <= 1e-9
    assert modes.certified_on_set
    assert not modes.certified  # what lies above 45 is not covered
    assert not modes.complete
    x = modes.states[:, 0].astype(float)
    seen = modes.law > 1e-10
    for j in range(3):
        polynomial = charlier(j + 1, x, 8.0)
        polynomial /= np.sqrt(modes.law @ polynomial**2)
        error = np.abs(modes.left[:, j] * np.sign(modes.left[:, j] @ (modes.law * polynomial)) - polynomial)
        assert error[seen].max() <= 1e-6
        assert modes.upper_bound(j) >= exact[j]
        assert modes.upper_bound(j) - exact[j] <= 1e-9


def test_without_bounds_the_set_is_that_of_the_stationary_law() -> None:
    modes = fsp.slow_modes(immigration_death(), k=2, tolerance=1e-10)
    assert not modes.complete
    assert "stationary probability" in modes.method
    assert (np.abs(modes.rates - [0.5, 1.0]) <= modes.error_bounds).all()
    assert modes.error_bounds.max() <= 1e-6
    switch = fsp.slow_modes(fsp.gallery.schloegl(), k=1)
    wide = fsp.slow_modes(fsp.gallery.schloegl(), k=1, bounds={"X": 900})
    assert switch.n_states < 750
    assert abs(switch.rates[0] - wide.rates[0]) <= switch.error_bounds[0]
    assert fsp.thermodynamics(fsp.gallery.schloegl()).affinities[0].affinity == pytest.approx(
        2.50738, rel=1e-5
    )


def test_isomerisation_has_multiples_of_both_rates_and_krawtchouk_polynomials() -> None:
    n, forward, backward = 30, 2.0, 0.5
    network = fsp.gallery.isomerisation(initial=n, forward=forward, backward=backward)
    modes = fsp.slow_modes(network, k=4)
    assert modes.certified
    for j in range(4):
        bounds = modes.rate_bounds(j)
        assert bounds.certified
        assert (j + 1) * (forward + backward) in bounds
        assert bounds.width <= 1e-9
    share = forward / (forward + backward)
    b = modes.states[:, network.species_index("B")]
    linear = (b - n * share) / np.sqrt(n * share * (1 - share))
    assert np.abs(np.abs(modes.left[:, 0]) - np.abs(linear)).max() <= 1e-9
    assert modes.relaxation_time == pytest.approx(0.4, rel=1e-12)


def test_a_linear_network_without_detailed_balance() -> None:
    """Telegraph: rates are sums of multiples of on + off and of the decay rate."""
    network = fsp.gallery.telegraph(on=0.3, off=0.5, transcription=3.0, decay=1.0)
    modes = fsp.slow_modes(network, k=4, bounds={"M": 40})
    exact = np.array([0.8, 1.0, 1.8, 2.0])
    assert not modes.detailed_balance
    assert not modes.certified
    assert not modes.rate_bounds(0).certified
    assert (np.abs(modes.rates - exact) <= modes.error_bounds).all()
    assert modes.error_bounds.max() <= 1e-4
    assert modes.upper_bound(0) == np.inf


def test_a_driven_ring_oscillates() -> None:
    network = fsp.ReactionNetwork({"A": 1, "B": 0, "C": 0}, ["A -> B @ 1", "B -> C @ 1", "C -> A @ 1"])
    modes = fsp.slow_modes(network, k=2)
    exact = np.sort_complex(1.0 - np.exp(2j * np.pi * np.array([1, 2]) / 3))
    assert np.abs(np.sort_complex(modes.rates) - exact).max() <= 1e-12
    with pytest.raises(fsp.ArgumentError, match="not real"):
        modes.rate_bounds(0)
    with pytest.raises(fsp.ArgumentError, match="real modes"):
        modes.metastable_sets(2)
    assert modes.plot(names="A").axes[0].get_xlabel() == "decay rate (1/time)"


def test_a_reversible_network_in_two_species_is_proven() -> None:
    """Dimers: one conserved total; against a dense eigensolver."""
    network = fsp.ReactionNetwork({"A": 20, "B": 0}, DIMER)
    modes = fsp.slow_modes(network, k=3)
    dense = np.sort(-np.linalg.eigvals(modes.chain.generator().toarray()).real)
    assert modes.certified
    for j in range(3):
        assert abs(modes.rate_bounds(j).midpoint - dense[j + 1]) <= 1e-9


def test_a_reversible_lattice_of_two_species() -> None:
    """Conversion and exchange with a reservoir, linear: rates are sums of two eigenvalues of the equations of the means."""
    network = fsp.ReactionNetwork(
        {"A": 0, "B": 0}, ["0 -> A @ 6", "A -> 0 @ 1", "A -> B @ 0.5", "B -> A @ 0.7"]
    )
    modes = fsp.slow_modes(network, k=3, bounds={"A": 30, "B": 26})
    slow = np.linalg.eigvals([[1.5, -0.7], [-0.5, 0.7]]).min()
    assert modes.certified_on_set
    for j in range(3):
        assert abs(modes.rates[j] - (j + 1) * slow) <= modes.error_bounds[j] <= 1e-5
        assert (j + 1) * slow <= modes.upper_bound(j)


def test_metastable_sets_of_a_toggle_switch() -> None:
    network = fsp.gallery.toggle_switch(a=30.0, K=5.0)
    modes = fsp.slow_modes(network, k=3, bounds={"U": 55, "V": 55})
    sets = modes.metastable_sets()
    assert sets.rates.shape == (2, 2)
    assert np.abs(sets.probabilities - 0.5).max() <= 1e-6  # by symmetry
    assert sets.rates[0, 1] + sets.rates[1, 0] == pytest.approx(modes.rates[0], rel=1e-9)
    u, v = network.species_index("U"), network.species_index("V")
    high = modes.states[:, u] > modes.states[:, v] + 15
    assert len(set(sets.label[high])) == 1
    assert sets.peaks[0][[u, v]].tolist() == sets.peaks[1][[v, u]].tolist()
    assert np.abs(sets.membership.sum(axis=1) - 1.0).max() <= 1e-12
    with pytest.raises(fsp.ArgumentError, match="between 2 and 4 sets"):
        modes.metastable_sets(7)


#: A toggle switch on 881 states, and its slowest rate by inverse iteration with 60 digits.
RARE = fsp.gallery.toggle_switch(a=60.0, K=1.0, h=4.0)
RARE_BOUNDS = [{"U": 100, "V": 100}, "U*V <= 150"]
RARE_RATE = 7.069673955885962e-13


def test_a_toggle_switch_with_a_relaxation_time_above_1e12() -> None:
    """Two species, no detailed balance; shift-invert with an ordinary LU factorisation of the generator fails."""
    modes = fsp.slow_modes(RARE, k=1, bounds=RARE_BOUNDS)
    assert not modes.detailed_balance
    assert modes.relaxation_time > 1e12
    assert abs(modes.rates[0] / RARE_RATE - 1.0) <= 1e-11
    assert modes.metastable_sets(2).probabilities == pytest.approx([0.5, 0.5], rel=1e-9)
    assert "watched at 2 states" in modes.notes[0]
    plain = np.sort(-eigs(modes.inside.generator(), k=2, sigma=1e-6, return_eigenvectors=False).real)
    assert abs(plain[1] / RARE_RATE - 1.0) > 1e-5  # no six digits


@pytest.mark.slow
def test_the_reference_of_60_digits() -> None:
    modes = fsp.slow_modes(RARE, k=1, bounds=RARE_BOUNDS)
    exact = inverse_iteration_rate(modes.inside, RARE_RATE)
    assert abs(float(exact) / RARE_RATE - 1.0) <= 1e-14


def test_a_network_without_metastable_sets_says_so() -> None:
    modes = fsp.slow_modes(immigration_death(), k=3, bounds={"X": 40})
    with pytest.raises(fsp.ArgumentError, match="no metastable sets"):
        modes.metastable_sets()


def test_pictures_and_text() -> None:
    modes = fsp.slow_modes(fsp.gallery.schloegl(k3=200.0, k4=3.5, k1=0.03, k2=1e-4), k=2, bounds={"X": 250})
    figure = modes.plot(modes=2)
    assert len(figure.axes) == 5
    assert figure.axes[0].get_yscale() == "log"
    assert "2 modes on 251 states, detailed balance" in repr(modes)
    plane = fsp.slow_modes(fsp.gallery.toggle_switch(a=8.0, K=4.0), k=1, bounds={"U": 20, "V": 20})
    assert len(plane.plot().axes) == 5  # two of them are colour bars
    assert len(plane.plot("U").axes) == 3
    with pytest.raises(fsp.ArgumentError, match="no species 'W'"):
        plane.plot("W")
    with pytest.raises(fsp.ArgumentError, match="between 1 and 1"):
        plane.plot(modes=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fsp.slow_modes(immigration_death(), k=0, bounds={"X": 9}), "at least 1"),
        (lambda: fsp.slow_modes(immigration_death(), tolerance=2.0), "tolerance"),
        (lambda: fsp.slow_modes(immigration_death(), bounds={"X": 9}, method="magic"), "unknown method"),
        (
            lambda: fsp.slow_modes(
                fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 1 + sin(time)"]), bounds={"X": 5}
            ),
            "depend on time",
        ),
        (
            lambda: fsp.slow_modes(
                fsp.ReactionNetwork({"A": 1, "B": 0, "C": 0}, ["A -> B @ 1", "A -> C @ 1"])
            ),
            "2 closed classes",
        ),
        (lambda: fsp.slow_modes(fsp.ReactionNetwork({"X": 0}, ["X -> 0 @ 1"])), "single state"),
    ],
)
def test_wrong_use(make: object, message: str) -> None:
    with pytest.raises(fsp.FSPError, match=message):
        make()  # type: ignore[operator]


def test_too_many_states_are_refused() -> None:
    with pytest.raises(fsp.StateSpaceLimitError):
        fsp.slow_modes(immigration_death(), bounds={"X": 10_000}, max_states=100)


def test_rates_below_rounding_are_not_negative():
    """Many rates of 1e-9 beside 1e8: none is known, and none can be told from the next."""
    walk = [f"{a} -> {b} @ 1e-9" for a, b in ("AB", "BA", "BC", "CB", "CD", "DC")]
    network = fsp.ReactionNetwork(
        {"A": 3, "B": 0, "C": 0, "D": 0, "G": 1, "H": 0}, [*walk, "G -> H @ 1e8", "H -> G @ 1e8"]
    )
    modes = fsp.slow_modes(network, k=3)
    assert (modes.rates >= 0.0).all()
    assert (modes.rates <= modes.error_bounds).all()
    assert not modes.certified
    assert modes.relaxation_time > 0.0
    assert modes.plot() is not None
    with pytest.raises(fsp.ArgumentError, match="no metastable sets"):
        modes.metastable_sets()


@pytest.mark.parametrize(
    "call", ["rate_bounds(9)", "rate_bounds('a')", "upper_bound(99)", "metastable_sets('a')"]
)
def test_numbers_of_modes_that_are_none(call):
    modes = fsp.slow_modes(fsp.ReactionNetwork({"A": 5, "B": 0}, ["A -> B @ 1", "B -> A @ 2"]), k=2)
    name, _, value = call.rstrip(")").partition("(")
    with pytest.raises(fsp.ArgumentError, match="modes"):
        getattr(modes, name)(value.strip("'") if "'" in value else int(value))
