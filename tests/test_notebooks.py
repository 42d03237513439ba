"""Every notebook runs on a small setting, with equal bytes a second time; prose and outputs are no part of its code."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import nbformat
import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import xarray as xr

from lib import datasets, forked, lab, networks, notebook, players, prepare, theory, training
from lib.experiments import ROOT

SMALL = {
    "epochs": 4,
    "samples": 3,
    "players": 5,
    "checkpoints": 5,
    "parameter_noise": [3, 30],
    "input_noise": [4],
    "bootstrap": 10,
    "checkpoint_samples": 2,
    "category_samples": 2,
    "nested_samples": 2,
    "reset_samples": 2,
    "nested_players": 7,
    "alternatives": ["draws", "sign", "cut", "pixels", "logit"],
    "alternative_samples": 2,
    "train_samples": 300,
    "test_samples": 200,
    "threads": 1,  # the tests run side by side
}
AGAIN = ["1_train", "2_extract", "3_inject", "4_decompose", "5_disentangle", "6_figures"]  # measure, solve, fit, draw
PNG = {"figure-2", "figure-3", "figure-4a", "figure-4b", "figure-4c", "figure-5", "figure-identified"}


@pytest.fixture(scope="module")
def sources():
    """The notebooks; fewer steps of the descents of why_exact here, and fewer resamples behind the sweep of choices."""
    found = {
        name: nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        for name in [*prepare.STAGES, "alternatives"]
    }
    for name, before, after in (
        ("why_exact", "STEPS = (100, 1000, 10000)\n", "STEPS = (10, 100, 300)\n"),
        ("why_exact", "descent.descend(values, limits[name])", "descent.descend(values, limits[name], iterations=300)"),
        ("choices", "\nresamples = 10 ", "\nresamples = 2 "),
    ):
        (cell,) = (cell for cell in found[name].cells if cell.cell_type == "code" and before in cell.source)
        cell.source = cell.source.replace(before, after, 1)
    return found


@pytest.fixture(scope="module")
def server():
    """One process forks all stages, as in `make figures`, each on one thread: the tests run side by side."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OMP_NUM_THREADS", "1")
        with forked.served(ROOT) as found:
            yield found


@pytest.fixture(scope="module")
def run(server):
    """Runs a notebook on the small setting as a stage does."""

    def run(folder, name, source, **changed):
        prepare.write(prepare.code_of(source), folder / "code" / f"{name}.ipynb")
        arguments = [
            "--overrides",
            json.dumps(SMALL | changed),
            "--folder",
            str(folder),
            "--code",
            str(folder / "code"),
        ]
        with pytest.MonkeyPatch.context() as patched:
            for variable, value in server.items():
                patched.setenv(variable, value)
            command = ["run", name, "digits-vgg", *arguments]
            status = forked.run(command, dict(os.environ))
        if status is None:  # no server on this system
            status = subprocess.run([sys.executable, "-m", "lib.notebook", *command], cwd=ROOT).returncode
        assert status == 0, name

    return run


@pytest.fixture(scope="module")
def ran(tmp_path_factory, run, sources):
    """The results of the whole pipeline on the small setting."""
    folder = tmp_path_factory.mktemp("results")
    for name, source in sources.items():
        run(folder, name, source)
    return folder / "digits-vgg"


def test_a_warning_names_the_line_of_its_cell_and_no_file_of_the_kernel():
    said = "/tmp/ipykernel_5094/3140770433.py:6: UserWarning: alpha at an end of its range\n  fit(x)\n"
    chunks = [nbformat.v4.new_output("stream", name="stderr", text=part) for part in (said[:20], said[20:])]
    (told,) = notebook._tidy(chunks)
    assert told.text == "line 6 of the cell: UserWarning: alpha at an end of its range\n  fit(x)\n"


