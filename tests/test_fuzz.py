"""Whatever is put into params.yaml and the readers: an answer, or one line; and the solver on tables of all kinds."""

import dataclasses
import io
import string

import fuzz
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import experiments
from lib.datasets import readers

QUICK = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
BLOCK = experiments.load("digits-vgg").model_dump(mode="json")
WHOLE = {"run": ["digits-vgg"], "choices": [], "device": "cpu", "common": {}, "experiments": {"digits-vgg": BLOCK}}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(string.printable, max_size=20)
    | st.sampled_from(
        ["zero", "digits", "a b", "x;touch y", "../..", "1e308", "é", "null", "~", "=", "0x1", "1_0", "on"]
    )
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=2), max_leaves=4
)


def one_line(call, *arguments):
    """What a call returns; None where it stops with one line a fault, the only thing that it may stop with."""
    try:
        return call(*arguments)
    except (ValueError, OSError) as error:
        assert type(error) in (ValueError, FileNotFoundError, OSError), repr(error)
        lines = str(error).splitlines()
        assert len(set(lines)) == len(lines) > 0 and max(map(len, lines)) < 1500, str(error)
        assert len(lines) == 1 or all(line.startswith("params.yaml: ") for line in lines), str(error)
        return None


@pytest.mark.case("C7")
@QUICK
@given(field=st.sampled_from(sorted(BLOCK)), value=VALUES)
def test_any_value_of_a_parameter_is_taken_or_refused_in_one_line(tmp_path, field, value):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**WHOLE, "experiments": {"digits-vgg": BLOCK | {field: value}}}))
    found = one_line(experiments.load, "digits-vgg", None, path)
    if found is not None:  # it holds what it took, and writes it as it reads it
        again = found.model_dump(mode="json")
        path.write_text(yaml.safe_dump({**WHOLE, "experiments": {"digits-vgg": again}}))
        assert experiments.load("digits-vgg", params=path) == found


@pytest.mark.case("C6", "C7", "C23")
@QUICK
@given(field=st.sampled_from(sorted(WHOLE)), value=VALUES)
def test_anything_at_the_top_of_params_is_taken_or_refused_in_one_line(tmp_path, field, value):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(WHOLE | {field: value}))
    for call in (experiments.running, experiments.choices, experiments.device, experiments.names):
        one_line(call, path)


@pytest.mark.case("C7", "C23")
@QUICK
@given(cut=st.integers(0, 5000), put=st.binary(max_size=12))
def test_any_damage_of_params_is_taken_or_refused_in_one_line(tmp_path, cut, put):
    text = experiments.PARAMS.read_bytes()
    path = tmp_path / "params.yaml"
    path.write_bytes(text[:cut] + put + text[cut + len(put) // 2 :])
    one_line(experiments.running, path)


@pytest.mark.case("A19", "C9")
@QUICK
@given(cut=st.integers(0, 3000), flip=st.integers(0, 3000), values=st.integers(1, 255))
def test_a_damaged_file_of_arrays_is_read_or_refused_in_one_line(tmp_path, cut, flip, values):
    file = io.BytesIO()
    images, labels = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8), np.array([0, 1, 1])
    np.savez(file, x_train=images, y_train=labels, x_test=images, y_test=labels)
    content = bytearray(file.getvalue()[: max(cut, 1)] if cut % 3 == 0 else file.getvalue())
    content[flip % len(content)] ^= values
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    found = one_line(readers.from_arrays, path)
    if found is not None:
        (x, y), _ = found
        assert len(x) == len(y) and y.min() >= 0


@pytest.mark.case("B11")
@QUICK
@given(content=st.binary(max_size=60) | st.text("ab\t\n\r\"'01é", max_size=60).map(str.encode))
def test_any_table_of_sentences_is_read_or_refused_in_one_line(tmp_path, content):
    path = tmp_path / "train.tsv"
    path.write_bytes(content)
    found = one_line(readers._sentences, path)
    if found is not None:
        sentences, labels = found
        assert len(sentences) == len(labels) > 0 and labels.min() >= 0


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_solver_holds_on_tables_of_every_kind(n):
    row = fuzz.run(n, 44, 22, seed=n)
    assert row.fails == [] and row.told == 0 and row.tables == 44 and row.exact >= 18
    assert set(row.worst) >= {"gap", "bound", "unsettled", "fit", "empty", "objective", "bound ≤ optimum"}


def test_a_wrong_answer_would_be_seen(monkeypatch):
    """Each check fails on an answer that is wrong in its way."""
    true = fuzz.sparsest

    def wrong(values, zeta):
        found = true(values, zeta)
        return dataclasses.replace(found, i_and=found.i_and * 1.01, lower_bound=found.objective * 1.01)

    monkeypatch.setattr(fuzz, "sparsest", wrong)
    row = fuzz.run(3, 22, 11, seed=0)
    assert {fault.partition(":")[0] for fault in row.fails} >= {"bound", "fit", "objective", "bound ≤ optimum"}
