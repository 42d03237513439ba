"""Games of more players than a table can have: the answer says what is proven of it and how far it can be trusted."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch

from lib import measure
from lib.explain import Explanation, SampledExplanation, explain, load
from lib.explain.masks import _needed, draw

N = 20
NAMES = [f"word {k}" for k in range(N)]


def planted(present):
    """AND{0} = 2, AND{1, 2, 3, 4} = -3, OR{5, 6, 7} = 1.5, AND{8, 9} = 0.8, v(∅) = 1."""
    p = np.asarray(present)
    return 1.0 + 2.0 * p[:, 0] - 3.0 * p[:, 1:5].all(1) + 1.5 * p[:, 5:8].any(1) + 0.8 * (p[:, 8] & p[:, 9])


@pytest.fixture(scope="module")
def explanation():
    return explain(planted, NAMES, progress=False, masks=300)


def test_a_planted_game_comes_back_with_its_proof(explanation):
    assert isinstance(explanation, SampledExplanation) and explanation.certified and not explanation.distrust
    frame = explanation.frame()
    assert frame.kind.tolist() == ["AND", "AND", "OR", "AND"] and frame.order.tolist() == [4, 1, 3, 2]
    assert frame.players[2] == ("word 5", "word 6", "word 7")
    np.testing.assert_allclose(frame.value, [-3, 2, 1.5, 0.8], atol=0.1)  # ζ is 2 % of |v(N) − v(∅)| = 1.3
    strength = explanation.strength
    assert strength.shape == (2, N) and strength.nonzero().tolist() == [[0, 0], [0, 1], [0, 2], [1, 3]]
    assert explanation.mean_order() == pytest.approx(float(strength.sum(0) @ torch.arange(1.0, 21).double())
                                                     / float(strength.sum()))  # fmt: skip
    unseen = np.random.default_rng(1).random((200, N)) < 0.5
    assert np.abs(explanation.predict(unseen).numpy() - planted(unseen)).max() < 0.2
    assert explanation.least_strength <= 7.3 and explanation.least_strength > 6.5


def test_the_text_says_what_is_proven_and_what_can_be_trusted(explanation):
    text = repr(explanation)
    assert "20 players, 300 masks, v(N) − v(∅) = +1.3" in text and "certified over all subsets: objective" in text
    assert (
        "A(m) may be trusted (no cap, R² ≥ 0.998, 3 masks or more an interaction): A(1)+A(2) = 2.7" in text
        and len(text.splitlines()) <= 14
    )
    assert "word 5 ∨ word 6 ∨ word 7" in text and "may be trusted" in explanation._repr_html_()
    found = explanation.found
    for change, said in (
        ({"held_out_r2": 0.97}, "R² on held-out masks is 0.9700"),
        ({"masks": 2 * found.matter}, f"{2 * found.matter} masks are 2.0 for each of the {found.matter} interactions"),
        ({"certified": False, "verdict": "not certified: after 1 rounds"}, "the answer is not certified"),
    ):
        poor = dataclasses.replace(explanation, found=dataclasses.replace(found, **change))
        assert said in poor.distrust and f"A(m) is not to be trusted: {said}" in repr(poor)
        assert f"Σ|I| ≥ {explanation.least_strength:.3g}" in repr(poor) and "may be trusted" not in repr(poor)
    assert "not certified: after 1 rounds (over all subsets" in repr(poor)


def test_a_cap_is_trusted_only_where_the_next_one_agrees():
    below, above = (explain(planted, NAMES, progress=False, masks=300, max_order=cap) for cap in (3, 4))
    assert below.apart > 0.05 and "a cap dictates the shape" in below.distrust
    assert above.apart <= 0.05 and not above.distrust and "cap 4 and the next agree" in repr(above)
    assert (above.found.members.sum(1) <= 4).all()


def test_pictures_and_files_keep_all_of_it(explanation, tmp_path):
    bars, dots = explanation.plot().axes
    assert [bar.get_height() for bar in bars.patches] == explanation.frame().value.tolist()
    regions = np.eye(N, dtype=bool).reshape(N, 4, 5)
    assert explanation.on_image(np.random.default_rng(0).random((8, 10)), regions).axes[1].get_title() == "● AND −2.96"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = explain(lambda p: np.full(len(p), 3.0), NAMES, progress=False, masks=100)
    assert flat.constant and flat.frame(0).empty and "no more than rounding leaves" in repr(flat)
    for one in (explanation, flat):
        one.save(tmp_path / "one.nc")
        again = load(tmp_path / "one.nc")
        assert isinstance(again, SampledExplanation) and repr(again) == repr(one) and again.settings == one.settings
        for field in ("masks", "values"):
            assert torch.equal(getattr(again, field), getattr(one, field))
        for field in dataclasses.fields(one.found):
            a, b = getattr(again.found, field.name), getattr(one.found, field.name)
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b or b != b, field.name
    with pytest.raises(ValueError, match="has samples|of masks that were drawn: allowed are explanations of all"):
        explanation.save(tmp_path / "one.nc")
        measure.overfitting(tmp_path)


def test_masks_are_of_the_seed_and_more_begin_with_the_same():
    few, more = draw(N, 50, 3), draw(N, 400, 3)
    assert (more[:50] == few).all() and not few[0].any() and few[1].all() and len(np.unique(more, axis=0)) == 400
    assert not (draw(N, 50, 4)[2:] == few[2:]).all() and abs(more.mean() - 0.5) < 0.02
    small = draw(6, 32, 0)
    assert len(np.unique(small, axis=0)) == 32


def test_the_number_of_masks_is_chosen_by_what_was_found(explanation, capsys):
    found = explanation.found
    assert _needed(found, 300, N) == 300
    poor = dataclasses.replace(found, held_out_r2=0.9)
    assert _needed(poor, 300, N) == 600
    many = dataclasses.replace(
        poor, strengths=torch.ones(400).double(), members=torch.ones(400, N).bool(), is_or=torch.ones(400).bool()
    )
    assert many.matter == 396
    assert _needed(many, 300, N) == 3 * 396 and _needed(many, 100, N) == 400
    assert found.masks == 299 and found.masks > 3 * found.matter, "the empty mask is the bias"
    assert _needed(dataclasses.replace(found, masks=2 * found.matter), 300, N) == 600
    chosen = explain(lambda p: 1.0 * np.asarray(p)[:, 0], [str(k) for k in range(17)])
    assert len(chosen.values) == 1000 and "17 players: 1000 masks take about" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"masks": 40}, "masks = 40: allowed are 41 or more, and half of 20 players' states at most"),
        ({"max_order": 21}, "max_order = 21: allowed are None, or 1 to 20"),
        ({"ties": "high"}, "ties = 'high': allowed is 'low' where masks are drawn"),
        ({"method": "simplex"}, "method = 'simplex': allowed is 'auto' where masks are drawn"),
        ({"tolerance": 0.1}, "tolerance = 0.1: allowed is None where masks are drawn"),
    ],
)
def test_what_cannot_be_asked_is_one_line(more, said):
    with pytest.raises(ValueError, match=said) as caught:
        explain(planted, NAMES, **more)
    assert "\n" not in str(caught.value)


def test_few_players_are_measured_on_all_states_unless_masks_are_asked_for():
    game = lambda p: 1.0 * p[:, 0] + (p[:, 1] & p[:, 2])  # noqa: E731
    assert isinstance(explain(game, list("abcdefgh")), Explanation)
    found = explain(game, list("abcdefgh"), masks=60, zeta=0, progress=False)
    assert isinstance(found, SampledExplanation) and found.frame().players.tolist() == [("a",), ("b", "c")]