def _parent(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.case("B18")
def test_interactions_that_are_not_there_are_solved_as_the_stage_solves_them(ran, tmp_path, server, monkeypatch):
    for variable, value in server.items():
        monkeypatch.setenv(variable, value)
    own = tmp_path / "digits-vgg"
    own.mkdir()
    assert lab.solve("digits-vgg", tmp_path) == [], "there is nothing to solve"
    for kind in lab.MEASURED:
        shutil.copy(ran / f"{kind}.nc", own)
    (own / "control-interactions.nc").write_bytes(b"mine")
    new = lab.solve("digits-vgg", tmp_path)
    assert [path.stem for path in new] == ["interactions", "injected-interactions"]
    assert all(path.read_bytes() == (ran / path.name).read_bytes() for path in new)
    assert (own / "control-interactions.nc").read_bytes() == b"mine"
    assert {path.stem for path in own.iterdir()} == {*lab.MEASURED, *lab.SOLVED}
    assert lab.solve("digits-vgg", tmp_path) == [] and not list((ROOT / "build").glob("_*"))


def test_the_summary_is_the_spindles_share_of_the_metrics(ran, tmp_path):
    shutil.copy(ran / "metrics.json", tmp_path)  # what ran stays as it is, for it is compared
    notebook.summary(tmp_path)
    few, metrics = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("summary", "metrics"))
    assert few == {"spindle": {name: row["spindle_share"] for name, row in metrics["timepoints"].items()}}


def test_all_results_are_there(ran):
    results = ran
    assert {path.stem for path in (results / "figures").glob("*.png")} == PNG
    metrics = json.loads((results / "metrics.json").read_text())
    assert list(metrics["timepoints"]) == ["A", "B", "C", "D"]
    assert list(metrics["noise"]) == ["parameters-3", "parameters-30", "inputs-4"]
    for row in [*metrics["timepoints"].values(), *metrics["noise"].values()]:
        assert row["worst_gap"] <= 1e-4
        assert row["largest_error_over_zeta"] <= 1 + 1e-9
        assert 0 <= row["relative_residual"] <= 1
    assert len(list((results / "checkpoints").glob("epoch-*.pt"))) == len(training.checkpoint_epochs(4, 5))
    values = xr.open_dataset(results / "values.nc")["values"]
    assert values.dims == ("timepoint", "sample", "subset") and values.shape == (4, 3, 32)
    assert values.dtype == "float64"
    ends = xr.open_dataset(results / "choices.nc")
    assert ends.strength.shape == (2, 2, 7, 3, 2, 5) and ends.zeta.values.tolist() == [0, 0.02]


def test_the_tutorials_write_their_statistics_and_figures(ran):
    results = ran
    logical, general, sparse = (
        json.loads((results / f"{name}.json").read_text()) for name in ("logical-model", "generalisation", "sparsity")
    )
    for name in ("figure-1", "figure-6", "figure-sparsity"):
        assert (results / f"{name}.png").stat().st_size
    for name, row in logical["timepoints"].items():
        assert row["largest_error_over_zeta"] <= 1 + 1e-9
        assert 0 <= row["salient_interactions"] == sparse["timepoints"][name]["salient"] <= 2 * (2**5 - 1) - 5
    for found in general["similarity"].values():
        assert all(similarity is None or 0 <= similarity <= 1 for similarity in found["mean"])
    assert sparse["growth"]["players"] == [2, 3, 4, 5, 6, 7][-len(sparse["growth"]["salient"]) :]
    for row in sparse["timepoints"].values():
        assert all(0 <= row[f"condition_{k}"]["fails"] <= 1 for k in (1, 2, 3))


def test_every_checkpoint_is_written_with_its_strengths_and_its_split(ran):
    """The curves of overfitting.csv add up to the numbers beside them."""
    orders = np.arange(1, SMALL["players"] + 1)
    found = pd.read_csv(ran / "overfitting.csv")
    assert found.epoch.tolist() == training.checkpoint_epochs(SMALL["epochs"], SMALL["checkpoints"])
    for _, row in found.iterrows():
        strength, decay = (
            np.array([[row[f"{part}{sign}_{m}"] for m in orders] for sign in ("plus", "minus")])
            for part in ("", "decay_")
        )
        assert strength.min() >= 0 and strength.max() > 0 and decay.min() >= 0
        assert (strength.sum(0) @ orders) / strength.sum() == pytest.approx(row.mean_order, rel=1e-8)
        assert decay.sum() == pytest.approx(row.decay, rel=1e-8)
        spindle = theory.spindle(torch.tensor(row.alpha), row.beta, len(orders))
        assert 2 * float(spindle.sum()) == pytest.approx(row.spindle, rel=1e-8)
        assert (row.gamma == 0) == (row.decay == 0) and row.delta > 0


