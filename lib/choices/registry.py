"""The choices that the paper leaves open: their levels, ours, and the claims that each can touch."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .. import claims
from ..checks import require
from ..experiments import Experiment

KINDS = ("parameters", "inputs")  # of noise
FITTED = ("removed", "returns", "decay_grows", "residual", "noise_fitted", "noise_decay")
LETTER_LEVEL = "≤ 0.001"  # of the choice delta_min
OF_NOISE = ("noise_spindle", "noise_fitted", "noise_decay", "noise_needs")
CLAIMS = ("decays", "untrained", "emerged", "needs_spindle", *FITTED[:4], *OF_NOISE)
OF_TRAINING = tuple(key for key in CLAIMS if key not in OF_NOISE)
ALPHAS = ("0.5 to 1.5", "3/n to 2 − 1/n")  # ranges of α
OPTIMA, OF_DIFFERENCE = "two optima", "v − v_noise"  # how what noise adds is found
OTHER_SEED = "another seed's"
AS_MEASURED = "as usual"


@dataclass(frozen=True)
class Choice:
    """One thing that the paper leaves open: its levels, ours, and the claims that it can touch.

    `apart`: its other levels have value tables of their own, often of fewer samples. They are judged in a block of
    their own, beside ours on the same samples, with the levels of all other choices but not with those of another
    choice that is apart.
    """

    name: str
    meaning: str
    levels: tuple  # numbers or words
    default: float | str  # one of them
    claims: tuple[str, ...]  # keys of claims.RULES
    other: Mapping[str, tuple] = dataclasses.field(default_factory=dict)  # key → levels that only this claim has
    defaults: Mapping[str, float | str] = dataclasses.field(default_factory=dict)  # key → default where it differs
    apart: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(set(self.claims) - set(claims.RULES))
        require(not unknown, f"claims of {self.name}", unknown, "keys of claims.RULES")
        for key in self.claims:
            default, levels = self.default_of(key), self.levels_of(key)
            require(default in levels, f"default of {self.name}", repr(default), ", ".join(map(str, levels)))

    def levels_of(self, key: str) -> tuple:
        """The levels that can touch the claim; none if it is out of reach."""
        return self.other.get(key, self.levels) if key in self.claims else ()

    def default_of(self, key: str) -> float | str:
        return self.defaults.get(key, self.default)


def registry(
    zeta: float = 0.02,
    ties: str = "low",
    tau: float = 0.02,
    reference: str = "self",
    delta_min: float = 1e-3,
    alpha: str = "0.5 to 1.5",
    other_seed: bool = False,
    difference: bool = False,
) -> tuple[Choice, ...]:
    """All choices that need no tables of their own; the first arguments are the defaults, those of params.yaml.

    A default that is none of the levels joins them. Under noise all strengths share one unit, and every statistic is
    free of it unless each level has its own. `other_seed`: I* of another training is a level, the control of
    `undisturbed`. `difference`: the tables v − v_noise are solved as well.
    """
    all_but_noise = tuple(key for key in CLAIMS if key != "noise_spindle")
    of_noise = ("self", "converged", "undisturbed", *([OTHER_SEED] if other_seed else []))
    noise = dict.fromkeys(("noise_fitted", "noise_decay"), of_noise)
    plain = "self" if reference == "undisturbed" else reference  # along training nothing is disturbed
    units = ("order 1", "orders 1+2", "swing")
    chosen = (
        Choice("zeta", "ζ, noise that may be removed from v, share of the swing", _with(zeta, 0.0, 0.01, 0.02),
               zeta, CLAIMS),
        Choice("ties", "of equally sparse interactions, those of low or of high orders", ("low", "high"), ties, CLAIMS),
        Choice("limits", "the swing of which ζ and τ are shares", ("mean", "each sample's"), "mean", CLAIMS),
        Choice("tau", "τ, salient interactions are stronger, share of the swing", _with(tau, 0.0, 0.01, 0.02, 0.05),
               tau, all_but_noise),
        Choice("side", "where τ is applied: to what is measured, or to both sides of Eq. 9", ("measured", "both"),
               "measured", FITTED),
        Choice("reference", "I* of the decay, whose it is", ("self", "converged"), plain, FITTED, other=noise,
               defaults=dict.fromkeys(noise, reference)),
        Choice("delta_min", "least δ of the decay", _with(delta_min, 1e-6, 1e-4, 1e-3, 1e-2),
               delta_min, FITTED),
        Choice("alpha", "range of α of the spindle", tuple(dict.fromkeys([*ALPHAS, alpha])), alpha, FITTED),
        Choice("unit", "unit of strengths that are compared along training; log-odds: Z after the difference", units,
               "order 1", ("emerged", "decay_grows"), other={"emerged": (*units, "log-odds")},
               defaults={"decay_grows": "swing"}),
        Choice("change", "what emerges: the change of A(m), or only where it grows", ("either way", "growth"),
               "either way", ("emerged",)),
        Choice("noise_unit", "unit of strengths under noise: Z of B, or of each level", ("of B", "its own"), "of B",
               ("noise_fitted", "noise_decay")),
    )  # fmt: skip
    added = Choice(
        "added",
        "what noise adds: the difference of two optima, or the sparsest model of v − v_noise",
        (OPTIMA, OF_DIFFERENCE),
        OPTIMA,
        ("noise_spindle",),
    )
    return (*chosen, added) if difference else chosen


def registry_of(setting: Experiment, other_seed: bool = False, difference: bool = False) -> tuple[Choice, ...]:
    """The choices with the defaults of an experiment."""
    own = tuple(setting.alpha_range)
    known = {alpha_range(level, setting.players): level for level in ALPHAS}
    alpha = known.get(own, f"{own[0]!r} to {own[1]!r}")
    defaults = setting.zeta, setting.ties, setting.tau, setting.reference, setting.delta_min, alpha
    return registry(*defaults, other_seed, difference)


def apart(name: str, levels: Sequence[str]) -> Choice:
    """A choice with value tables of its own; the first level is ours. Raises KeyError for an unknown name."""
    meaning, touched = {
        "time": ("which checkpoint B is", OF_TRAINING[:1] + OF_TRAINING[2:]),
        "measured": ("what is masked, and what v is", OF_TRAINING),
        "draw": ("which noise on the parameters was drawn", OF_NOISE),
        "sign": ("which way the noise on the inputs goes", OF_NOISE),
        "solver": ("how Eq. 12 is solved", ("decays", "untrained", "emerged", "needs_spindle", "removed", "returns")),
    }[name]
    return Choice(name, meaning, tuple(levels), levels[0], touched, apart=True)


def keep(choices: Sequence[Choice], **levels: tuple) -> tuple[Choice, ...]:
    """The choices with fewer levels of those named; a choice with one level left is made. Raises as `Choice` does."""
    return tuple(dataclasses.replace(one, levels=levels.get(one.name, one.levels)) for one in choices)


def alpha_range(level: str, n: int) -> tuple[float, float]:
    """The range of α that a level of the choice `alpha` names."""
    return (3 / n, 2 - 1 / n) if level == ALPHAS[1] else tuple(map(float, level.split(" to ")))


def one(choices: Sequence[Choice], name: str) -> Choice:
    """The choice of a name. Raises StopIteration where there is none."""
    return next(choice for choice in choices if choice.name == name)


def words_of(key: str, conditions: Sequence[str]) -> Iterator[dict[str, str]]:
    """What fills in the claim's text: {later} of `emerged`, {kind} of noise; only what these conditions have."""
    if key == "emerged":
        yield from ({"later": later} for later in "CD" if later in conditions)
    elif key in OF_NOISE:
        yield from ({"kind": kind} for kind in KINDS if any(name.startswith(kind) for name in conditions))
    else:
        yield {}


def _with(default: float, *levels: float) -> tuple[float, ...]:
    return tuple(sorted({default, *levels}))
