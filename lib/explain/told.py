"""An explanation in words: a short text, the same for notebooks, and what has to be known before it is believed."""

from html import escape

import torch

from ..sparsest.sampled import EACH, TRUSTED

SHOWN = 5  # interactions in the text
IN_NOTEBOOKS = 10
FLAT = 0.1  # |v(N) − v(∅)| as a share of the range of v, below which it is said that ζ and τ hang on little


def signed(x: float) -> str:
    return f"{x:+.3g}".replace("-", "−")


def plain(x: float) -> str:
    return f"{x:.3g}".replace("-", "−")


def rounding(values: torch.Tensor, off: float) -> str:
    span = float(values.max() - values.min())
    return (
        f"the range of v, {span:.2g}, is no more than rounding leaves, {2 * off:.2g}: there are no interactions to tell"
    )


def expression(kind: str, players: tuple[str, ...]) -> str:
    """An interaction as one reads it: an AND of all its players, an OR of any."""
    return (" ∧ " if kind == "AND" else " ∨ ").join(players)


def notes(explanation) -> tuple[str, ...]:
    """A sentence for each thing that limits what the numbers say."""
    if explanation.constant:
        return (rounding(explanation.values, explanation.rounding),)
    said = []
    strength = float((explanation.i_and.abs() + explanation.i_or.abs()).sum())
    said.append(
        f"ties go to {explanation.settings['ties']} orders: at the same Σ|I| strength of order 1 may stand at order 2, "
        "for x + y = (x ∧ y) + (x ∨ y); A(1) + A(2) is far better determined than either, and attainable() gives the "
        "range of each A(m)"
    )
    if strength and explanation.unsettled > 1e-3 * strength:
        share = min(1.0, explanation.unsettled / strength)
        said.append(
            f"not settled: up to {share:.1%} of Σ|I| may lie at neighbouring orders; a smaller tolerance settles it"
        )
    return (*said, *_small(explanation))


def summary(explanation) -> list[str]:
    """The lines above the list."""
    values, total = explanation.values, 2 * (2**explanation.n - 1) - explanation.n
    lines = [
        f"{explanation.n} players, v(N) − v(∅) = {signed(float(values[-1] - values[0]))}, "
        f"v from {plain(float(values.min()))} to {plain(float(values.max()))}"
    ]
    if explanation.constant:
        return lines
    lines.append(
        f"proven within {explanation.gap:.1e} of the sparsest that match v to ζ = {plain(explanation.zeta)}; "
        f"{plain(explanation.unsettled)} of their Σ|I| at most may lie at a neighbouring order"
    )
    lines.append(
        f"{len(explanation.frame())} of {total} interactions are above τ = {plain(explanation.tau)}, "
        f"mean order {plain(explanation.mean_order())}"
    )
    lines.append(by_orders(explanation.strength))
    return lines


def by_orders(strength: torch.Tensor) -> str:
    """A(m) of both signs in words, orders 1 and 2 as one."""
    total = strength.sum(0).tolist()
    merged = [("A(1)+A(2)", sum(total[:2]))] if len(total) > 1 else [("A(1)", total[0])]
    merged += [(f"A({m})", a) for m, a in enumerate(total[2:], 3)]
    return ", ".join(f"{name} = {plain(a)}" for name, a in merged if a > 0) or "no strength above τ"


def duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else (
        f"{seconds / 3600:.1f} h"
    )  # fmt: skip


def summary_of_masks(explanation) -> list[str]:
    """The lines above the list, where masks were measured."""
    values, found, cap = explanation.values, explanation.found, explanation.settings["max_order"]
    lines = [
        f"{explanation.n} players, {len(values)} masks, v(N) − v(∅) = {signed(float(values[1] - values[0]))}, "
        f"v from {plain(float(values.min()))} to {plain(float(values.max()))}"
    ]
    if explanation.constant:
        return lines
    over = "all subsets" if cap is None else f"subsets up to order {cap}"
    proven = f"objective {found.objective:.4g}, lower bound {found.lower_bound:.4g}, gap {found.gap:.1e}"
    lines.append(f"certified over {over}: {proven}" if found.certified else f"{found.verdict} (over {over}: {proven})")
    lines.append(
        f"R² {found.held_out_r2:.4f} on held-out masks, of a model of the others; on all, within ζ = "
        f"{plain(explanation.zeta)}"
    )
    lines.append(
        f"{len(explanation.frame())} of {len(found.strengths)} interactions in use are above τ = "
        f"{plain(explanation.tau)}"
    )
    if explanation.distrust:
        lines.append(
            f"A(m) is not to be trusted: {explanation.distrust}; predictions and the strongest interactions are as "
            f"good as R² says; proven of these masks is Σ|I| ≥ {explanation.least_strength:.3g}"
        )
    else:
        agree = "no cap" if cap is None else f"cap {cap} and the next agree to {plain(explanation.apart)}"
        enough = f"R² ≥ {TRUSTED}, {EACH:g} masks or more an interaction"
        lines.append(f"A(m) may be trusted ({agree}, {enough}): {by_orders(explanation.strength)}")
    return lines


def notes_of_masks(explanation) -> tuple[str, ...]:
    """A sentence for each thing that limits what the numbers say, where masks were measured."""
    if explanation.constant:
        return (rounding(explanation.values, explanation.rounding),)
    return (
        "orders 1 and 2 are read as one, for x + y = (x ∧ y) + (x ∨ y) costs the same",
        *_small(explanation),
    )


def _small(explanation) -> tuple[str, ...]:
    span = float(explanation.values.max() - explanation.values.min())
    if explanation.swing >= FLAT * span:
        return ()
    return (
        f"|v(N) − v(∅)| = {plain(explanation.swing)} is {explanation.swing / span:.1%} of the range of v, "
        "so that ζ and τ, which are shares of it, are small",
    )


def text(explanation) -> str:
    """Some ten lines: what was asked, how far it is proven, the strengths by order, the strongest interactions."""
    lines = explanation.summary
    rows = explanation.top(SHOWN)
    for row in rows.itertuples():
        lines.append(f"  {signed(row.value):>8}  {row.kind:<3}  {expression(row.kind, row.players)}")
    if (more := len(explanation.frame()) - len(rows)) > 0:
        lines.append(f"  … {more} more: .frame()")
    return "\n".join(["Explanation: " + lines[0], *lines[1:], *(f"note: {note}" for note in explanation.notes)])


def html(explanation) -> str:
    """The same for notebooks: bars of grey beside the interactions, dark for positive ones."""
    rows = explanation.top(IN_NOTEBOOKS)
    largest = float(rows.value.abs().max()) if len(rows) else 1.0
    body = "".join(
        f"<tr><td style='text-align:right'>{signed(row.value)}</td><td>{'●' if row.kind == 'AND' else '○'} "
        f"{row.kind}</td>"
        f"<td style='text-align:left'>{escape(expression(row.kind, row.players))}</td>"
        f"<td style='text-align:left'><div style='width:{120 * abs(row.value) / largest:.0f}px;height:0.8em;"
        f"background:{'#4d4d4d' if row.value > 0 else '#b8b8b8'}'></div></td></tr>"
        for row in rows.itertuples()
    )
    head = "<br>".join(map(escape, explanation.summary))
    notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in explanation.notes)
    return f"<p>{head}</p><table><tr><th>I</th><th></th><th>players</th><th></th></tr>{body}</table>{notes}"
