"""Tables that ship come whole, once, and from nowhere but the store."""

import configparser
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lib import experiments, lab, pipeline, prepare, shipped
from lib.experiments import ROOT
from lib.files import git
from lib.shipped import compared


@pytest.fixture
def repository(tmp_path):
    """A dvc.lock of two experiments: two tables in the store, one that is not, and a notebook."""
    outs = {}
    for name, stored in (
        ("a/values.nc", True),
        ("b/values.nc", True),
        ("b/interactions.nc", False),
        ("a/x.ipynb", True),
    ):
        content = name.encode()
        md5 = hashlib.md5(content).hexdigest()
        if stored:
            kept = tmp_path / "store" / "files" / "md5" / md5[:2] / md5[2:]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
        outs[name] = {"path": name[2:], "md5": md5}
    stages = {
        "prepare@a": {"cmd": "…", "outs": [{"path": "build/a", "md5": "0" * 32}]},
        "extract@a": {"outs": [*outs.values()][:1]},
        "all@b": {"outs": [*outs.values()][1:]},
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    return tmp_path


def test_all_tables_of_the_store_come_and_nothing_else(repository):
    brought = shipped.bring(repository)
    assert [str(path.relative_to(repository)) for path in brought] == ["results/a/values.nc", "results/b/values.nc"]
    assert sorted(path for path in (repository / "results").rglob("*") if path.is_file()) == brought
    assert brought[1].read_bytes() == b"b/values.nc"
    assert shipped.bring(repository) == []


def test_a_table_that_is_there_stays(repository):
    own = repository / "results" / "a" / "values.nc"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"my own")
    assert len(shipped.bring(repository)) == 1
    assert own.read_bytes() == b"my own"


def test_a_damaged_copy_is_refused_by_name(repository):
    kept = next((repository / "store").rglob(hashlib.md5(b"b/values.nc").hexdigest()[2:]))
    kept.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"is damaged: .* results/b/values.nc has"):
        shipped.bring(repository)
    assert [path.name for path in (repository / "results").rglob("*.*")] == ["values.nc"]  # of a


def test_value_tables_of_every_experiment_with_claims_ship():
    lock = shipped.rows()
    for claims in sorted((ROOT / "results").glob("*/claims.json")):
        name = claims.parent.name
        md5 = lock[f"extract@{name}"]["outs"][f"results/{name}/values.nc"]
        assert (ROOT / "store" / "files" / "md5" / md5[:2] / md5[2:]).exists(), claims.parent.name


@pytest.fixture
def clone(tmp_path):
    """What of the repository `dvc pull data.dvc` needs, without git: a ZIP of it, small."""
    for name in (".dvc/config", ".dvc/.gitignore", "data.dvc", ".dvcignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    folder = yaml.safe_load((ROOT / "data.dvc").read_text())["outs"][0]["md5"]
    listed = [folder]
    listed += [entry["md5"] for entry in json.loads(object_of(ROOT, folder).read_text())]
    for md5 in listed:
        object_of(tmp_path, md5).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(object_of(ROOT, md5), object_of(tmp_path, md5))
    return tmp_path


def object_of(root, md5):
    return root / "store" / "files" / "md5" / md5[:2] / md5[2:]


def pull(clone):
    return subprocess.run([sys.executable, "-m", "dvc", "pull", "data.dvc"], cwd=clone, capture_output=True, text=True)


@pytest.mark.case("B12")
def test_a_zip_without_git_gets_its_data_and_a_clone_keeps_git(clone):
    """DVC refuses outside of git unless it is told to."""
    assert pull(clone).returncode != 0 and not (clone / "data").exists()
    shipped.ready(clone)
    assert pull(clone).returncode == 0
    assert (clone / "data" / "digits.npz").read_bytes() == (ROOT / "data" / "digits.npz").read_bytes()
    assert git(clone, "status") is None, "there is no git here"
    (clone / ".git").mkdir()
    shipped.ready(clone)
    assert not (clone / ".dvc" / "config.local").exists()
    (clone / ".dvc" / "config.local").write_text("[core]\n    remote = mine\n")
    shipped.ready(clone)
    assert (clone / ".dvc" / "config.local").read_text() == "[core]\n    remote = mine\n", "a reader's own stays"


@pytest.mark.case("B12")
def test_without_git_installed_nothing_ships_to_compare_with(tmp_path, monkeypatch, capsys):
    (tmp_path / "results" / "one").mkdir(parents=True)
    (tmp_path / "results" / "one" / "claims.json").write_text("[]")
    (tmp_path / "results" / "one" / "checkpoints").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not pipeline.set_aside("one", tmp_path)
    compared.compare(["one"], tmp_path)
    assert "no claims of it ship, or git does not know them" in capsys.readouterr().out


@pytest.mark.case("C10", "C11")
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[]", None])
@pytest.mark.parametrize("which", ["folder", "file"])
def test_a_damaged_file_of_the_store_is_named_before_dvc_copies_it(clone, damage, which):
    kept = next(
        path
        for path in (clone / "store").rglob("*")
        if path.is_file() and path.name.endswith(".dir") == (which == "folder")
    )
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content if damage is None else damage)
    name = kept.relative_to(clone).as_posix()
    with pytest.raises(ValueError) as error:
        shipped.ready(clone)
    assert str(error.value).startswith(f"{name}: damaged, ") and "`git restore store`" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.case("C11")
