"""The claims of a run of yours beside those that ship."""

from pathlib import Path

from ..claims import Claim, read
from ..experiments import ROOT
from ..files import git


def differences(shipped: list[Claim], yours: list[Claim]) -> list[str]:
    """A line for each claim that one of the two lacks, whose verdict differs, or whose value is outside its band."""
    was, now = ({(row.key, row.claim, row.where): row for row in rows} for rows in (shipped, yours))
    lines = []
    for key in {**was, **now}:
        other, row = was.get(key), now.get(key)
        if other is None or row is None or row.verdict != other.verdict or not _within(row, other):
            told = [f"{one.figures} ({one.verdict})".strip() if one else "none" for one in (other, row)]
            lines.append(f"  {key[1]} ({key[2]}): {told[0]} ships, {told[1]} is yours")
    return lines


def _within(row: Claim, other: Claim) -> bool:
    if row.measured is None or other.measured is None:
        return row.measured is other.measured
    low, high = other.interval or (other.measured, other.measured)
    near = 1e-6 * max(1.0, abs(other.measured))
    return low - near <= row.measured <= high + near


def compare(names: list[str], root: Path = ROOT) -> None:
    """Prints where the claims differ from those of the last commit, and how to put the shipped files back."""
    for name in names:
        path = Path("results") / name / "claims.json"
        ships = git(root, "show", f"HEAD:{path}")
        if ships is None:
            print(f"{name}: no claims of it ship, or git does not know them; there is nothing to compare")
            continue
        if ships == (root / path).read_bytes():
            print(f"{name}: all claims are, byte for byte, those that ship.")
            continue
        was = root / "build" / "shipped-claims.json"
        was.write_bytes(ships)
        lines = differences(read(was), read(root / path))
        if lines:
            print(f"{name}: claims whose verdict differs from what ships, or whose value is outside its band:")
            print("\n".join(lines))
        else:
            print(f"{name}: the claims agree with those that ship, within their bands.")
        print(f"git restore results/{name} dvc.lock puts the shipped files back.")