def contents(results):
    files = (path for path in sorted(results.rglob("*")) if path.is_file() and path.suffix != ".md5")
    mentions = str(results.parent).encode()  # the folder is a parameter of the notebook
    return {str(path.relative_to(results)): path.read_bytes().replace(mentions, b"") for path in files}


def test_a_second_run_changes_no_byte(ran, run, sources, tmp_path):
    """Of the stages AGAIN, from what they wrote themselves; the sweep's table is there, for it is drawn."""
    _parent(tmp_path / "digits-vgg" / "choices.nc").write_bytes((ran / "choices.nc").read_bytes())
    for name in AGAIN:
        run(tmp_path, name, sources[name])
    first, second = contents(ran), contents(tmp_path / "digits-vgg")
    assert second.keys() <= first.keys() and {f"run/{name}.ipynb" for name in AGAIN} <= second.keys()
    assert [name for name in second if second[name] != first[name]] == []
    assert len(second) > 20


@pytest.mark.slow
def test_a_second_run_of_all_changes_no_byte(ran, run, sources, tmp_path):
    for name, source in sources.items():
        run(tmp_path, name, source)
    first, second = contents(ran), contents(tmp_path / "digits-vgg")
    assert first.keys() == second.keys() and len(second) > 30
    assert [name for name in second if second[name] != first[name]] == []