def test_dvc_does_not_copy_a_damaged_file_either_and_mends_itself_when_the_store_is_mended(clone):
    shipped.ready(clone)
    kept = next(path for path in (clone / "store").rglob("*") if path.is_file() and not path.name.endswith(".dir"))
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert pull(clone).returncode != 0
    assert not any(path.read_bytes() == kept.read_bytes() for path in (clone / "data").rglob("*") if path.is_file())
    kept.write_bytes(whole)
    assert pull(clone).returncode == 0
    assert any(path.read_bytes() == whole for path in (clone / "data").rglob("*") if path.is_file())


@pytest.mark.case("C12")
def test_data_that_are_not_what_data_dvc_says_are_named_and_data_dvc_stays(clone):
    shipped.ready(clone)
    assert pull(clone).returncode == 0
    shipped.data(clone)
    path, says = clone / "data" / "digits.npz", (clone / "data.dvc").read_bytes()
    path.write_bytes(path.read_bytes()[:1000])
    for check in (shipped.ready, lambda root: prepare.dataset(experiments.load("digits-vgg"), root)):
        with pytest.raises(
            ValueError, match=r"^data/digits.npz is damaged: its md5 is .*`dvc pull data.dvc` brings it[^\n]*$"
        ):
            check(clone)
    assert (clone / "data.dvc").read_bytes() == says
    (clone / "data.dvc").write_text(says.decode().replace("md5: ", "md5: 0", 1))  # as a bare dvc repro leaves it
    with pytest.raises(ValueError, match="^data.dvc names 0.*, which is not in store/.*`git restore data.dvc`[^\n]*$"):
        shipped.ready(clone)


@pytest.fixture
def whole_clone(clone):
    """As `clone`, with all that `dvc repro` needs to begin."""
    for name in ("lib", "notebooks"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, clone)
    shipped.ready(clone)
    assert pull(clone).returncode == 0
    return clone


def repro(clone):
    environment = {
        **os.environ,
        "PYTHONPATH": str(clone),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "dvc", "repro"]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)


@pytest.mark.case("C12")
def test_a_bare_dvc_repro_leaves_data_dvc_as_it_is(whole_clone):
    path, says = whole_clone / "data" / "digits.npz", (whole_clone / "data.dvc").read_bytes()
    cut = path.read_bytes()[:1000]
    path.unlink()  # it may be a link into the cache
    path.write_bytes(cut)
    done = repro(whole_clone)
    assert done.returncode and "error: data/digits.npz is damaged: its md5 is" in done.stderr
    assert (whole_clone / "data.dvc").read_bytes() == says and not (whole_clone / "dvc.lock").exists()


@pytest.mark.case("C5")
def test_a_bare_dvc_repro_runs_nothing_that_is_in_a_name(whole_clone):
    text = (whole_clone / "params.yaml").read_text(encoding="utf-8")
    (whole_clone / "params.yaml").write_text(text.replace("  - digits-vgg\n", "  - x;touch y\n", 1), encoding="utf-8")
    done = repro(whole_clone)
    assert done.returncode and "error: params.yaml: run = 'x;touch y': allowed are digits-vgg" in done.stderr
    assert not (whole_clone / "y").exists()


def test_the_store_that_ships_is_sound():
    shipped.sound(ROOT)


@pytest.mark.case("C12", "B12")
def test_every_target_of_make_checks_before_dvc_copies():
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    pulls = [k for k, line in enumerate(lines) if line.strip().startswith("dvc pull")]
    assert len(pulls) == 4 and all(lines[k - 1].strip() == "python -m lib.shipped ready" for k in pulls)


@pytest.mark.case("C15")
def test_plots_go_where_git_does_not_look(tmp_path):
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config", encoding="utf-8")
    assert ignored(tmp_path, [f"{config['plots']['out_dir']}/index.html", ".dvc/config.local"]) == {
        f"{config['plots']['out_dir']}/index.html", ".dvc/config.local",
    }  # fmt: skip


