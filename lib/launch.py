"""`make paper` and `make choices`: what each experiment would take on this machine, and starting those that are named.

python -m lib.launch                    the estimates, from a few steps of each network
python -m lib.launch NAME …             adds the names to `run` in params.yaml and runs their pipelines
python -m lib.launch choices NAME …     adds them to `run` and to `choices`, and judges their claims under every choice
"""

import csv
import subprocess
import sys
import time

import torch
import yaml
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from . import experiments, networks, shipped
from .devices import choose_device
from .experiments import PARAMS, ROOT, SIZES, Experiment
from .files import whole
from .networks import Cut
from .training import checkpoint_epochs, has_bfloat16

# Seconds that the stages of what ships took, the processor, and how many other trainings it had at the time.
COSTS = ROOT / "results" / "costs.csv"
LENGTH = 32  # pieces of a sentence, padding included: what most of SST-2 needs
SOLVE = 0.1  # seconds a table on two CPU cores (`make bench`)


def seconds(
    network: Cut, shape: tuple[int, ...], classes: int, batch: int, device: torch.device, short: bool = False
) -> tuple[float, float]:
    """(training, forward): seconds a sample of a step of SGD and of a forward pass of the head, the better of two.

    `short`: the step is in bfloat16.
    """
    text = len(shape) == 1
    x = torch.randint(1000, 2000, (batch, *shape)) if text else torch.rand(batch, *shape)
    x, y = x.to(device), torch.randint(classes, (batch,), device=device)
    optimiser = torch.optim.SGD(network.parameters(), 1e-6)

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=short):
            logits = network(x)
        cross_entropy(logits.float(), y).backward()
        optimiser.step()

    def forward() -> None:
        with torch.no_grad():
            network.head(features)

    with torch.no_grad():
        features = network.stem(x)
    return tuple(_best(call, device) / batch for call in (step, forward))


def minutes(own: Experiment, device: torch.device) -> dict[str, float]:
    """Minutes of training, of measuring all value tables, and of solving them."""
    train, test, classes, channels = SIZES[own.dataset]
    train, test = min(train, own.train_samples or train), min(test, own.test_samples or test)
    shape = (channels, own.side, own.side) if own.side else (LENGTH,)
    weights = "scratch"  # as fast as published ones
    network = networks.build(own.network, shape, classes, own.seed, weights).to(device)
    batch = 2 if own.side and own.side > 64 and device.type == "cpu" else 16
    short = own.precision == "bfloat16" and has_bfloat16(device)
    step, forward = seconds(network, shape, classes, batch, device, short)
    levels = 4 + len(own.parameter_noise) + len(own.input_noise)
    checkpoints = len(checkpoint_epochs(own.epochs, own.checkpoints))
    count = levels * own.samples + checkpoints * own.checkpoint_samples + 2 * 10 * own.category_samples
    count += 4 * own.reset_samples * (own.label_noise > 0)  # B and D, wrong labels and right ones
    passes = count * 2**own.players + own.nested_samples * 2**own.nested_players
    return {
        "train": own.epochs * (train * step + (min(train, 10_000) + test) * forward) / 60,
        "tables": passes * forward / 60,
        "solve": count * SOLVE / 60,
    }


def cost(name: str) -> str | None:
    """What the training and the value tables that ship took, in words; None where nobody wrote it down."""
    with open(COSTS, encoding="utf-8", newline="") as file:
        row = next((row for row in csv.DictReader(file) if row["experiment"] == name), None)
    if row is None:
        return None
    training, tables = (
        sum(float(row[stage] or 0) for stage in stages) / 60
        for stages in (("training",), ("extraction", "injection", "alternatives"))
    )
    beside = f", beside {row['beside']} others" if row["beside"] else ""
    return f"{row['processor']}{beside}: training {training:.1f} min, value tables {tables:.1f} min"


def _best(call, device: torch.device) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def estimate() -> None:
    device = choose_device(experiments.device())
    names = list(experiments.names())
    rows = []
    for name in tqdm(names, desc=f"timing a few steps on {device}", leave=False):
        own = experiments.load(name)
        if own.dataset in SIZES:
            rows.append((name, minutes(own, device)))
    print(f"minutes on this machine ({device}), from a few steps of each network\n")
    print(f"{'experiment':28}{'train':>10}{'tables':>10}{'solve':>10}{'all':>10}")
    for name, parts in rows:
        cells = "".join(f"{part:10,.0f}" for part in (*parts.values(), sum(parts.values())))
        print(f"{name:28}{cells}   {f'tables ship ({told})' if (told := cost(name)) else ''}".rstrip())
    print('\nmake paper RUN="mnist-lenet cifar10-vgg11" runs those two; `dvc repro train@NAME` one stage of one.')