def test_a_network_of_ones_own_is_measured_as_it_is(run, sources, tmp_path, monkeypatch):
    """`network: module:function` with `epochs: 0`, masked by the mean colour."""
    (tmp_path / "nets_of_mine.py").write_text(
        "from torch import nn\n\n\ndef make(shape, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(shape[1] ** 2, 8), nn.ReLU(), nn.Linear(8, classes))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    own = {"network": "nets_of_mine:make", "epochs": 0, "side": 16, "baseline": "mean"}
    for name in ("1_train", "2_extract"):
        run(tmp_path, name, sources[name], **own)
    measured = xr.load_dataset(tmp_path / "digits-vgg" / "values.nc")
    assert (measured["values"] == measured["values"][0]).all(), "A to D are one network"
    assert measured["values"].shape == (4, 3, 32) and float(abs(measured["values"]).max()) > 0
    monkeypatch.syspath_prepend(tmp_path)
    few = {name: SMALL[name] for name in ("train_samples", "test_samples")}
    data = datasets.load("digits", 16, **few)
    network, chosen = networks.build("nets_of_mine:make", data.shape, 10, 0), measured.sample.values.tolist()
    x, y = data.prepare(data.x_test[chosen]), data.y_test[chosen]
    shown = players.patch_regions(torch.from_numpy(measured.patch.values), (16, 16)).any(1)[:, None]
    mean = players.mean_features(network, data, data.x_train)
    with torch.no_grad():
        ends = torch.stack([players.log_odds(network(inputs), y) for inputs in (torch.where(shown, mean, x), x)], 1)
    np.testing.assert_allclose(measured["values"][0][:, [0, -1]], ends, atol=1e-4)


def test_noise_that_was_not_injected_is_not_drawn(run, ran, sources, tmp_path):
    results = tmp_path / "digits-vgg"
    results.mkdir()
    for file in ("curves.csv", "timepoints.json", "choices.nc"):
        shutil.copy(ran / file, results)
    fits = xr.load_dataset(ran / "fits.nc")
    fits = fits.sel(condition=fits.kind != "inputs", emergence=[*"CD", "parameters 3", "parameters 30"])
    for without, expected in (
        (fits, PNG - {"figure-4b"}),
        (fits.sel(condition=fits.kind == "training", emergence=[*"CD"]), {"figure-2", "figure-5", "figure-identified"}),
    ):
        shutil.rmtree(results / "figures", ignore_errors=True)
        without.to_netcdf(results / "fits.nc")
        run(tmp_path, "6_figures", sources["6_figures"])
        assert {path.stem for path in (results / "figures").glob("*.png")} == expected


def test_executed_notebooks_have_no_errors_warnings_or_paths_of_this_machine(ran):
    for path in sorted((ran / "run").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.outputs:
                assert output.output_type != "error"
                assert output.get("name") != "stderr", (path.name, output)
        assert str(ROOT) not in path.read_text()


def test_prose_and_outputs_together(ran, sources):
    for name, source in sources.items():
        executed = nbformat.read(ran / "run" / f"{name}.ipynb", as_version=4)
        woven = notebook.weave(source, executed)
        nbformat.validate(woven)
        prose = [cell.source for cell in woven.cells if cell.cell_type == "markdown"]
        assert prose == [cell.source for cell in source.cells if cell.cell_type == "markdown"]
        assert sum(bool(cell.get("outputs")) for cell in woven.cells) >= 1, name
        assert [cell.id for cell in woven.cells] == [f"cell-{k}" for k in range(len(woven.cells))]


def test_what_was_woven_before_is_woven_again_where_the_runs_are_not(ran, sources, tmp_path, capsys):
    """Outputs are in git once, in the woven notebooks; of the runs, only their md5."""
    for name, source in sources.items():
        nbformat.write(source, _parent(tmp_path / "notebooks" / f"{name}.ipynb"))
    results = tmp_path / "digits-vgg"
    shutil.copytree(ran / "run", results / "run")
    notebook.weave_all(results, tmp_path / "notebooks")
    first = {path.name: path.read_bytes() for path in (results / "notebooks").iterdir()}
    assert {f"{name}.ipynb" for name in [*prepare.STAGES, "alternatives"]} == set(
        first
    ) and capsys.readouterr().out == ""
    for path in (results / "run").glob("*.ipynb"):
        path.unlink()
    notebook.weave_all(results, tmp_path / "notebooks")
    assert {path.name: path.read_bytes() for path in (results / "notebooks").iterdir()} == first
    (results / "run" / "1_train.md5").write_text("another\n")
    notebook.weave_all(results, tmp_path / "notebooks")
    assert "the outputs of 1_train are not here" in capsys.readouterr().out
    cells = nbformat.read(results / "notebooks" / "1_train.ipynb", as_version=4).cells
    assert not any(cell.get("outputs") for cell in cells)


def test_outputs_of_other_code_are_refused(ran, sources):
    executed = nbformat.read(ran / "run" / "6_figures.ipynb", as_version=4)
    with pytest.raises(ValueError, match="other code"):
        notebook.weave(sources["1_train"], executed)


def test_prose_saved_outputs_and_cell_ids_are_no_part_of_the_code(ran, sources):
    """So that editing the text of a notebook, or saving it from Jupyter, retrains nothing."""
    for name, source in sources.items():
        executed = nbformat.read(ran / "run" / f"{name}.ipynb", as_version=4)
        saved = notebook.weave(source, executed)
        saved.cells = [cell for cell in saved.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
        for number, cell in enumerate(saved.cells):
            cell.id = f"saved-{number}"
            cell.metadata["collapsed"] = True
            if cell.cell_type == "markdown":
                cell.source += " And another sentence."
        saved.cells.insert(0, nbformat.v4.new_markdown_cell("A new introduction."))
        assert prepare.code_of(saved) == prepare.code_of(source)


@pytest.fixture
def forked_run(server, tmp_path, monkeypatch):
    """Starts a stage of these cells as DVC does, with a server; the process that asks, and the folder of results."""
    if not server:
        pytest.skip("no server on this system")

    def start(*cells, **options):
        tagged = nbformat.v4.new_code_cell("experiment = 'x'\nfolder = ''", metadata={"tags": ["parameters"]})
        cells = [tagged, *map(nbformat.v4.new_code_cell, cells)]
        code = nbformat.v4.new_notebook(cells=cells, metadata=prepare.METADATA)
        prepare.write(code, tmp_path / "1_train.ipynb")
        folders = ["--folder", str(tmp_path / "results"), "--code", str(tmp_path)]
        command = [sys.executable, "-m", "lib.notebook", "run", "1_train", "digits-vgg", *folders]
        environment = {**os.environ, **server}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job ignores it
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, **pipes
        ), tmp_path / "results" / "digits-vgg" / "run"

    return start


def test_a_forked_notebook_is_a_fresh_one_with_the_stages_own_files_and_environment(forked_run, monkeypatch):
    """Nothing that one changes is there in the next; it is a grandchild of the server, not of who asked."""
    monkeypatch.setenv("ASKED", "yes")
    cell = (
        "import os, sys, numpy, torch\n"
        "print('lib.training' in sys.modules, hasattr(numpy, 'left'), os.environ['ASKED'], os.getcwd(), __debug__,"
        " torch.initial_seed(), torch.get_num_threads(), 'DVC_STAGE' in os.environ)\nnumpy.left = 1"
    )
    monkeypatch.setenv("DVC_STAGE", "train@digits-vgg")
    told = set()
    for _ in range(2):
        going, _ = forked_run(cell, "torch.ones(10**6).sum()")
        said, errors = going.communicate()
        assert (going.returncode, errors) == (0, "")
        told.add(said)
    (said,) = told
    assert said.startswith(f"True False yes {ROOT} True ") and said.endswith(" False\n")


@pytest.mark.case("B14", "C4")
def test_a_forked_kernel_that_is_killed_is_named_and_so_is_a_failing_cell(forked_run):
    for cell, expected in (
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            "in code cell 3 (import os, signal) the kernel was",
        ),
        ("raise ValueError('n = 99 is too large')", "ValueError: n = 99 is too large"),
    ):
        going, results = forked_run(cell)
        errors = going.communicate()[1]
        assert going.returncode == 1 and errors.startswith(f"error: 1_train: {expected}") and errors.count("\n") == 1
        assert list(results.iterdir()) == []
    (ROOT / "build" / "failed" / "digits-vgg-1_train.ipynb").unlink()


@pytest.mark.case("C2", "C3")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_forked_notebook_ends_with_who_asked_for_it(forked_run, tmp_path, number):
    begun = tmp_path / "begun"
    cell = f"import os, time\nopen({str(begun)!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}} ')\ntime.sleep(300)"
    going, results = forked_run(cell)
    while not begun.exists() or not begun.read_text().endswith(" "):
        assert going.poll() is None
        time.sleep(0.05)
    processes = [psutil.Process(int(pid)) for pid in begun.read_text().split()]
    going.send_signal(signal.Signals[number])
    errors = going.communicate(timeout=60)[1]
    left = psutil.wait_procs(processes, timeout=30)[1]
    assert not left and list(results.iterdir()) == []
    assert errors.startswith("interrupted; ") and errors.count("\n") == 1
    assert going.returncode == (-signal.SIGKILL if number == "SIGKILL" else 130)


def test_a_server_whose_parent_is_gone_before_it_is_ready_imports_nothing_more():
    with socket.socket(socket.AF_UNIX) as listener:
        command = [sys.executable, "-X", "importtime", "-m", "lib.server", str(listener.fileno())]
        pipes = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "pass_fds": [listener.fileno()]}
        done = subprocess.run(command, cwd=ROOT, timeout=300, **pipes)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0 and "lib.prepare" in imported and "torch" not in imported


