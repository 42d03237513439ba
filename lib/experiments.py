"""Experiments: the blocks of params.yaml, read and checked.

Every parameter of an experiment is a field below, with its unit, its meaning and what it may be; the
notebooks print this table, and dvc.yaml says which stage depends on which field.
"""

import os
import re
from collections.abc import Hashable
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

ROOT = Path(__file__).resolve().parents[1]
PARAMS = ROOT / "params.yaml"

# Letters and digits, - and _, a letter first: a dot would split a name in `dvc exp run -S experiments.NAME.field=…`, a
# number would be no text in YAML, - an option, / a folder, and a shell takes the rest for something else.
NAME = re.compile("[A-Za-z][A-Za-z0-9_-]{0,99}")
NAMED = "letters, digits, - and _, 100 at most, a letter first"
DEVICE = re.compile("auto|cpu|cuda(:[0-9]{1,3})?")
LONG = 60  # characters of a value that are shown

MOST = 10**9  # more samples than anybody has
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]  # the squares of larger ones may overflow
Count = Annotated[int, Field(ge=1, le=MOST)]
Some = Annotated[int, Field(ge=0, le=MOST)]
IMAGE_NETWORKS = ("vgg4", "lenet", "resnet20", "vgg11", "vgg13", "vgg16", "alexnet")
OF_SENTENCES = ("bert-medium", "minilm")  # networks that take sentences, and have published weights
SIZES = {  # samples to train and test on, classes, channels: those of the publishers, CUB's and GLUE's splits
    "digits": (1000, 797, 10, 1),
    "mnist": (60_000, 10_000, 10, 1),
    "cifar10": (50_000, 10_000, 10, 3),
    "cub": (5994, 5794, 200, 3),
    "tiny-imagenet": (25_000, 2500, 50, 3),
    "sst2": (67_349, 872, 2, 0),
}
DATASETS = tuple(SIZES)


def _dataset(name: str) -> str:
    if name not in DATASETS and not name.endswith(".npz") and "/" not in name:
        words = ", ".join(map(repr, DATASETS))
        raise ValueError(f"allowed are {words}, or the path of an .npz file or a folder, with a / in it")
    return name


def _network(name: str) -> str:
    if name not in IMAGE_NETWORKS + OF_SENTENCES and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", name):
        words = ", ".join(map(repr, IMAGE_NETWORKS + OF_SENTENCES))
        raise ValueError(f"allowed are {words}, or one of your own as 'module:function'")
    return name


def _weights(name: str) -> str:
    if name not in ("scratch", "pretrained") and not name.endswith((".pt", ".pth")):
        raise ValueError("allowed are 'scratch', 'pretrained', or the path of a .pt or .pth file with a state dict")
    return name


def _epochs(count: int) -> int:
    if count in (1, 2):
        raise ValueError("allowed are 0 (the network is measured as it is) and 3 or more")
    return count


