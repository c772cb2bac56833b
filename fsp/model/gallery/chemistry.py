"""Networks of chemical reactions and enzymes, each with its source and what is known in closed form."""

from __future__ import annotations

from fsp.model.network import ReactionNetwork

__all__ = ["dimerisation", "enzymatic_futile_cycle", "isomerisation", "michaelis_menten", "schloegl"]


def dimerisation(
    *,
    association: float = 0.001,
    dissociation: float = 0.01,
    initial: int = 100,
) -> ReactionNetwork:
    """Return the reversible dimerisation of a protein.

    Reactions: 2 P -> P2 (association, propensity association P (P - 1)/2), P2 -> 2 P (dissociation).

    Closed form: P + 2 P2 is conserved; on the remaining line the process is a birth-death process, so the
    stationary distribution is the product of rate ratios: P(P2 = n) is proportional to (association/(2
    dissociation))^n initial!/(n! (initial - 2 n)!).

    Source: T. W. Evans, C. S. Gillespie, D. J. Wilkinson, The SBML discrete stochastic models test suite,
    Bioinformatics 24:285-286 (2008), model 003.

    Parameters
    ----------
    association, dissociation : float
        Rates, in 1 / unit of time.
    initial : int
        Initial count.
    """
    return ReactionNetwork(
        species={"P": initial, "P2": 0},
        reactions=[
            "associate: 2 P -> P2 @ association",
            "dissociate: P2 -> 2 P @ dissociation",
        ],
        parameters={"association": association, "dissociation": dissociation},
        name="dimerisation",
        source=(
            "T. W. Evans, C. S. Gillespie, D. J. Wilkinson, The SBML discrete stochastic models test "
            "suite, Bioinformatics 24:285-286 (2008), model 003"
        ),
    )


def isomerisation(
    *,
    forward: float = 1.0,
    backward: float = 1.0,
    initial: int = 1000,
) -> ReactionNetwork:
    """Return an isomerisation: molecules change between two forms, independently of one another.

    Reactions: A -> B (forward), B -> A (backward).

    Closed form: B(t) is binomial with `initial` trials and success probability forward/(forward +
    backward) (1 - exp(-(forward + backward) t)). A + B is conserved.

    Source: D. A. McQuarrie, Stochastic approach to chemical kinetics, J. Appl. Prob. 4:413-478 (1967).

    Parameters
    ----------
    forward, backward : float
        Rates, in 1 / unit of time.
    initial : int
        Initial count.
    """
    return ReactionNetwork(
        species={"A": initial, "B": 0},
        reactions=[
            "forward: A -> B @ forward",
            "backward: B -> A @ backward",
        ],
        parameters={"forward": forward, "backward": backward},
        name="isomerisation",
        source=("D. A. McQuarrie, Stochastic approach to chemical kinetics, J. Appl. Prob. 4:413-478 (1967)"),
    )


def michaelis_menten(
    *,
    binding: float = 0.01,
    unbinding: float = 0.1,
    catalysis: float = 0.1,
    substrate: int = 50,
    enzyme: int = 10,
) -> ReactionNetwork:
    """Return an enzyme that turns a substrate into a product.

    Reactions: S + E -> ES (binding), ES -> S + E (unbinding), ES -> E + P (catalysis).

    Closed form: E + ES = enzyme and S + ES + P = substrate are conserved; all substrate ends as product.

    Source: L. Michaelis and M. L. Menten, Die Kinetik der Invertinwirkung, Biochem. Z. 49:333-369 (1913).

    Parameters
    ----------
    binding, unbinding, catalysis : float
        Rates, in 1 / unit of time.
    substrate, enzyme : int
        Initial counts.
    """
    return ReactionNetwork(
        species={"S": substrate, "E": enzyme, "ES": 0, "P": 0},
        reactions=[
            "bind: S + E -> ES @ binding",
            "unbind: ES -> S + E @ unbinding",
            "catalyse: ES -> E + P @ catalysis",
        ],
        parameters={"binding": binding, "unbinding": unbinding, "catalysis": catalysis},
        name="michaelis_menten",
        source=(
            "L. Michaelis and M. L. Menten, Die Kinetik der Invertinwirkung, Biochem. Z. 49:333-369 (1913)"
        ),
    )


