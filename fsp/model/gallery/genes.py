"""Networks of genes, each with its source and what is known in closed form."""

from __future__ import annotations

from fsp.model.network import ReactionNetwork

__all__ = ["gene_expression", "goutsias", "repressilator", "telegraph", "toggle_switch"]


def telegraph(
    *,
    on: float = 0.5,
    off: float = 0.5,
    transcription: float = 20.0,
    decay: float = 1.0,
) -> ReactionNetwork:
    """Return a gene that switches on and off and is transcribed while it is on.

    Reactions: OFF -> ON (on), ON -> OFF (off), ON -> ON + M (transcription), M -> 0 (decay).

    Closed form: stationary M is Poisson with a random mean transcription/decay * B, where B has the beta
    distribution with parameters on/decay and off/decay; the moments are closed at all times, ON + OFF =
    1.

    Source: J. Peccoud and B. Ycart, Markovian modeling of gene-product synthesis, Theor. Popul. Biol.
    48:222-234 (1995).

    Parameters
    ----------
    on, off, transcription, decay : float
        Rates, in 1 / unit of time.
    """
    return ReactionNetwork(
        species={"OFF": 1, "ON": 0, "M": 0},
        reactions=[
            "switch_on: OFF -> ON @ on",
            "switch_off: ON -> OFF @ off",
            "transcribe: ON -> ON + M @ transcription",
            "decay: M -> 0 @ decay",
        ],
        parameters={"on": on, "off": off, "transcription": transcription, "decay": decay},
        name="telegraph",
        source=(
            "J. Peccoud and B. Ycart, Markovian modeling of gene-product synthesis, Theor. Popul. "
            "Biol. 48:222-234 (1995)"
        ),
    )


def gene_expression(
    *,
    transcription: float = 2.0,
    translation: float = 4.0,
    rna_decay: float = 1.0,
    protein_decay: float = 0.2,
    initial_rna: int = 0,
    initial_protein: int = 0,
) -> ReactionNetwork:
    """Return two-stage gene expression: RNA is transcribed, protein is translated from it.

    Reactions: 0 -> M (transcription), M -> M + P (translation), M -> 0 (rna_decay), P -> 0
    (protein_decay).

    Closed form: linear, so all moments obey closed equations. Stationary: M is Poisson with mean
    transcription/rna_decay, E[P] = E[M] translation/protein_decay, and Var[P]/E[P] = 1 + b/(1 + e) with b
    = translation/rna_decay and e = protein_decay/rna_decay.

    Source: M. Thattai and A. van Oudenaarden, Intrinsic noise in gene regulatory networks, PNAS
    98:8614-8619 (2001).

    Parameters
    ----------
    transcription, translation, rna_decay, protein_decay : float
        Rates, in 1 / unit of time.
    initial_rna, initial_protein : int
        Initial counts.
    """
    return ReactionNetwork(
        species={"M": initial_rna, "P": initial_protein},
        reactions=[
            "transcribe: 0 -> M @ transcription",
            "translate: M -> M + P @ translation",
            "rna_decay: M -> 0 @ rna_decay",
            "protein_decay: P -> 0 @ protein_decay",
        ],
        parameters={
            "transcription": transcription,
            "translation": translation,
            "rna_decay": rna_decay,
            "protein_decay": protein_decay,
        },
        name="gene_expression",
        source=(
            "M. Thattai and A. van Oudenaarden, Intrinsic noise in gene regulatory networks, PNAS "
            "98:8614-8619 (2001)"
        ),
    )


def toggle_switch(
    *,
    a: float = 100.0,
    K: float = 20.0,
    h: float = 2.0,
    d: float = 1.0,
) -> ReactionNetwork:
    """Return the symmetric toggle switch: two genes that repress one another.

    Reactions: 0 -> U with rate a/(1 + (V/K)^h), U -> 0 (d), and the same with U and V exchanged.

    Closed form: none; the distribution is symmetric in U and V at all times (from 0, 0), and each count
    is at most Poisson with mean a/d (1 - exp(-d t)), in the stochastic order.

    Source: T. S. Gardner, C. R. Cantor, J. J. Collins, Construction of a genetic toggle switch in
    Escherichia coli, Nature 403:339-342 (2000).

    Parameters
    ----------
    a, d : float
        Largest production rate and decay rate, in 1 / unit of time.
    K, h : float
        Count at half repression, and the Hill exponent.
    """
    return ReactionNetwork(
        species={"U": 0, "V": 0},
        reactions=[
            "make_U: 0 -> U ; a/(1 + (V/K)^h)",
            "decay_U: U -> 0 @ d",
            "make_V: 0 -> V ; a/(1 + (U/K)^h)",
            "decay_V: V -> 0 @ d",
        ],
        parameters={"a": a, "K": K, "h": h, "d": d},
        name="toggle_switch",
        source=(
            "T. S. Gardner, C. R. Cantor, J. J. Collins, Construction of a genetic toggle switch in "
            "Escherichia coli, Nature 403:339-342 (2000)"
        ),
    )