class Experiment(BaseModel):
    """One experiment: what is trained, what is masked, what is injected and what is fitted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measured: Annotated[str, Field(pattern="^[0-9a-f]{7,40}$")] | None = Field(
        description="commit at which the value tables were measured (null: by the code as it is)"
    )
    # train
    dataset: Annotated[str, AfterValidator(_dataset)] = Field(description="data to train and test on")
    side: Annotated[int, Field(ge=8, le=4096)] | None = Field(description="pixels that images are resized to")
    length: Annotated[int, Field(ge=8, le=4096)] | None = Field(
        description="word pieces after which sentences are cut (null: of images)"
    )
    train_samples: Count | None = Field(description="training samples drawn (null: all)")
    test_samples: Count | None = Field(description="test samples drawn (null: all)")
    network: Annotated[str, AfterValidator(_network)] = Field(
        description="architecture, or module:function that makes your own"
    )
    weights: Annotated[str, AfterValidator(_weights)] = Field(
        description="weights at the start: drawn (scratch), published ones (pretrained), or those of a file"
    )
    label_noise: Share = Field(description="share of the training labels that are reset at random")
    train_noise: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = Field(
        description="σ of Gaussian noise on training images, drawn in each step, share of the range of pixels"
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(description="the only source of randomness")
    epochs: Annotated[int, Field(ge=0, le=10**6), AfterValidator(_epochs)] = Field(
        description="epochs of training (0: the network is measured as it is)"
    )
    batch_size: Count = Field(description="training samples in a step")
    learning_rate: Positive = Field(description="step size of SGD")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(description="momentum of SGD")
    checkpoints: Annotated[int, Field(ge=4, le=10**6)] = Field(description="checkpoints kept, on a logarithmic grid")
    precision: Literal["float32", "bfloat16"] = Field(
        description="of the passes of training; bfloat16 where the processor has it, measured is always in float32"
    )
    threads: Annotated[int, Field(ge=1, le=1024)] = Field(
        description="of the CPU in training and measuring; another number rounds otherwise"
    )
    # extract
    samples: Count = Field(description="test samples whose interactions are extracted")
    players: Annotated[int, Field(ge=4, le=24)] = Field(description="input variables n of each sample")
    grid: Annotated[int, Field(ge=1, le=4096)] | None = Field(description="patches along a side of the image")
    margin: Annotated[int, Field(ge=0, le=4096)] | None = Field(
        description="rows and columns of patches at the edge never drawn"
    )
    cut: Literal["relu1", "relu2", "pixels"] | None = Field(
        description="what is masked: the features after the 1st or 2nd ReLU, or the pixels (null: as the paper has it)"
    )
    baseline: Literal["zero", "mean"] | None = Field(
        description="value of a masked feature: zero, or the channel's mean over the training samples (null: [MASK])"
    )
    checkpoint_samples: Some = Field(description="of them, how many at every checkpoint too")
    category_samples: Some = Field(
        description="training and test samples of each of ten categories, with the same players (Claim 1; images only)"
    )
    nested_samples: Some = Field(description="samples with more players, for n against sparsity")
    nested_players: Annotated[int, Field(ge=2, le=14)] = Field(description="players of those")
    reset_samples: Some = Field(
        description="training samples with a wrong label, and as many with the right one, at B and D (Appendix E)"
    )
    tau: Share = Field(description="τ: salient interactions are stronger, share of the mean |v(x) − v(x_∅)|")
    zeta: Share = Field(description="ζ: noise δ that may be removed from v, share of the mean |v(x) − v(x_∅)|")
    gap: Annotated[float, Field(ge=1e-9, lt=1)] = Field(
        description="certified relative gap to the sparsest, at most; 1e-7 settles the strengths of all orders"
    )
    ties: Literal["low", "high"] = Field(description="of equally sparse interactions, those of low or of high orders")
    # inject
    parameter_noise: tuple[Positive, ...] = Field(
        description="σ of the noise on the parameters, % of each tensor's standard deviation"
    )
    input_noise: tuple[Positive, ...] = Field(description="σ of the FGSM perturbation, 1/256 of the range of pixels")
    fgsm_sign: Literal["adversarial", "printed"] = Field(
        description="of the step along ∇v: against the true class (adversarial, −), or for it, as footnote 8 prints (+)"
    )
    alternatives: tuple[Literal["draws", "sign", "cut", "pixels", "logit"], ...] = Field(
        description="choices that are measured the other way, too: draws and sign of the noise, what is masked, v"
    )
    alternative_samples: Some = Field(description="samples for them, drawn from those")
    # disentangle
    reference: Literal["self", "converged", "undisturbed"] = Field(
        description="I* of the decay: of the network analysed (self), of D (converged), under noise of B (undisturbed)"
    )
    alpha_range: tuple[Positive, Positive] = Field(description="least and greatest α of the spindle; it peaks at αn/2")
    delta_min: Annotated[float, Field(gt=0, lt=10)] = Field(description="least uncertainty δ that the decay may have")
    bootstrap: Annotated[int, Field(ge=0, le=10**6)] = Field(description="resamples of the samples behind the bands")
    choice_samples: Some = Field(
        description="samples on which the choices that need no new tables are judged (0: all of them)"
    )
    sweep_samples: Count = Field(description="samples on which every choice is judged (make choices), at most")
    another_seed: str | None = Field(
        description="an experiment that is the same but for its seed: its I* at B is the control of undisturbed ones"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch(cls, value: object) -> object:
        """YAML takes yes, no, on and off for true and false, and Python those for 1 and 0: no parameter is one."""
        if isinstance(value, bool) or isinstance(value, list) and any(isinstance(one, bool) for one in value):
            raise ValueError("allowed is no true or false (as YAML reads yes, no, on and off)")
        return value

    def model_post_init(self, _) -> None:
        for field in ("parameter_noise", "input_noise", "alternatives"):
            values = getattr(self, field)
            if twice := [value for k, value in enumerate(values) if value in values[:k]]:
                raise ValueError(f"{field} = {list(values)}: allowed is each once; {twice[0]} is there twice")
        self._check_counts()
        if self.alpha_range[0] >= self.alpha_range[1]:
            raise ValueError(f"alpha_range = {list(self.alpha_range)}: allowed is the least α, then a greater one")
        if self.weights == "pretrained" and self.network not in OF_SENTENCES:
            raise ValueError(
                f"weights = 'pretrained': allowed is scratch; {self.network} has no published weights here"
            )
        if self.takes_sentences:
            for field in ("side", "grid", "margin", "cut", "baseline"):
                if getattr(self, field) is not None:
                    raise ValueError(
                        f"{field} = {getattr(self, field)}: allowed is null, for {self.network} takes sentences"
                    )
            if self.length is None:
                raise ValueError(f"length = null: allowed is a number, for {self.network} takes sentences")
            if self.train_noise:
                raise ValueError(f"train_noise = {self.train_noise}: allowed is 0, for words cannot be moved by σ")
            if beyond := {"sign", "cut", "pixels"} & set(self.alternatives):
                raise ValueError(f"alternatives = {sorted(beyond)}: allowed are draws and logit, for sentences")
            if self.category_samples:
                raise ValueError(
                    f"category_samples = {self.category_samples}: allowed is 0, for words have no positions to share"
                )
            if self.input_noise:
                raise ValueError(
                    f"input_noise = {list(self.input_noise)}: allowed is [], for words cannot be moved by σ"
                )
            return
        for field in ("side", "grid", "margin", "baseline"):
            if getattr(self, field) is None:
                kind = "zero or mean" if field == "baseline" else "a number"
                raise ValueError(f"{field} = null: allowed is {kind}, for {self.network} takes images")
        if self.length is not None:
            raise ValueError(f"length = {self.length}: allowed is null, for {self.network} takes images")
        inside = max(self.grid - 2 * self.margin, 0) ** 2
        for field in ("players", "nested_players"):
            if getattr(self, field) > inside:
                raise ValueError(
                    f"{field} = {getattr(self, field)}: allowed are 2 to {inside}, the patches of a "
                    f"{self.grid}×{self.grid} grid that are {self.margin} or more from its edge"
                )

    def _check_counts(self) -> None:
        """Raises ValueError where more samples are asked for than there are, as far as that is known here."""
        train, test, classes, _ = SIZES.get(self.dataset, (MOST, MOST, 1, 0))
        for field, there in (("train_samples", train), ("test_samples", test)):
            if (getattr(self, field) or 0) > there:
                raise ValueError(f"{field} = {getattr(self, field)}: allowed are 1 to {there:,}, all of {self.dataset}")
        train, test = self.train_samples or train, self.test_samples or test
        limits = {
            "samples": (test, "the test samples"),
            "checkpoint_samples": (self.samples, "the samples"),
            "nested_samples": (test if self.takes_sentences else self.samples, "the samples"),
            # At most: how many the smallest category has is known when it is read.
            "category_samples": (min(train, test) // min(classes, 10), "a category's share of the samples"),
        }
        if self.label_noise:
            limits["reset_samples"] = (round(self.label_noise * train), "the labels that are reset")
        for field, (most, what) in limits.items():
            if getattr(self, field) > most:
                raise ValueError(f"{field} = {getattr(self, field)}: allowed are at most {most:,}, {what}")

    @property
    def takes_sentences(self) -> bool:
        """Whether the samples are sentences; a network of your own takes them where it has no `side`."""
        return self.network in OF_SENTENCES or ":" in self.network and self.side is None


def load(name: str, overrides: dict | None = None, params: Path = PARAMS) -> Experiment:
    """The experiment `name` of params.yaml, with some fields changed.

    Raises ValueError, one line a fault, that names the field, the value and what is allowed.
    """
    blocks = _read(params)["experiments"]
    if name not in blocks:
        raise ValueError(f"experiment = {name!r}: allowed are {', '.join(blocks)}")
    return _check(name, {**blocks[name], **(overrides or {})}, params.name)


def results(name: str, folder: str = "results", overrides: dict | None = None) -> Path:
    """Where a notebook reads and writes: folder/name. Raises ValueError if overrides would mix with the pipeline's."""
    if overrides and folder == "results":
        raise ValueError("folder = 'results': with overrides, allowed is any other one, for that one is the pipeline's")
    return ROOT / folder / name


