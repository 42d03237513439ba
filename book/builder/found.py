"""What the README and the front page tell alike: a claim on one experiment beside all others, and a share."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lib.claims import Claim, all_claims


def beside_others(results: Path, name: str, labels: Sequence[str]) -> Iterator[tuple[str, Claim, list[Claim]]]:
    """(label, claim, the same claim wherever it was measured, other seeds aside) of an experiment.

    A label begins with the key of a claim, of which the last that was measured is taken. One without any is left out.
    """
    rows = [row for row in all_claims(results) if "-seed-" not in row.experiment and row.measured is not None]
    for label in labels:
        own = [row for row in rows if row.experiment == name and row.key == label.partition(" ")[0]]
        if own:
            yield label, own[-1], [row for row in rows if (row.claim, row.where) == (own[-1].claim, own[-1].where)]


def percent(row: dict, unit: str = "", to: str = " to ") -> str:
    """The spindle's share of a row of metrics.json with its interval, as in "12 % (9 to 15)"; a dash if it has none."""
    if "spindle_share" not in row:
        return "–"
    ends = row.get("spindle_share_interval")
    band = f" ({100 * ends[0]:.0f}{to}{100 * ends[1]:.0f})" if ends else ""
    return f"{100 * row['spindle_share']:.0f}{unit}{band}"
