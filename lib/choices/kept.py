"""What ships of the sweeps: one file an experiment, the one with the most choices."""

import json
from pathlib import Path

FILES = ("every-choice.json", "choices.json")  # what `make choices` judged, or else what the pipeline did


def kept(folder: Path) -> dict | None:
    """What a sweep found on the experiment whose results are in `folder`; None where there was none.

    Its fields are those that the notebooks `every_choice` and `choices` write: samples, of, resamples, choices, claims
    (the rows of `summary`) and levels (those of `by_level`).
    """
    for name in FILES:
        if (path := folder / name).exists():
            return json.loads(path.read_text(encoding="utf-8"))
    return None