def names(params: Path = PARAMS) -> list[str]:
    """The names of all experiments, in the order of params.yaml."""
    return list(_read(params)["experiments"])


def running(params: Path = PARAMS) -> list[str]:
    """The names that params.yaml lists under `run`, every block of it checked. Raises ValueError as `load` does."""
    content = _read(params)
    blocks = {name: _check(name, block, params.name) for name, block in content["experiments"].items()}
    for name, own in blocks.items():
        if own.another_seed is not None and (own.another_seed == name or own.another_seed not in blocks):
            others = ", ".join(other for other in blocks if other != name)
            told = f"experiments.{name}.another_seed = {own.another_seed!r}"
            raise ValueError(f"{params.name}: {told}: allowed are {others}, or null")
        if own.another_seed is not None:
            other, alike = blocks[own.another_seed], ("dataset", "network", "label_noise", "players", "cut", "baseline")
            least = min(own.sweep_samples, own.samples)
            if unlike := [field for field in alike if getattr(own, field) != getattr(other, field)]:
                told = f"experiments.{name}.another_seed = {own.another_seed!r}, of another {unlike[0]}"
                raise ValueError(f"{params.name}: {told}: allowed is one that is the same but for its seed")
            if other.samples < least:
                told = f"experiments.{name}.another_seed = {own.another_seed!r}, of {other.samples} samples"
                raise ValueError(f"{params.name}: {told}: allowed is one of {least} or more")
    if beyond := set(content["choices"]) - set(content["run"]):
        raise ValueError(f"{params.name}: choices = {sorted(beyond)}: allowed are those under run")
    for name in content["choices"]:
        own = blocks[name]
        if own.alternatives and own.alternative_samples > own.samples:
            told = f"experiments.{name}.alternative_samples = {own.alternative_samples}"
            raise ValueError(f"{params.name}: {told}: allowed are at most {own.samples}, the samples")
    return content["run"]