def repressilator(
    *,
    k: float = 100.0,
    c: float = 20.0,
    n: float = 6.0,
    d: float = 1.0,
    initial: int = 21,
) -> ReactionNetwork:
    """Return the repressilator without RNA: three genes that repress one another in a ring.

    Reactions: 0 -> X1 with rate k/(1 + c X2^n), 0 -> X2 with k/(1 + c X3^n), 0 -> X3 with k/(1 + c X1^n),
    and Xi -> 0 (d).

    Closed form: none; each count is at most that of immigration at rate k with death at rate d, in the
    stochastic order.

    Source: M. B. Elowitz and S. Leibler, A synthetic oscillatory network of transcriptional regulators,
    Nature 403:335-338 (2000).

    Parameters
    ----------
    k, d : float
        Largest production rate and decay rate, in 1 / unit of time.
    c, n : float
        Strength of the repression, and the Hill exponent.
    initial : int
        Initial count of X1.
    """
    return ReactionNetwork(
        species={"X1": initial, "X2": 0, "X3": 0},
        reactions=[
            "make_X1: 0 -> X1 ; k/(1 + c*X2^n)",
            "decay_X1: X1 -> 0 @ d",
            "make_X2: 0 -> X2 ; k/(1 + c*X3^n)",
            "decay_X2: X2 -> 0 @ d",
            "make_X3: 0 -> X3 ; k/(1 + c*X1^n)",
            "decay_X3: X3 -> 0 @ d",
        ],
        parameters={"k": k, "c": c, "n": n, "d": d},
        name="repressilator",
        source=(
            "M. B. Elowitz and S. Leibler, A synthetic oscillatory network of transcriptional "
            "regulators, Nature 403:335-338 (2000)"
        ),
    )


def goutsias(
    *,
    k1: float = 0.043,
    k2: float = 0.0007,
    k3: float = 0.0715,
    k4: float = 0.0039,
    k5: float = 0.01992646636,
    k6: float = 0.4791,
    k7: float = 0.0001992646636,
    k8: float = 8.765e-12,
    k9: float = 0.08302694316,
    k10: float = 0.5,
) -> ReactionNetwork:
    """Return a model of transcription regulation: a dimer binds to the gene of its own monomer.

    Reactions: RNA -> RNA + M, M -> 0, GeneD -> GeneD + RNA, RNA -> 0, Gene + D <-> GeneD, GeneD + D <->
    Gene2D, 2 M <-> D, with mass action and the rates k1 to k10 in this order (1/s).

    Closed form: Gene + GeneD + Gene2D = 2 is conserved.

    Source: J. Goutsias, Quasiequilibrium approximation of fast reaction kinetics in stochastic
    biochemical systems, J. Chem. Phys. 122:184102 (2005).

    Parameters
    ----------
    k1, k2, k3, k4, k5, k6, k7, k8, k9, k10 : float
        Rates, in 1/s.
    """
    return ReactionNetwork(
        species={"M": 2, "D": 6, "RNA": 0, "Gene": 2, "GeneD": 0, "Gene2D": 0},
        reactions=[
            "translate: RNA -> RNA + M @ k1",
            "decay_M: M -> 0 @ k2",
            "transcribe: GeneD -> GeneD + RNA @ k3",
            "decay_RNA: RNA -> 0 @ k4",
            "bind_1: Gene + D -> GeneD @ k5",
            "unbind_1: GeneD -> Gene + D @ k6",
            "bind_2: GeneD + D -> Gene2D @ k7",
            "unbind_2: Gene2D -> GeneD + D @ k8",
            "associate: 2 M -> D @ k9",
            "dissociate: D -> 2 M @ k10",
        ],
        parameters={
            "k1": k1,
            "k2": k2,
            "k3": k3,
            "k4": k4,
            "k5": k5,
            "k6": k6,
            "k7": k7,
            "k8": k8,
            "k9": k9,
            "k10": k10,
        },
        name="goutsias",
        source=(
            "J. Goutsias, Quasiequilibrium approximation of fast reaction kinetics in stochastic "
            "biochemical systems, J. Chem. Phys. 122:184102 (2005)"
        ),
    )