def listed(text: str, names: list[str], key: str = "run") -> str:
    """params.yaml with names added to its list `run`, or another, however it is written; nothing else in it changes.

    >>> listed("run: [a, b] # these\\n", ["c"])
    'run: [a, b, c] # these\\n'
    >>> listed("choices: []\\n", ["a", "b"], "choices")
    'choices: [a, b]\\n'
    """
    run = next(value for known, value in yaml.compose(text).value if known.value == key)
    if not names:
        return text
    if not run.value:
        place = text.index("]", run.start_mark.index)
        return text[:place] + ", ".join(names) + text[place:]
    last = run.value[-1]
    if run.flow_style:
        place, added = last.end_mark.index, "".join(f", {name}" for name in names)
    else:
        line = text.rfind("\n", 0, last.start_mark.index) + 1
        end = text.find("\n", last.end_mark.index)
        place, lead = len(text) if end < 0 else end, text[line : last.start_mark.index]
        added = "".join(f"\n{lead}{name}" for name in names)
    return text[:place] + added + text[place:]


def start(names: list[str]) -> int:
    """Adds the names to `run` in params.yaml, which keeps its comments, and runs their pipelines."""
    _check(names)
    _add(names, "run")
    # What ships with the repository is pulled, so that a training is not repeated for want of its checkpoints, which do
    # not ship; nor do the interactions, but they are solved from the value tables within minutes.
    for name in names:
        steps = (
            ["pull", "--quiet", "--allow-missing", f"extract@{name}", f"inject@{name}"],
            ["repro", "--allow-missing", f"extract@{name}", f"inject@{name}"],
            ["repro", "--single-item", f"decompose@{name}"],
            ["repro", "--pull", "--allow-missing", f"weave@{name}"],
        )
        if code := _run(steps):
            return code
    return 0


def judge(names: list[str]) -> int:
    """Adds the names to `run` and `choices` in params.yaml, and judges their claims under every choice.

    Value tables that ship are taken, what is missing is measured. Raises ValueError as `start` does.
    """
    _check(names)
    _add(names, "run")
    _add(names, "choices")
    shipped.bring()  # the control is another experiment's
    for name in names:
        measured = [f"{stage}@{name}" for stage in ("extract", "inject", "alternatives")]
        steps = (
            ["pull", "--quiet", "--allow-missing", *measured],
            ["repro", "--allow-missing", *measured],
            ["repro", "--single-item", f"every_choice@{name}"],
        )
        if code := _run(steps):
            return code
        print(f"What the verdicts of {name} depend on: results/{name}/run/every_choice.ipynb, every-choice.json")
    return 0


def _check(names: list[str]) -> None:
    for name in names:
        if measured := experiments.load(name).measured:
            raise ValueError(
                f"{name}: its tables were measured at the commit {measured}, whose code reads them "
                f"(git checkout {measured}); with measured = null in params.yaml it is trained and measured anew"
            )
    shipped.ready()


def _add(names: list[str], key: str) -> None:
    """Adds names to a list of params.yaml, those that are not in it yet."""
    known = experiments.running() if key == "run" else experiments.choices()
    if missing := [name for name in names if name not in known]:
        text = listed(PARAMS.read_text(encoding="utf-8"), missing, key)
        with whole(PARAMS) as partial:
            partial.write_text(text, encoding="utf-8")
        print(f"params.yaml: {key} has now {', '.join(missing)}, too")


def _run(steps: tuple[list[str], ...]) -> int:
    """Runs DVC's commands one after the other; the first one pulls, and may find nothing. The status of what failed."""
    for number, step in enumerate(steps):
        code = subprocess.run(["dvc", *step], cwd=ROOT, capture_output=number == 0).returncode
        if code and number:  # before the first run of an experiment there is nothing to pull
            return code
    return 0


def main(arguments: list[str]) -> int | None:
    if arguments[:1] == ["choices"]:
        return judge(arguments[1:] or experiments.running()[:1])
    return start(arguments) if arguments else estimate()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
