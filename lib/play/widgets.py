"""What the book has to play with as widgets, on tables of one's own.

The JavaScript is that of the book; see notebooks/play.ipynb for all in use.
"""

from collections.abc import Sequence

import anywidget
import traitlets
from jaxtyping import Float64
from torch import Tensor

from .. import experiments
from ..checks import require
from . import fields as play

Pair = tuple[Float64[Tensor, "samples subsets"], Float64[Tensor, "samples subsets"]]


class _View(anywidget.AnyWidget):
    _css = play.style()
    n = traitlets.Int().tag(sync=True)
    conditions = traitlets.List().tag(sync=True)
    condition = traitlets.Int().tag(sync=True)  # index of the one shown


class Disentangle(_View):
    """Decay and spindle over the measured strengths; α, β, δ, γ follow the sliders, and the sliders follow them."""

    _esm = f"{play.script()}\nexport default {{ render: renderDisentangle }};\n"
    samples = traitlets.Int().tag(sync=True)
    deltas = traitlets.List().tag(sync=True)
    alpha_range = traitlets.List().tag(sync=True)  # of the fits
    zeta = traitlets.Float(allow_none=True).tag(sync=True)  # of the interactions shown; None: nobody said
    ties = traitlets.Unicode(allow_none=True).tag(sync=True)  # low or high
    reference = traitlets.Unicode().tag(sync=True)  # self, converged or undisturbed: whose interactions I* are
    delta_min = traitlets.Float().tag(sync=True)  # the least δ of the fits
    home = traitlets.Dict().tag(sync=True)  # these four as they are by default
    converged = traitlets.Int().tag(sync=True)  # index of the condition whose I* `converged` takes
    few = traitlets.Dict(allow_none=True).tag(sync=True)  # what there is of other ζ and ties
    few_strength = traitlets.Bytes().tag(sync=True)
    few_decays = traitlets.Bytes().tag(sync=True)
    before = traitlets.Int(allow_none=True).tag(sync=True)  # index of the condition outlined behind the others
    strength = traitlets.Bytes().tag(sync=True)
    decays = traitlets.Bytes().tag(sync=True)
    alpha = traitlets.Float().tag(sync=True)
    beta = traitlets.Float().tag(sync=True)
    delta = traitlets.Float().tag(sync=True)
    gamma = traitlets.Float().tag(sync=True)

    @traitlets.validate("zeta", "ties", "reference")
    def _known(self, proposal: traitlets.Bunch) -> object:
        """Only what there are tables of: the view would have nothing else to show."""
        name, few = proposal["trait"].name, self.few or {}
        noisy = ["undisturbed"] if len(few.get("conditions", [])) > len(self.conditions) else []
        known = {"zeta": few.get("zetas"), "ties": few.get("ties"), "reference": ["self", "converged", *noisy]}[name]
        known = known or [self.home.get(name)]
        require(proposal["value"] in known, name, repr(proposal["value"]), ", ".join(map(str, known)))
        return proposal["value"]


class Training(anywidget.AnyWidget):
    """Strength, decay and spindle of every checkpoint of a training, one at a time, with the loss gap on the slider."""

    _css = play.style()
    _esm = f"{play.script()}\nexport default {{ render: renderTraining }};\n"
    n = traitlets.Int().tag(sync=True)
    samples = traitlets.Int().tag(sync=True)
    checkpoints = traitlets.List().tag(sync=True)
    timepoints = traitlets.Dict().tag(sync=True)  # index of the checkpoint of each
    strength = traitlets.Bytes().tag(sync=True)
    decays = traitlets.Bytes().tag(sync=True)
    checkpoint = traitlets.Int().tag(sync=True)  # index of the one shown


class Players(_View):
    """A sample whose players can be switched off; bit i of `present` says that player i is there."""

    _esm = f"{play.script()}\nexport default {{ render: renderPlayers }};\n"
    grid = traitlets.Int(allow_none=True).tag(sync=True)
    samples = traitlets.List().tag(sync=True)
    tables = traitlets.Bytes().tag(sync=True)
    values = traitlets.Bytes().tag(sync=True)
    sample = traitlets.Int().tag(sync=True)  # index of the one shown
    present = traitlets.Int().tag(sync=True)


def disentangle(conditions: dict[str, Pair], tau: dict[str, float], **choices) -> Disentangle:
    """Eq. 6 to 9 by hand, for tables I_AND, I_OR in log-odds by the name of their condition; see
    `play.disentangle_fields` for the choices and the errors."""
    return Disentangle(**play.disentangle_fields(conditions, tau, **choices))


def players(
    values: dict[str, Float64[Tensor, "samples subsets"]],
    conditions: dict[str, Pair],
    samples: Sequence[play.Sample],
    grid: int | None = None,
) -> Players:
    """Samples with their players, for value tables and I_AND, I_OR in log-odds by the name of their condition;
    see `play.players_fields` for the errors."""
    return Players(**play.players_fields(values, conditions, samples, grid=grid))


def of_experiment(name: str, folder: str = "results") -> tuple[Disentangle, Training | None, Players]:
    """All three, for an experiment of params.yaml that has value tables; no training where its checkpoints have none.

    Raises as `play.of_experiment` does.
    """
    found = play.of_experiment(experiments.results(name, folder), experiments.load(name))
    training = found["training"] and Training(**found["training"])
    return Disentangle(**found["disentangle"]), training, Players(**found["players"])
