"""Explanations: planted games come back with their names, what is printed is determined, files keep all of it."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lib import games, subsets
from lib.explain import Explanation, explain, load
from lib.sparsest import attainable_range, sparsest
from lib.strengths import by_order

NAMES = ["ear", "eye", "nose", "tail", "left", "right"]


def planted(present):
    """AND{ear} = 2, AND{eye, nose, tail} = −1.5, OR{left, right} = 0.7, v(∅) = 1."""
    eye, nose, tail = present[:, 1], present[:, 2], present[:, 3]
    return 1 + 2.0 * present[:, 0] - 1.5 * (eye & nose & tail) + 0.7 * (present[:, 4] | present[:, 5])


@pytest.fixture(scope="module")
def explanation():
    return explain(planted, NAMES, zeta=0)


def test_planted_interactions_come_back_with_their_names(explanation):
    assert explanation.n == 6 and explanation.swing == pytest.approx(1.2)
    frame = explanation.frame()
    assert frame.columns.tolist() == ["kind", "players", "order", "value"]
    assert frame.kind.tolist() == ["AND", "AND", "OR"] and frame.order.tolist() == [1, 3, 2]
    assert frame.players.tolist() == [("ear",), ("eye", "nose", "tail"), ("left", "right")]
    np.testing.assert_allclose(frame.value, [2, -1.5, 0.7], atol=1e-6)
    pd.testing.assert_frame_equal(explanation.top(2), frame[:2])
    assert len(explanation.frame(1.0)) == 2 and len(explanation.frame(0)) >= 3
    np.testing.assert_allclose(explanation.strength, [[2, 0.7, 0, 0, 0, 0], [0, 0, 1.5, 0, 0, 0]], atol=1e-6)
    assert explanation.mean_order() == pytest.approx((2 + 2 * 0.7 + 3 * 1.5) / 4.2, abs=1e-6)
    with pytest.raises(ValueError, match="threshold = -1: allowed is 0 or more"):
        explanation.frame(-1)


def test_zeta_and_tau_are_shares_of_the_swing_and_the_numbers_those_of_sparsest():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=2**6))
    found = explain(games.table(values), zeta=0.05, tau=0.1)
    swing = float((values[-1] - values[0]).abs())
    assert found.zeta == pytest.approx(0.05 * swing) and found.tau == pytest.approx(0.1 * swing)
    own = sparsest(values, 0.05 * swing)
    assert torch.equal(found.i_and, own.i_and) and torch.equal(found.i_or, own.i_or) and found.gap == own.gap.item()
    assert torch.equal(found.strength, by_order(own.i_and, own.i_or, 0.1 * swing))
    model = subsets.logical_model(found.i_and, found.i_or, values[0])
    torch.testing.assert_close(model, values - found.delta)
    assert float(found.delta.abs().max()) <= found.zeta * (1 + 1e-9) and found.gap <= 1e-7
    ends = attainable_range(values, 0.05 * swing, [1, 3])
    told = found.attainable([1, 3])
    assert told.index.tolist() == [1, 3] and told.largest.tolist() == ends.largest.tolist()
    assert (told.smallest <= told["A(m)"] + 1e-3).all() and (told["A(m)"] <= told.largest + 1e-3).all()


def test_ties_go_where_they_are_asked_to_and_it_is_said():
    """x + y = (x ∧ y) + (x ∨ y)."""
    table = games.table([0.0, 1.0, 1.0, 2.0], names=["x", "y"])
    low, high = explain(table, zeta=0), explain(table, zeta=0, ties="high")
    np.testing.assert_allclose(low.strength[0], [2, 0], atol=1e-3)
    np.testing.assert_allclose(high.strength[0], [0, 2], atol=1e-3)
    assert "ties go to low orders" in repr(low) and "ties go to high orders" in repr(high)
    for found in (low, high):
        assert "A(1)+A(2) = 2\n" in repr(found)
        ends = found.attainable()
        np.testing.assert_allclose(ends.smallest, [0, 0], atol=1e-3)
        np.testing.assert_allclose(ends.largest, [2, 2], atol=1e-3)


def test_the_text_is_short_and_says_what_is_proven(explanation):
    text = repr(explanation)
    assert len(text.splitlines()) <= 14
    assert "6 players, v(N) − v(∅) = +1.2, v from −0.5 to 3.7" in text
    assert "proven within" in text and "of the sparsest" in text and "at most may lie at a neighbouring order" in text
    assert "A(1)+A(2) = 2.7, A(3) = 1.5" in text and "eye ∧ nose ∧ tail" in text and "left ∨ right" in text
    many = explain(lambda p: p @ np.arange(1.0, 8.0), list("abcdefg"), zeta=0)
    assert "… 2 more: .frame()" in repr(many)


def test_the_html_is_whole_and_names_are_text_in_it():
    found = explain(lambda p: p[:, 0] * 2.0 - p[:, 1], ["<b>bold</b>", "a & b"], zeta=0)
    html = found._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;bold&lt;/b&gt;" in html and "a &amp; b" in html
    for tag in ("table", "tr", "td", "p", "small", "div"):
        assert html.count(f"<{tag}>") + html.count(f"<{tag} ") == html.count(f"</{tag}>"), tag


@pytest.mark.case("A14")
def test_a_range_that_is_only_rounding_is_said_to_be_so():
    """Case A14: no certified spindle of what rounding leaves."""
    generator = np.random.default_rng(0)
    noise = (0.1 * (1 + 1e-7 * generator.normal(size=2**6))).astype(np.float32)
    for game in (games.table(noise), lambda present: np.full(len(present), 3.0)):
        with pytest.warns(UserWarning, match="no more than rounding leaves.*no interactions to tell"):
            found = explain(game, list("abcdef"))
        assert found.constant and found.frame(0).empty and not found.strength.any() and np.isnan(found.mean_order())
        assert "rounding" in repr(found) and "proven" not in repr(found) and "rounding" in found._repr_html_()
        found.plot()
        with pytest.raises(ValueError, match="no interaction is above τ"):
            found.split()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not explain(games.table(noise.astype(float) + 1e-4 * generator.normal(size=2**6))).constant


@pytest.mark.case("A14")
def test_a_network_whose_logits_hide_a_range_is_only_rounding():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        model[2].weight *= 1e-8
        model[2].bias.copy_(torch.tensor([9.0, 9.1, 9.2]))
    game = games.at_layer(model, None, torch.rand(4), torch.eye(4, dtype=torch.bool), games.label(0))
    with pytest.warns(UserWarning, match="rounding"):
        assert explain(game).constant


def test_a_swing_that_is_small_beside_the_range_is_said_to_be():
    found = explain(lambda p: p[:, 0] - 1.0 * (p[:, 0] & p[:, 1]) + 1e-3 * p[:, 2], list("abc"))
    assert any("of the range of v" in note for note in found.notes)


def test_files_keep_all_of_it(explanation, tmp_path):
    path = tmp_path / "é" / "one.nc"
    explanation.save(path)
    again = load(path)
    assert isinstance(again, Explanation) and again.names == explanation.names and repr(again) == repr(explanation)
    for field in ("values", "i_and", "i_or", "delta"):
        assert torch.equal(getattr(again, field), getattr(explanation, field))
    assert again.settings == explanation.settings and again.zeta == explanation.zeta and again.tau == explanation.tau
    before = path.read_bytes()
    explanation.save(str(path))
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["one.nc"]
    with pytest.raises(FileNotFoundError, match="is not there: Explanation.save and measure write such files"):
        load(tmp_path / "two.nc")
    path.write_bytes(before[: len(before) // 2])
    with pytest.raises(ValueError, match="is no explanation, or is damaged") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_the_plot_has_a_column_for_each_and_rings_for_or(explanation):
    figure = explanation.plot()
    assert figure._repr_png_().startswith(b"\x89PNG"), "Jupyter shows it"
    bars, dots = figure.axes
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], [2, -1.5, 0.7], atol=1e-6)
    assert [tick.get_text() for tick in dots.get_yticklabels()] == NAMES
    faces = [marks.get_facecolor()[0].tolist() for marks in dots.collections]
    edges = [marks.get_edgecolor()[0].tolist() for marks in dots.collections]
    assert faces[:2] == edges[:2] and faces[2] == [1, 1, 1, 1] and edges[2] != faces[2]
    assert [len(marks.get_offsets()) for marks in dots.collections] == [1, 3, 2]
    figure.canvas.draw()


def test_the_split_is_that_of_disentangle(explanation):
    split = explanation.split()
    total = split.decay + split.spindle + split.residual
    torch.testing.assert_close(total, explanation.strength)
    with pytest.raises(ValueError, match="players = 2: allowed are 3 or more"):
        explain(games.table([0.0, 1.0, 1.0, 3.0])).split()


def test_shapiq_gets_the_logical_model(explanation):
    found = explanation.to_shapiq()
    for size in range(7):
        for present in itertools.combinations(range(6), size):
            inside = sum(
                value for members, value in zip(found.interaction_lookup, found.values, strict=True)
                if set(members) <= set(present)
            )  # fmt: skip
            index = sum(1 << player for player in present)
            assert inside == pytest.approx(float(explanation.values[index] - explanation.delta[index]), abs=1e-6)
    assert explanation.to_shapiq("AND")[(1, 2, 3)] == pytest.approx(-1.5, abs=1e-6)
    assert explanation.to_shapiq("OR")[(4, 5)] == pytest.approx(0.7, abs=1e-6)
    with pytest.raises(ValueError, match="kind = 'both': allowed are"):
        explanation.to_shapiq("both")


def test_games_of_shapiq_are_explained_as_they_are():
    from shapiq import Game

    class Planted(Game):
        def __init__(self):
            super().__init__(3, normalize=False)

        def value_function(self, coalitions):
            return 1.0 + 2.0 * coalitions[:, 0] + 3.0 * (coalitions[:, 1] & coalitions[:, 2])

    found = explain(Planted(), zeta=0)
    assert [(row.kind, row.order) for row in found.frame().itertuples()] == [("AND", 2), ("AND", 1)]
    assert explain(Planted(), ["a", "b", "c"]).top(1).players[0] == ("b", "c")


@pytest.mark.parametrize(
    ("game", "names", "more", "said"),
    [
        (torch.zeros(8), None, {}, "game is a Tensor: allowed is a function of states; games.table makes one"),
        (planted, None, {}, "players is not given"),
        (games.table([0, 1, 2, 3]), ["a"], {}, "players = 1: the game has 2"),
        (planted, NAMES, {"zeta": -0.1}, "zeta = -0.1: allowed is a finite share"),
        (planted, NAMES, {"tau": float("nan")}, "tau = nan: allowed is a finite share"),
        (planted, NAMES, {"ties": "middle"}, "ties is 'middle'"),
        (lambda p: np.full(len(p), np.nan), ["a", "b"], {}, "v is NaN or infinite on 4 of 4 states"),
    ],
)
def test_what_cannot_be_explained_is_one_line(game, names, more, said):
    with pytest.raises(ValueError, match=said) as caught:
        explain(game, names, **more)
    assert "\n" not in str(caught.value)


def test_the_image_is_bright_where_the_players_are():
    found = explain(lambda p: 2.0 * p[:, 0] - 1.0 * (p[:, 1] | p[:, 3]), list("abcd"), zeta=0)
    regions = games.patches((4, 4), 2)
    for image in (torch.ones(3, 8, 8), np.arange(64.0).reshape(8, 8, 1), np.arange(192).reshape(8, 8, 3) % 256):
        figure = found.on_image(image, regions)
        first, one, other = figure.axes[:3]
        assert one.get_title() == "● AND +2" and other.get_title() == "○ OR −1"
        whole, part = (np.asarray(axes.images[0].get_array()) for axes in (first, one))
        np.testing.assert_allclose(part[:4, :4], whole[:4, :4])  # a is the patch at the top left
        np.testing.assert_allclose(part[4:], whole[4:] * 0.25)
        figure.canvas.draw()
    with pytest.raises(ValueError, match=r"regions has shape \(3, 4, 4\): allowed is \(4, rows, columns\)"):
        found.on_image(torch.ones(3, 8, 8), regions[:3])
    with pytest.raises(ValueError, match=r"image has shape \(2, 8, 8\): allowed are"):
        found.on_image(torch.ones(2, 8, 8), regions)


def test_the_words_of_an_interaction_are_set_off_in_the_sentence():
    names = ["good", "wine", "good (2)", "so so"]
    found = explain(lambda p: 2.0 * (p[:, 0] & p[:, 2]) - 1.0 * (p[:, 1] | p[:, 3]), names, zeta=0)
    sentence = "So good food, good wine; " + "and much else " * 6 + "was so so"
    figure = found.on_sentence(sentence)
    (axes,) = figure.axes
    lines, text = [], ""
    for drawn in axes.texts:  # letter by letter, each line after its y
        if len(drawn.get_text()) > 1:
            text += f"|{drawn.get_text()}|"
            continue
        if not lines or lines[-1] != drawn.get_position()[1]:
            lines.append(drawn.get_position()[1])
        text += drawn.get_text().upper() if drawn.get_weight() == "bold" else drawn.get_text().lower()
    shown = [part for part in text.split("|") if part]
    assert shown[0] == "● AND +2" and shown[2] == "○ OR −1"
    assert shown[1].startswith("so GOOD food, GOOD wine;") and shown[1].endswith("was so so")
    assert shown[3].startswith("so good food, good WINE;") and shown[3].endswith("was SO SO")
    boxes = [(box.get_width(), box.get_facecolor()[3]) for box in axes.patches]
    assert boxes == [(4, 1), (4, 1), (4, 0), (5, 0)]  # filled for AND, frames for OR
    assert len(set(lines)) == 4 and max(drawn.get_position()[0] for drawn in axes.texts) < 77
    figure.canvas.draw()
    with pytest.raises(ValueError, match=r"sentence has no 'good \(2\)': allowed is the sentence that was explained"):
        found.on_sentence("good wine, so so")