def test_where_the_server_is_gone_a_stage_runs_by_itself(tmp_path, monkeypatch):
    monkeypatch.setenv(forked.SERVER, str(tmp_path / "socket"))
    assert forked.run(["--help"], {}) is None
    with socket.socket(socket.AF_UNIX) as listener, forked.folder("server-") as place:
        listener.bind(f"{place}/socket")
        monkeypatch.setenv(forked.SERVER, f"{place}/socket")
        assert forked.run(["--help"], {}) is None, "nobody listens"


def test_notebooks_are_short_and_half_prose(sources):
    for name, source in sources.items():
        cells = source.cells
        prose = sum(cell.cell_type == "markdown" for cell in cells)
        assert 12 <= len(cells) <= 32 and prose >= 0.4 * len(cells), (name, prose, len(cells))
        assert all(not cell.get("outputs") for cell in cells), "source notebooks are kept without outputs"


def test_a_failing_cell_is_one_line_and_leaves_no_output(tmp_path):
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("raise ValueError('n = 99 is too large')")])
    prepare.write(broken, tmp_path / "broken.ipynb")
    output = tmp_path / "experiment" / "run" / "broken.ipynb"
    with pytest.raises(RuntimeError, match="broken: ValueError: n = 99 is too large") as error:
        notebook.run(tmp_path / "broken.ipynb", output, {})
    assert "\n" not in str(error.value)
    assert list(output.parent.iterdir()) == []


