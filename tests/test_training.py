"""Training: the grid of checkpoints, the same bytes again, and timepoints on curves drawn by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from lib import datasets, networks, training


def small(tmp_path, seed=0, learning_rate=0.05):
    data = datasets.load("digits", 32, 0.05, seed)
    network = networks.build("vgg4", data.shape, 10, seed)
    curves = training.train(
        network, data, tmp_path, epochs=3, batch_size=100, learning_rate=learning_rate, momentum=0.9,
        checkpoints=5, seed=seed, report=lambda line: None,
    )  # fmt: skip
    return network, curves


def test_training_again_gives_the_same_bytes_and_another_seed_others(tmp_path):
    networks_and_curves = [small(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    (_, first), (_, again), (_, other) = networks_and_curves
    pd.testing.assert_frame_equal(first, again)
    assert not first["train_loss"].equals(other["train_loss"])
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in "ab"]
    assert files[0] == files[1] == [f"epoch-{epoch:05d}.pt" for epoch in (0, 1, 2, 3)]
    for name in files[0]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_checkpoint_is_the_network_and_the_curve_is_of_it(tmp_path):
    network, curves = small(tmp_path)
    data = datasets.load("digits", 32, 0.05, 0)
    again = training.load_checkpoint(
        networks.build("vgg4", data.shape, 10, seed=9), training.checkpoint_path(tmp_path, 3)
    )
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    loss, accuracy = training.evaluate(again, data, data.x_test, data.y_test)
    last = curves.iloc[-1]
    assert (last.epoch, last.test_loss, last.test_accuracy) == (3, pytest.approx(loss), pytest.approx(accuracy))
    untrained = training.evaluate(networks.build("vgg4", data.shape, 10, seed=0), data, data.x_test, data.y_test)
    assert curves.iloc[0].test_loss == pytest.approx(untrained[0])
    assert curves["train_loss"].iloc[-1] < curves["train_loss"].iloc[0]


def test_a_loss_that_is_no_longer_finite_stops_the_training(tmp_path):
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        small(tmp_path, learning_rate=1e6)


@pytest.mark.parametrize(("epochs", "count"), [(3, 4), (96, 16), (1000, 12), (5, 50)])
def test_checkpoints_go_from_untrained_to_the_last_epoch(epochs, count):
    grid = training.checkpoint_epochs(epochs, count)
    assert grid[0] == 0 and grid[-1] == epochs and len(grid) <= count
    steps = np.diff(grid)
    assert (steps > 0).all() and (np.diff(steps) >= -1).all()  # ever wider, up to rounding


def test_timepoints_on_curves_whose_minimum_and_gap_are_known():
    epoch = np.arange(101)
    test = 1 + (np.log1p(epoch) - np.log1p(20)) ** 2  # least at 20
    train = test - np.clip(epoch - 20, 0, None) / 80  # the gap opens linearly from 20 to 100
    curves = pd.DataFrame({"epoch": epoch, "train_loss": train, "test_loss": test})
    grid = [0, 1, 2, 5, 10, 20, 40, 60, 80, 100]
    assert training.timepoints(curves, grid) == {"A": 0, "B": 20, "C": 60, "D": 100}


def test_timepoints_stay_apart_where_nothing_overfits():
    curves = pd.DataFrame({"epoch": range(4), "train_loss": [4.0, 3, 2, 1], "test_loss": [4.0, 3, 2, 1]})
    assert training.timepoints(curves, [0, 1, 2, 3]) == {"A": 0, "B": 1, "C": 2, "D": 3}
    with pytest.raises(ValueError, match="need at least 4"):
        training.timepoints(curves, [0, 1, 3])
