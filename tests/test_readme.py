"""The README's code runs as it stands, and its links lead somewhere."""

import re

import torch

from lib.experiments import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_on_a_network_of_ones_own_runs_and_says_what_it_says(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    names = {}
    torch.manual_seed(0)
    exec(code, names)
    assert "of the sparsest, proven" in capsys.readouterr().out
    torch.testing.assert_close(names["h"], names["values"] - names["found"].delta)
    assert names["values"].shape == (2**8,)


def test_links_within_the_repository_lead_somewhere():
    tracked_by_the_pipeline = "results/"  # absent until it has run
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith(("http", tracked_by_the_pipeline)):
            assert (ROOT / target).exists(), target