def choices(params: Path = PARAMS) -> list[str]:
    """The names that params.yaml lists under `choices`."""
    return _read(params)["choices"]


def device(params: Path = PARAMS) -> str:
    """Where to compute: the COMPANION_DEVICE variable, else `device` of params.yaml (auto, cpu, cuda or cuda:k).

    It is no field of an experiment: moving to another machine redoes nothing.
    """
    asked = os.environ.get("COMPANION_DEVICE")
    return _device(asked, "COMPANION_DEVICE") if asked else _read(params)["device"]


def settings(experiment: Experiment, *fields: str) -> list[tuple[str, object, str]]:
    """(field, value, meaning) of the fields named, for a table in a notebook."""
    return [(field, getattr(experiment, field), Experiment.model_fields[field].description) for field in fields]


class _Loader(yaml.SafeLoader):
    """YAML whose mappings have no key twice: of two, YAML takes the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge":
                name = self.construct_object(key, deep=True)
                if isinstance(name, Hashable) and name in seen:
                    raise yaml.MarkedYAMLError(problem=f"{name} is there twice", problem_mark=key.start_mark)
                seen.add(name if isinstance(name, Hashable) else None)
        return super().construct_mapping(node, deep)


@lru_cache(maxsize=4)
def _parsed(text: str) -> object:
    """What a YAML file says; the same file is asked for hundreds of times by the book. Copy it before a change."""
    return yaml.load(text, _Loader)


def _read(params: Path) -> dict:
    """params.yaml with all but the fields of the blocks checked, and each block with what it shares written out.

    A block takes what `common` has, what the block that it names under `like` has, and its own, in this order. Whoever
    writes params.yaml anew, as `dvc exp run -S` does, so touches one value: YAML's own anchors would be written out.
    """
    source = params.name
    try:
        content = deepcopy(_parsed(params.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f" line {mark.line + 1}:" if mark else ""
        raise ValueError(f"{source}:{where} {problem or 'no YAML'}: allowed is YAML, each key once") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{source}: byte {error.start} is no UTF-8: allowed is YAML in UTF-8") from None
    except RecursionError:
        raise ValueError(f"{source}: too many brackets in brackets: allowed is YAML of a few levels") from None
    allowed = {"run", "choices", "device", "common", "experiments"}
    if not isinstance(content, dict) or set(content) != allowed:
        found = sorted(map(str, content)) if isinstance(content, dict) else content
        raise ValueError(f"{source}: top level is {_shown(found)}: allowed are exactly {sorted(allowed)}")
    blocks = content["experiments"]
    if not isinstance(blocks, dict) or not blocks:
        raise ValueError(f"{source}: experiments = {_shown(blocks)}: allowed are blocks by their names, one at least")
    for name in blocks:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(f"{source}: experiments has the name {_shown(name)}: allowed are {NAMED}")
    for field, least in (("run", 1), ("choices", 0)):
        listed = content[field] = [] if content[field] is None and not least else content[field]
        if not isinstance(listed, list) or len(listed) < least:
            one = "one name at least" if least else "none or some"
            raise ValueError(f"{source}: {field} = {_shown(listed)}: allowed is a list of names, {one}")
        for place, name in enumerate(listed):
            if not isinstance(name, str) or name not in blocks:
                raise ValueError(f"{source}: {field} = {_shown(name)}: allowed are {', '.join(blocks)}")
            if name in listed[:place]:
                raise ValueError(f"{source}: {field} = {name!r}: allowed is each once; it is there twice")
    content["device"] = _device(content["device"], f"{source}: device")
    own = {"common": content["common"], **{f"experiments.{name}": block for name, block in blocks.items()}}
    for field, block in own.items():
        if not isinstance(block, dict):
            raise ValueError(f"{source}: {field} = {_shown(block)}: allowed are parameters and their values")
        for name in block:
            if not isinstance(name, str):
                raise ValueError(f"{source}: {field}.{_shown(name)}: no such parameter")
    content["experiments"] = {name: _whole(name, blocks, content["common"], source) for name in blocks}
    return content


def _whole(name: str, blocks: dict[str, dict], common: dict, source: str) -> dict:
    """A block with what it takes from others."""
    chain = [name]
    while (like := blocks[chain[-1]].get("like")) is not None:
        if not isinstance(like, str) or like not in blocks or like in chain:
            others = ", ".join(other for other in blocks if other not in chain)
            raise ValueError(f"{source}: experiments.{chain[-1]}.like = {_shown(like)}: allowed are {others}")
        chain.append(like)
    whole = dict(common)
    for one in reversed(chain):
        whole |= blocks[one]
    whole.pop("like", None)
    return whole


def _device(name: object, field: str) -> str:
    if not isinstance(name, str) or not DEVICE.fullmatch(name):
        raise ValueError(f"{field} = {_shown(name)}: allowed are auto, cpu, cuda or cuda:k")
    return name


def _shown(value: object) -> str:
    """A value on one line, and not the whole of a long one."""
    text = "null" if value is None else " ".join(repr(value).split())
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"


def _check(name: str, block: dict, source: str) -> Experiment:
    try:
        return Experiment(**block)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            field = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                faults.append(f"{field}: no such parameter; there are {', '.join(Experiment.model_fields)}")
            elif fault["type"] == "missing" and field in Experiment.model_fields:
                faults.append(f"{field}: missing ({Experiment.model_fields[field].description})")
            elif fault["type"] == "missing":  # of a list of two: alpha_range.1
                whole = str(fault["loc"][0])
                faults.append(f"{whole} = {_shown(block[whole])}: allowed is a list of two, the least and the greatest")
            else:
                told = fault["msg"].removeprefix("Value error, ")
                told = told[0].lower() + told[1:]
                told = re.sub("^(input|string) should be ", "allowed is ", told).replace("a valid tuple", "a list")
                faults.append(
                    f"{field} = {_shown(fault['input'])}: {told}" if field else told
                )  # of the block as a whole
    except ValueError as error:
        faults = [str(error)]
    raise ValueError("\n".join(f"{source}: experiments.{name}.{fault}" for fault in dict.fromkeys(faults)))