def schloegl(
    *,
    k1: float = 0.18,
    k2: float = 2.5e-4,
    k3: float = 2200.0,
    k4: float = 37.5,
    initial: int = 0,
) -> ReactionNetwork:
    """Return the Schloegl model: one species, two stable states, and stiff.

    Reactions, with the propensities of the literature (no factorials): 2 X -> 3 X, k1 X (X - 1); 3 X -> 2
    X, k2 X (X - 1) (X - 2); 0 -> X, k3; X -> 0, k4 X.

    Closed form: a birth-death process, so stationary P(n) is proportional to the product over m < n of
    (k1 m (m - 1) + k3)/(k2 (m + 1) m (m - 1) + k4 (m + 1)).

    Source: F. Schloegl, Chemical reaction models for non-equilibrium phase transitions, Z. Phys.
    253:147-161 (1972).

    Parameters
    ----------
    k1, k2, k3, k4 : float
        Rates, in 1 / unit of time.
    initial : int
        Initial count.
    """
    return ReactionNetwork(
        species={"X": initial},
        reactions=[
            "R1: 2 X -> 3 X ; k1*X*(X - 1)",
            "R2: 3 X -> 2 X ; k2*X*(X - 1)*(X - 2)",
            "R3: 0 -> X @ k3",
            "R4: X -> 0 @ k4",
        ],
        parameters={"k1": k1, "k2": k2, "k3": k3, "k4": k4},
        name="schloegl",
        source=(
            "F. Schloegl, Chemical reaction models for non-equilibrium phase transitions, Z. Phys. "
            "253:147-161 (1972)"
        ),
    )


def enzymatic_futile_cycle(
    *,
    binding: float = 1.0,
    unbinding: float = 1.0,
    catalysis: float = 0.1,
    substrate: int = 50,
    product: int = 50,
    enzymes: int = 1,
) -> ReactionNetwork:
    """Return two enzymes that turn a substrate into a product and back.

    Reactions: S + E1 -> ES (binding), ES -> S + E1 (unbinding), ES -> P + E1 (catalysis); P + E2 -> EP,
    EP -> P + E2, EP -> S + E2 with the same rates.

    Closed form: E1 + ES, E2 + EP and S + P + ES + EP are conserved; with equal rates and amounts the
    distribution is symmetric in S and P.

    Source: M. Samoilov, S. Plyasunov, A. P. Arkin, Stochastic amplification and signaling in enzymatic
    futile cycles through noise-induced bistability with oscillations, PNAS 102:2310-2315 (2005).

    Parameters
    ----------
    binding, unbinding, catalysis : float
        Rates, in 1 / unit of time.
    substrate, product, enzymes : int
        Initial counts.
    """
    return ReactionNetwork(
        species={"S": substrate, "E1": enzymes, "ES": 0, "P": product, "E2": enzymes, "EP": 0},
        reactions=[
            "bind_1: S + E1 -> ES @ binding",
            "unbind_1: ES -> S + E1 @ unbinding",
            "catalyse_1: ES -> P + E1 @ catalysis",
            "bind_2: P + E2 -> EP @ binding",
            "unbind_2: EP -> P + E2 @ unbinding",
            "catalyse_2: EP -> S + E2 @ catalysis",
        ],
        parameters={"binding": binding, "unbinding": unbinding, "catalysis": catalysis},
        name="enzymatic_futile_cycle",
        source=(
            "M. Samoilov, S. Plyasunov, A. P. Arkin, Stochastic amplification and signaling in "
            "enzymatic futile cycles through noise-induced bistability with oscillations, PNAS "
            "102:2310-2315 (2005)"
        ),
    )
