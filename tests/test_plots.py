"""Plots: names at lines stay apart and clear of the axis; panels that are compared have one range."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib import plots


@pytest.fixture
def panel():
    plots.style()
    figure, panel = plt.subplots(figsize=(plots.WIDTH, 3))
    yield panel
    plt.close(figure)


def heights(panel):
    """The vertical middle of each text of a panel, in points, by its words."""
    panel.figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in panel.texts}
    return {words: (box.y0 + box.y1) / 2 * 72 / panel.figure.dpi for words, box in boxes.items()}


def test_names_at_the_ends_of_lines_do_not_overlap(panel):
    panel.set_ylim(0, 1)
    plots.name_ends(
        panel, {"A": (1, 0.5, "black"), "B": (1, 0.501, "black"), "C": (1, 0.0, "black"), "D": (1, 1.0, "black")}
    )
    place = heights(panel)
    assert sorted(place, key=place.get) == ["C", "A", "B", "D"]
    assert place["B"] - place["A"] >= plt.rcParams["font.size"]
    assert place["C"] > panel.get_window_extent().y0 * 72 / panel.figure.dpi  # not on the axis


@pytest.mark.parametrize("y", [0.98, 0.02])
def test_a_key_reads_from_above_in_every_corner(panel, y):
    plots.names(panel, {"one": "black", "two": "black"}, 0.98, y)
    place = heights(panel)
    assert max(place, key=place.get) == "one"
    inside = panel.get_window_extent()
    assert all(inside.y0 < middle * panel.figure.dpi / 72 < inside.y1 for middle in place.values())


def test_panels_that_are_compared_have_one_range():
    figure, panels = plt.subplots(1, 2)
    plots.lobes(panels[0], np.array([[1, 2], [3, 1]]))
    plots.lobes(panels[1], np.array([[1, 5], [0, 1]]))
    plots.same_height(panels)
    low, high = panels[0].get_ylim()
    assert panels[1].get_ylim() == (low, high) == (-high, high) and high >= 5
    plt.close(figure)


def test_a_bracket_reaches_from_each_bar_to_its_other_end_and_leaves_out_what_cannot_be_seen(panel):
    low, high = np.array([[1.0, 2.0, 0.001], [3.0, 1.0, 0.0]]), np.array([[0.5, 2.5, 0.002], [3.5, 1.0, 0.0]])
    plots.lobes(panel, low)
    plots.reach(panel, low, high)
    spans = [segment[:, 1].tolist() for lines in panel.collections[::2] for segment in lines.get_segments()]
    caps = [segment[0, 1] for lines in panel.collections[1::2] for segment in lines.get_segments()]
    assert spans == [[1, 0.5], [2, 2.5], [-3, -3.5], [-1, -1]] and caps == [0.5, 2.5, -3.5, -1]


def test_a_split_has_its_parts_in_their_colours_and_their_sizes_in_words():
    figure, panels = plt.subplots(1, 4)
    parts = {part: np.full((2, 5), float(k)) for k, part in enumerate(plots.PARTS, 1)}
    parts["residual"] = -parts["residual"]  # a difference: drawn by its size
    sizes = {part: f"{part}!" for part in parts}
    plots.split(panels, parts, sizes, {"decay": (parts["decay"] - 1, parts["decay"] + 1)}, parts)
    for panel, (part, values) in zip(panels, parts.items(), strict=True):
        assert {bar.get_height() for bar in panel.patches} == {abs(values[0, 0]), -abs(values[0, 0])}
        assert mpl.colors.same_color(panel.patches[0].get_facecolor(), plots.PALETTE[part])
        assert sizes[part] in [text.get_text() for text in panel.texts]
        assert len(panel.collections) == (6 if part == "decay" else 4), "a band where there is one, brackets everywhere"
    plt.close(figure)


def test_a_specification_curve_sorts_its_combinations_and_colours_what_holds():
    figure, (above, below) = plt.subplots(2, 1)
    statistic, holds = np.array([0.5, 0.1, 0.9]), np.array([False, False, True])
    levels = {"ties": np.array([0.0, 1.0, 1.0]), "tau": np.array([0.5, 0.0, 1.0])}
    plots.specification(above, below, statistic, holds, levels, "decay", {"ours": 0.5, "letter": np.nan})
    fails, kept = (dots.get_offsets() for dots in above.collections)
    assert fails.tolist() == [[0, 0.1], [1, 0.5]] and kept.tolist() == [[2, 0.9]]
    assert mpl.colors.same_color(above.collections[1].get_facecolor()[0], plots.PALETTE["decay"])
    assert below.images[0].get_array().tolist() == [[1.0, 0.0, 1.0], [0.0, 0.5, 1.0]]
    assert [text.get_text() for text in above.texts] == ["ours"], "what was not measured is not marked"
    assert [tick.get_text() for tick in below.get_yticklabels()] == ["ties", "tau"]
    plt.close(figure)
