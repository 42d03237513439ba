"""The other extractions to play with: without ζ, and ties to high orders, on the few samples that were solved so."""

import xarray as xr

UNITS = {"parameters": "{} % on parameters", "inputs": "{}/256 on inputs"}  # of the level of noise


def few_fields(table: xr.Dataset, z: dict[str, float]) -> dict:
    """What the view of Eq. 9 needs of a table of the ends of the ties (choices.nc), numbers as little-endian float16.

    z: Z of the timepoints, in log-odds; strengths are in units of it, under noise of that at B, so that bars of all
    extractions compare. Numbers have three digits, a quarter of what float64 takes.
    """
    names = [str(name) for name in table.condition.values]
    unit = xr.DataArray([z.get(name, z["B"]) for name in names], dims="condition")
    strength, decay = table.strength.mean("sample") / unit, table.decay / unit
    return {
        "few": {
            "zetas": [float(zeta) for zeta in table.zeta.values],
            "ties": [str(ties) for ties in table.ties.values],
            "conditions": names,
            "labels": [_label(name) for name in names],
            "samples": table.sizes["sample"],
            "of": int(table.attrs["of"]),
            "deltas": [float(table.delta[0]), float(table.delta[-1]), table.sizes["delta"]],
        },
        "few_strength": _pack(strength, "sign", "order"),
        "few_decays": _pack(decay, "delta", "sign", "order"),
    }


def _label(name: str) -> str:
    kind, _, level = name.partition(" ")
    return f"B, noise of {UNITS[kind].format(level)}" if kind in UNITS else name


def _pack(array: xr.DataArray, *last: str) -> bytes:
    return array.transpose("zeta", "ties", "condition", *last).values.astype("<f2").tobytes()
