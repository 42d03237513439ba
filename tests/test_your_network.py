"""The notebook on a network of one's own runs as it stands, cell by cell, and its blocks are short."""

import contextlib
import io
import json
import warnings
from pathlib import Path

import pytest
import torch

from lib.experiments import ROOT
from lib.explain import Explanation

CELLS = json.loads((ROOT / "notebooks" / "your_network.ipynb").read_text(encoding="utf-8"))["cells"]
BLOCKS = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def names():
    """What the cells leave, the value of the last line of each, and what went wrong on the way."""
    found, shown = {}, []
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("default")
        for block in BLOCKS:
            *body, last = block.splitlines()
            whole = block if last.startswith((" ", ")")) else "\n".join(body)
            exec(compile(whole, "your_network", "exec"), found)
            shown.append(None if whole == block else _value(last, found))
    return found | {"shown": shown, "caught": caught}


def _value(line, names):
    try:
        return eval(line, names)
    except SyntaxError:
        return exec(line, names)


def test_the_cells_run_and_show_explanations(names):
    found = [value for value in names["shown"] if isinstance(value, Explanation)]
    assert len(found) == 3 and all(not one.constant and one.gap <= 1e-7 for one in found)
    image, sentence, token = found
    assert image.n == 9 and image.names[4] == "middle centre" and image.values[-1] > 0, "a digit that is recognised"
    assert found[1] is names["of_sentence"]
    assert sentence.names == ("plot", "film", "thin", "actors", "delight")
    assert token.names == ("capital", "largest", "city", "France")
    assert names["of_row"].names == names["of_game"].names == tuple(names["columns"])
    ours = [str(w.message) for w in names["caught"] if Path(w.filename).is_relative_to(ROOT / "lib")]
    assert ours == []


def test_the_network_is_left_as_it_was(names):
    network = names["network"]
    assert network.training and not any(module._forward_hooks for module in network.modules())
    with torch.no_grad():
        logits = network.eval()(names["image"][None])
        network.train()
    assert int(logits.argmax()) == names["label"]


def test_the_blocks_are_of_a_few_lines():
    assert len(BLOCKS) == 13
    assert all(len(block.splitlines()) <= 9 for block in BLOCKS[1:]), [len(block.splitlines()) for block in BLOCKS]
    assert all(not cell["outputs"] for cell in CELLS if cell["cell_type"] == "code")
