"""Networks of populations, each with its source and what is known in closed form."""

from __future__ import annotations

from fsp.model.network import ReactionNetwork

__all__ = ["birth_death", "immigration_death", "lotka_volterra", "sir"]


def birth_death(
    *,
    birth: float = 0.1,
    death: float = 0.11,
    initial: int = 100,
) -> ReactionNetwork:
    """Return linear birth and death: every individual gives birth and dies independently.

    Reactions: X -> 2 X (birth), X -> 0 (death).

    Closed form: with b = birth, d = death, n = initial, E[X] = n exp((b - d) t) and Var[X] = n (b + d)/(b
    - d) exp((b - d) t) (exp((b - d) t) - 1) (2 n b t for b = d). Each of the n families is extinct at t
    with probability d (E - 1)/(b E - d), E = exp((b - d) t), and otherwise geometric.

    Source: D. G. Kendall, On the generalized birth-and-death process, Ann. Math. Stat. 19:1-15 (1948).

    Parameters
    ----------
    birth, death : float
        Rates, in 1 / unit of time.
    initial : int
        Initial count.
    """
    return ReactionNetwork(
        species={"X": initial},
        reactions=[
            "birth: X -> 2 X @ birth",
            "death: X -> 0 @ death",
        ],
        parameters={"birth": birth, "death": death},
        name="birth_death",
        source=("D. G. Kendall, On the generalized birth-and-death process, Ann. Math. Stat. 19:1-15 (1948)"),
    )


def immigration_death(
    *,
    immigration: float = 1.0,
    death: float = 0.1,
    initial: int = 0,
) -> ReactionNetwork:
    """Return immigration and death: molecules appear at a constant rate and decay.

    Reactions: 0 -> X (immigration), X -> 0 (death).

    Closed form: X(t) is the sum of a Poisson number with mean immigration/death (1 - exp(-death t)) and a
    binomial number of the initial molecules, each left with probability exp(-death t). Stationary:
    Poisson.

    Source: C. W. Gardiner, Handbook of Stochastic Methods, Springer (1985).

    Parameters
    ----------
    immigration, death : float
        Rates, in 1 / unit of time.
    initial : int
        Initial count.
    """
    return ReactionNetwork(
        species={"X": initial},
        reactions=[
            "immigration: 0 -> X @ immigration",
            "death: X -> 0 @ death",
        ],
        parameters={"immigration": immigration, "death": death},
        name="immigration_death",
        source="C. W. Gardiner, Handbook of Stochastic Methods, Springer (1985)",
    )


def lotka_volterra(
    *,
    birth: float = 1.0,
    predation: float = 0.005,
    death: float = 0.6,
    prey: int = 50,
    predators: int = 100,
) -> ReactionNetwork:
    """Return predators and prey, after Lotka and Volterra.

    Reactions: X -> 2 X (birth), X + Y -> 2 Y (predation), Y -> 0 (death).

    Closed form: none; the states without predators and those without prey are never left, and without
    predators the prey only multiply.

    Source: A. J. Lotka, J. Am. Chem. Soc. 42:1595-1599 (1920); rates of D. J. Wilkinson, Stochastic
    Modelling for Systems Biology, Chapman and Hall (2006).

    Parameters
    ----------
    birth, predation, death : float
        Rates, in 1 / unit of time.
    prey, predators : int
        Initial counts.
    """
    return ReactionNetwork(
        species={"X": prey, "Y": predators},
        reactions=[
            "birth: X -> 2 X @ birth",
            "predation: X + Y -> 2 Y @ predation",
            "death: Y -> 0 @ death",
        ],
        parameters={"birth": birth, "predation": predation, "death": death},
        name="lotka_volterra",
        source=(
            "A. J. Lotka, J. Am. Chem. Soc. 42:1595-1599 (1920); rates of D. J. Wilkinson, Stochastic "
            "Modelling for Systems Biology, Chapman and Hall (2006)"
        ),
    )


def sir(
    *,
    infection: float = 0.003,
    recovery: float = 0.1,
    susceptible: int = 95,
    infected: int = 5,
) -> ReactionNetwork:
    """Return the general stochastic epidemic: susceptible, infected, removed.

    Reactions: S + I -> 2 I (infection), I -> R (recovery).

    Closed form: S + I + R is conserved; the final size obeys a triangular system of linear equations, and
    the epidemic dies out with probability one.

    Source: N. T. J. Bailey, The total size of a general stochastic epidemic, Biometrika 40:177-185
    (1953).

    Parameters
    ----------
    infection, recovery : float
        Rates, in 1 / unit of time.
    susceptible, infected : int
        Initial counts.
    """
    return ReactionNetwork(
        species={"S": susceptible, "I": infected, "R": 0},
        reactions=[
            "infect: S + I -> 2 I @ infection",
            "recover: I -> R @ recovery",
        ],
        parameters={"infection": infection, "recovery": recovery},
        name="sir",
        source=(
            "N. T. J. Bailey, The total size of a general stochastic epidemic, Biometrika 40:177-185 (1953)"
        ),
    )