@pytest.fixture
def executed(tmp_path):
    """Runs cells as a stage of their own; the notebook as run."""

    def run(*cells):
        code = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        prepare.write(code, tmp_path / "own.ipynb")
        output = tmp_path / "experiment" / "run" / "own.ipynb"
        notebook.run(tmp_path / "own.ipynb", output, {})
        return nbformat.read(output, as_version=4)

    return run


@pytest.mark.case("B14", "C4")
@pytest.mark.parametrize(
    ("number", "said"),
    [("SIGKILL", "was killed, most likely for want of memory: allowed are fewer samples"), ("SIGSEGV", "ended with S")],
)
def test_a_kernel_that_is_killed_names_stage_cell_and_cause_and_keeps_its_notebook(
    executed, tmp_path, capfd, number, said
):
    kept = ROOT / "build" / "failed" / "experiment-own.ipynb"
    kept.unlink(missing_ok=True)
    with pytest.raises(RuntimeError) as error:
        executed("print('here')", f"import os, signal\nos.kill(os.getpid(), signal.{number})", "print('never')")
    message = str(error.value)
    assert message.startswith(f"own: in code cell 2 (import os, signal) the kernel {said}") and "\n" not in message
    assert message.endswith(f"(up to there in {kept.relative_to(ROOT)})")
    assert nbformat.read(kept, as_version=4).cells[0].outputs[0].text == "here\n"
    assert list((tmp_path / "experiment" / "run").iterdir()) == [] and capfd.readouterr().err == ""
    kept.unlink()