@pytest.mark.case("C18")
def test_what_is_not_for_git_is_ignored_without_the_lines_of_dvc(tmp_path):
    """DVC writes results/*/.gitignore, and takes its lines out after an interruption, for good."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    listed = [out for stage in stages.values() for kind in ("outs", "plots") for out in stage["do"].get(kind, [])]
    plain = [out for out in listed if isinstance(out, str)]  # cached by DVC
    assert plain and all(out.endswith("values.nc") for out in plain)
    paths = [f"results/mine/{out}" for out in plain]
    paths += ["results/mine/checkpoints/epoch-00001.pt", "results/digits-vgg/checkpoints/unfinished.pt"]
    paths += [
        "results/mine/interactions.nc",
        "results/mine/run/1_train.ipynb",
        "results/mine/values.partial",
        "data/x.npz",
    ]
    kept = [
        "results/digits-vgg/checkpoints/epoch-00001.pt",
        "results/mine/metrics.json",
        "results/mine/run/1_train.md5",
    ]
    assert ignored(tmp_path, paths + kept) == set(paths)


def ignored(folder, paths):
    """Which of the paths git ignores in a repository that has our own lists alone."""
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    shutil.copy(ROOT / ".gitignore", folder)
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / ".gitignore", folder / ".dvc")
    told = subprocess.run(["git", "check-ignore", *paths], cwd=folder, capture_output=True, text=True).stdout
    return set(told.splitlines())


@pytest.mark.case("B18")
def test_jupyterlab_starts_with_the_tables_that_ship():
    lines = [line.strip() for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()]
    recipe = lines[next(k for k, line in enumerate(lines) if line.startswith("lab: .venv/ready")) + 1 :]
    begun = next(k for k, line in enumerate(recipe) if line.startswith("jupyter lab"))
    assert recipe.index("python -m lib.shipped") < recipe.index("python -m lib.lab") < begun


@pytest.mark.case("B18")
def test_all_that_a_notebook_of_the_digits_reads_ships_or_is_solved():
    """What dvc.yaml says that the stages read, each a notebook: in git, in the store, or of `make lab`."""
    tracked = git(ROOT, "ls-files", "results/digits-vgg").decode().splitlines()
    results = {path: md5 for row in shipped.rows().values() for path, md5 in row["outs"].items()}
    needs = {
        shipped.from_root(f"{stage}@digits-vgg", path)
        for stage, entry in shipped.stages().items()
        for path in entry["do"].get("deps", [])
    }
    lacking = {
        path
        for path in needs
        if path.startswith("results/")
        and not any(name == path or name.startswith(f"{path}/") for name in tracked)
        and not object_of(ROOT, results[path]).exists()
    }
    assert lacking == {f"results/digits-vgg/{kind}.nc" for kind in lab.SOLVED}
    measured = [f"results/digits-vgg/{kind}.nc" for kind in lab.MEASURED]
    assert all(object_of(ROOT, results[path]).exists() for path in measured), "so that they can be solved"
    other = experiments.load("digits-vgg").another_seed
    assert object_of(ROOT, results[f"results/{other}/values.nc"]).exists(), "every_choice reads it"


@pytest.mark.case("C15")
def test_what_dvc_shows_fits_a_screen_and_is_of_the_metrics():
    """DVC makes a column of each number in the files under `metrics`, each as wide as its name, two blanks between."""
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    assert content["metrics"] == ["results/${run[0]}/summary.json"]
    assert not any("metrics" in stage["do"] for stage in content["stages"].values())
    shown = sorted((ROOT / "results").glob("*/metrics.json"))
    assert shown
    for path in shown:
        metrics = json.loads(path.read_text(encoding="utf-8"))["timepoints"]
        few = json.loads(path.with_name("summary.json").read_text(encoding="utf-8"))
        assert few == {"spindle": {name: row["spindle_share"] for name, row in metrics.items()}}
        columns = [path.with_name("summary.json").relative_to(ROOT).as_posix()]
        columns += [f"spindle.{name}" for name in few["spindle"]]
        assert len("  ".join(columns)) <= 100, path


@pytest.mark.case("C15")
def test_dvc_prints_a_line_of_less_than_a_hundred_characters(tmp_path):
    """By DVC itself, in a folder that has our dvc.yaml and the numbers."""
    for name in (".dvc/config", ".dvcignore", "dvc.yaml", "params.yaml", "results/digits-vgg/summary.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shipped.outside_git(tmp_path)
    command = [sys.executable, "-m", "dvc", "metrics", "show"]
    lines = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [len(line.rstrip()) < 100 for line in lines] == [True, True]
    assert lines[0].split()[1:] == [f"spindle.{name}" for name in "ABCD"]
    few = json.loads((ROOT / "results/digits-vgg/summary.json").read_text(encoding="utf-8"))["spindle"]
    assert [float(word) for word in lines[1].split()[1:]] == pytest.approx([*few.values()], abs=1e-5)
