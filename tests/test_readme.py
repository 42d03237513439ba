"""The README's code runs as it stands, and its links lead somewhere."""

import re

import pytest
import torch
import yaml

from book.builder import readme
from lib import networks
from lib.experiments import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PARTS = (ROOT / "book" / "source" / "parts.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT + PARTS, flags=re.DOTALL)


def test_the_example_on_a_network_of_ones_own_runs_and_says_what_it_says(capsys):
    (code,) = [block for block in BLOCKS if "sparsest(" in block]
    names = {}
    torch.manual_seed(0)
    exec(code, names)
    assert "of the sparsest, proven" in capsys.readouterr().out
    torch.testing.assert_close(names["h"], names["values"] - names["found"].delta)
    assert names["values"].shape == (2**8,)


def test_any_network_is_explained_in_a_few_lines():
    (code,) = [block for block in BLOCKS if "explain(" in block]
    names = {}
    torch.manual_seed(0)
    exec(code, names)
    found = names["found"]
    assert found.n == 9 and found.gap <= 1e-7 and names["network"].training
    for method in re.findall(r"\.(\w+)\(", code.split("# print it;")[1].replace("path", "")):
        assert callable(getattr(found, method)), method


def test_the_network_of_ones_own_goes_into_the_pipeline(tmp_path, monkeypatch):
    (code,) = [block for block in BLOCKS if "def make(" in block]
    (tmp_path / "of_the_readme.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    network = networks.build("of_the_readme:make", (1, 8, 8), 10, seed=0)
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    assert networks.cut_at(network, "pixels").stem(torch.rand(2, 1, 8, 8)).shape == (2, 1, 8, 8)


@pytest.mark.case("C22")
def test_that_temp_trains_anew_is_said_where_the_command_is_explained():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    (cached,) = [out["checkpoints"]["cache"] for out in stages["train"]["do"]["outs"][:1]]
    (line,) = [line for line in TEXT.splitlines() if line.startswith("dvc exp run -S ")]
    assert ("--temp trains anew" in line) == (not cached)


def test_links_within_the_repository_lead_somewhere():
    tracked_by_the_pipeline = "results/"  # absent until it has run
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith(("http", tracked_by_the_pipeline)):
            assert (ROOT / target).exists(), target


def test_the_measured_parts_are_what_the_results_say():
    assert readme.filled(TEXT) == TEXT, "python -m book.builder --readme writes them anew"


def test_the_readme_is_short():
    assert len(TEXT.splitlines()) <= 120