@pytest.mark.case("B15", "C20", "C21")
def test_a_notebook_runs_in_this_interpreter_and_draws_whatever_is_set_around_it(executed, tmp_path, monkeypatch):
    """Another `python3` kernel, a backend without a screen, a profile that draws SVG, and a Python without assert."""
    other = tmp_path / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    (other / "kernel.json").write_text(json.dumps(spec))
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text("c.InlineBackend.figure_formats = {'svg'}\n")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("IPYTHONDIR", str(profile.parent))
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    ran = executed("import sys\nprint(sys.executable, __debug__)", "import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert ran.cells[0].outputs[0].text == f"{sys.executable} True\n"
    assert set(ran.cells[1].outputs[0].data) == {"image/png", "text/plain"}


@pytest.mark.case("C17")
def test_a_notebook_is_reached_without_any_network(executed):
    """Not over the loopback, which may be down."""
    asked = (
        "import json\nfrom ipykernel import get_connection_info\nprint(json.loads(get_connection_info())['transport'])"
    )
    assert executed(asked).cells[0].outputs[0].text == "ipc\n"


@pytest.mark.case("C17")
def test_a_notebook_runs_where_the_path_of_temporary_files_is_long(executed, tmp_path, monkeypatch):
    """The path of a socket may have some hundred bytes."""
    long = tmp_path / ("é" * 60)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert executed("print(1 + 1)").cells[0].outputs[0].text == "2\n"


@pytest.mark.case("C16")
def test_what_a_kernel_logs_of_itself_is_silent(executed, capfd):
    """On a busy machine it logs an interrupt at the end of a stage that is fine."""
    executed("get_ipython().kernel.log.error('KeyboardInterrupt caught in kernel.')", "print('fine')")
    assert capfd.readouterr().err == ""


@pytest.mark.case("C21")
def test_commands_run_without_docstrings():
    environment = {**os.environ, "PYTHONOPTIMIZE": "2"}
    command = [sys.executable, "-m", "lib.pipeline", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("usage: ") and done.stderr == ""
    for path in [*(ROOT / "lib").rglob("*.py"), *(ROOT / "book").rglob("*.py")]:  # torch alone takes half a minute so
        text = path.read_text(encoding="utf-8")
        assert text.count("__doc__") == text.count('(__doc__ or "")'), path


def test_a_misspelled_parameter_of_a_notebook_stops_it(tmp_path):
    with pytest.raises(ValueError, match="parameter = 'experimnt': 1_train.ipynb has experiment, overrides, folder"):
        notebook.run(ROOT / "notebooks" / "1_train.ipynb", tmp_path / "out.ipynb", {"experimnt": "digits-vgg"})


def test_an_unknown_experiment_is_one_line():
    command = [sys.executable, "-m", "lib.notebook", "run", "1_train", "digit-vgg"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0 and result.stderr.strip().count("\n") == 0
    assert "experiment = 'digit-vgg': allowed are digits-vgg" in result.stderr


@pytest.mark.case("C3")
def test_an_interrupted_notebook_is_one_line_and_leaves_nothing(tmp_path):
    """As Ctrl-C does it: to the whole group, the kernel's process aside, which is a group of its own."""
    script = (
        "import signal, sys\nfrom pathlib import Path\nfrom lib import notebook\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job starts without it
        "def main():\n    notebook.run(Path(sys.argv[1]), Path(sys.argv[2]), {})\nnotebook.ended(main)\n"
    )
    cells = ["from pathlib import Path", f"Path({str(tmp_path / 'begun')!r}).touch()\nimport time; time.sleep(300)"]
    code = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    prepare.write(code, tmp_path / "slow.ipynb")
    output = tmp_path / "experiment" / "run" / "slow.ipynb"
    command = [sys.executable, "-c", script, str(tmp_path / "slow.ipynb"), str(output)]
    going = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "begun").exists():
        assert going.poll() is None
        time.sleep(0.05)
    kernels = psutil.Process(going.pid).children()
    going.send_signal(signal.SIGINT)
    said = going.communicate(timeout=60)[1]
    assert going.returncode == 130 and said.count("\n") == 1 and said.startswith("interrupted; "), said
    assert list(output.parent.iterdir()) == [] and kernels and not any(kernel.is_running() for kernel in kernels)


@pytest.mark.slow
def test_every_choice_is_judged_in_a_block_of_its_own(ran, run):
    """On two samples of the small pipeline: all blocks are there, and a claim's default is one of its combinations."""
    source = nbformat.read(ROOT / "notebooks" / "every_choice.ipynb", as_version=4)
    run(ran.parent, "every_choice", source, sweep_samples=2, another_seed=None)
    found = json.loads((ran / "every-choice.json").read_text())
    assert found["samples"] == 2 and set(found["samples_apart"]) >= {"measured", "draw", "sign", "solver"}
    few = {row["claim"]: row for row in json.loads((ran / "choices.json").read_text())["claims"]}
    for row in found["claims"]:
        assert row["combinations"] > few[row["claim"]]["combinations"], "of more choices"
        assert 0 <= row["share"] <= row["weakly"] <= 1 and row["low"] <= row["default"] <= row["high"], row["claim"]
    assert {row["choice"] for row in found["levels"]} >= {"added", "draw", "measured", "side", "sign", "solver"}


def test_a_notebook_over_all_experiments_has_their_tables_first(monkeypatch) -> None:
    """In a fresh clone they are in store/ alone: the notebook would be whole, with empty tables and figures."""
    begun = []

    def stop(*_) -> None:
        begun.append("run")
        raise RuntimeError("enough")

    monkeypatch.setattr(notebook.shipped, "bring", lambda: begun.append("tables"))
    monkeypatch.setattr(notebook, "run", stop)
    monkeypatch.setattr(sys, "argv", ["lib.notebook", "alone", "claims"])
    with pytest.raises(RuntimeError, match="enough"):
        notebook.main()
    assert begun == ["tables", "run"]
