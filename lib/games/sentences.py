"""Words of a sentence as players, for any model of transformers and any fast tokenizer."""

import inspect
import re
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from .. import text
from ..memory import in_parts, part_size
from ..players import STATES
from ..randomness import generator
from .coalitions import named
from .game import CLOSE, Game
from .layers import at_layer, check_alone
from .outputs import Completion, Output, check_model, completion_odds, scale, values_of
from .passes import check_precision, device_of, first_run, run, undisturbed


def words(
    model: nn.Module,
    tokenizer: Callable,
    sentence: str | tuple[str, str],
    words: Sequence[str] | None = None,
    *,
    output: Output | Completion | Callable,
    players: int = 10,
    absent: str | int | float | Tensor = "mask",
    seed: int = 0,
    states: int = STATES,
) -> Game:
    """The game of one sentence, or of a pair, whose players are words.

    words: which, each a word or a phrase of the sentence; the same one twice means its first two places. Unless given,
    `players` of its meaningful words (no stop words, numbers, punctuation), drawn by the seed where it has more, and
    all where it has fewer. Their names are the words; that of the second "good" of the sentence is "good (2)".
    output: `label(y)`, `logit(k)`; of causal language models `next_token(" Paris")` or `completion(" in the end")`; or
    a function of the logits (of what the model returns, where it has no logits) that gives v of each row.
    absent: what becomes of the pieces of absent words: "mask", the tokenizer's mask token; "drop", they are left out,
    so that what follows moves up; another token, by its text or its id; an embedding, a float or a tensor (width,), in
    place of theirs.

    Words are found by the pieces' own offsets, so that WordPiece, byte pairs and SentencePiece are one case. The
    sentence is tokenised without padding or truncation, whatever the tokenizer is set to.

    Raises ValueError for a slow tokenizer, a word that is not there, words that share a piece, a sentence without
    players, an `absent` that the tokenizer does not have, and as `at_layer` does.
    """
    check_precision(model)
    check_model(model, output)
    first, second = (sentence, None) if isinstance(sentence, str) else sentence
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(
            f"tokenizer = {type(tokenizer).__name__}: allowed are fast tokenizers, which know their offsets"
        )
    encoding = tokenizer(first, second, return_offsets_mapping=True, padding=False, truncation=False)
    found = _words(encoding, first, second)
    chosen = _drawn(found, players, seed) if words is None else _asked(words, encoding, first, second)
    after = _after(output, tokenizer, encoding) if isinstance(output, Completion) else None
    device = device_of(model)
    known = set(getattr(tokenizer, "model_input_names", ("input_ids", "attention_mask")))
    inputs = {k: torch.tensor([v], device=device) for k, v in encoding.items() if k in known and k != "offset_mapping"}
    if after is not None:  # the tokens of the completion but the last follow the sentence, and are no player's
        inputs = {k: _longer(k, v, after[:-1].to(device)) for k, v in inputs.items()}
    length = inputs["input_ids"].shape[1]
    pieces = torch.zeros(len(chosen), length, dtype=torch.bool, device=device)
    for player, (_, positions) in enumerate(chosen):
        pieces[player, positions] = True
    names = [word for word, _ in chosen]
    few = {} if after is None else _last_logits(model, len(after))
    v_of = output if after is None else _completed(after.to(device))
    if isinstance(absent, float | Tensor):
        layer = _embeddings(model)
        return at_layer(model, layer, inputs | few, pieces, v_of, absent, (0,), names, states)
    token = _token(absent, tokenizer)
    if token is None and length - int(pieces.any(0).sum()) < (1 if after is None else len(after)):
        raise ValueError("absent = 'drop' leaves no token of the sentence when all are absent: allowed are fewer words")
    return _game(model, inputs, few, pieces, v_of, token, names, states)


def _game(
    model: nn.Module,
    inputs: dict[str, Tensor],
    few: dict[str, int],
    pieces: Bool[Tensor, "players length"],
    v_of: Callable,
    token: int | None,
    names: Sequence[str],
    states: int,
) -> Game:
    """The game whose absent pieces become a token, or are left out (None)."""
    with undisturbed(model):
        out = first_run(model, inputs | few)
        plain = values_of(v_of, out, 1)
    width = getattr(getattr(model, "config", None), "hidden_size", 1)
    made = out.numel() if isinstance(out, Tensor) else 0
    size = part_size(states, max(made, 4 * pieces.shape[1] * (width if isinstance(width, int) else 1)))

    def values(rows: dict[str, Tensor]) -> Tensor:
        return values_of(v_of, run(model, rows | few, len(rows["input_ids"])), len(rows["input_ids"]))

    def of_kept(kept: Tensor) -> Tensor:
        """v of states with as many pieces each, the others left out."""
        count = int(kept[0].sum())
        rows = {k: v.expand(len(kept), -1)[kept].view(len(kept), count) for k, v in inputs.items()}
        return values(rows)

    def play(present: Tensor) -> Tensor:
        present = present.to(pieces.device)
        gone = (~present).double() @ pieces.double() > 0  # (states, length)
        found = torch.empty(len(present), dtype=torch.float64, device=pieces.device)
        with undisturbed(model):
            if token is not None:
                shape = gone.shape[1]

                def part(index: Tensor) -> Tensor:
                    rows = {k: v.expand(len(index), shape) for k, v in inputs.items()}
                    return values(rows | {"input_ids": rows["input_ids"].masked_fill(gone[index], token)})

                groups = [(torch.arange(len(present), device=pieces.device), part)]
            else:
                counts = (~gone).sum(1)
                groups = [
                    ((counts == count).nonzero()[:, 0], lambda index: of_kept(~gone[index]))
                    for count in counts.unique()
                ]
            for index, function in groups:
                if len(index):
                    found[index] = in_parts(function, index, size)
        return found.cpu()

    game = Game(play, named(names, len(names)), CLOSE * scale(out))
    both = torch.tensor([[True] * len(names), [False] * len(names)])
    check_alone(plain.cpu(), game(both), torch.cat([game(state[None]) for state in both]))
    return game


def _offsets(encoding: object, which: int) -> list[tuple[int, int]]:
    """Offsets of the pieces of the first or the second sentence; (0, 0) where a piece is of the other, or special."""
    owner = encoding.sequence_ids(0)
    return [tuple(o) if s == which else (0, 0) for o, s in zip(encoding["offset_mapping"], owner, strict=True)]


def _words(encoding: object, first: str, second: str | None) -> list[tuple[str, list[int]]]:
    """The words and the positions of their pieces, those of the second sentence after those of the first."""
    both = [(first, 0)] if second is None else [(first, 0), (second, 1)]
    return [word for sentence, which in both for word in text.words(sentence, _offsets(encoding, which))]


def _drawn(found: list[tuple[str, list[int]]], players: int, seed: int) -> list[tuple[str, list[int]]]:
    words = [word for word, _ in found]
    candidates = [
        (_name(word, words[:k].count(word)), pieces) for k, (word, pieces) in enumerate(found) if text.meaningful(word)
    ]
    if not candidates or players < 1:
        raise ValueError(
            f"players = {players}: the sentence has {len(candidates)} meaningful words; allowed is words=[…], any of it"
        )
    drawn = torch.randperm(len(candidates), generator=generator(seed, "words"))[:players].sort().values
    return [candidates[k] for k in drawn]


def _asked(words: Sequence[str], encoding: object, first: str, second: str | None) -> list[tuple[str, list[int]]]:
    """The words or phrases asked for, each at its first place that no other has taken."""
    if isinstance(words, str) or not len(words):
        raise ValueError(f"words = {words!r}: allowed is a list of words of the sentence")
    taken: set[tuple[int, int]] = set()
    used: dict[int, str] = {}
    found = []
    for word in words:
        places = [
            (which, start, end)
            for which, sentence in enumerate([first] if second is None else [first, second])
            for start, end in places_of(word.strip(), sentence)
        ]
        before = next((k for k, place in enumerate(places) if place[:2] not in taken), None)
        if not word.strip() or before is None:
            raise ValueError(f"words has {word!r}, which the sentence does not have, or not so often: allowed are "
                             f"its words, {', '.join(w for w, _ in _words(encoding, first, second))}")  # fmt: skip
        which, start, end = places[before]
        taken.add((which, start))
        own = [k for k, (a, b) in enumerate(_offsets(encoding, which)) if a < end and start < b]
        shared = next((used[k] for k in own if k in used), None)
        if shared is not None:
            raise ValueError(
                f"words has {shared!r} and {word!r}, which share a piece: allowed is one of them, or a phrase"
            )
        used |= dict.fromkeys(own, word)
        found.append((_name(word.strip(), before), own))
    return found


def places_of(word: str, sentence: str) -> list[tuple[int, int]]:
    """From where to where a word or phrase stands, each time; words are runs of letters and digits.

    >>> places_of("foo", "foo_bar, food, foo")
    [(0, 3), (15, 18)]
    """
    return [match.span() for match in re.finditer(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", sentence)]


def _name(word: str, before: int) -> str:
    """A word's name, by how many of the same stand before it."""
    return f"{word} ({before + 1})" if before else word


def _token(absent: str | int, tokenizer: Callable) -> int | None:
    """The id of the token that absent pieces become; None where they are left out."""
    if absent == "drop":
        return None
    if absent == "mask":
        if tokenizer.mask_token_id is None:
            raise ValueError(
                "absent = 'mask': the tokenizer has no mask token; allowed are 'drop', a token or an embedding"
            )
        return int(tokenizer.mask_token_id)
    if isinstance(absent, int):
        if not 0 <= absent < len(tokenizer):
            raise ValueError(f"absent = {absent}: allowed are ids from 0 to {len(tokenizer) - 1}")
        return absent
    return _ids(absent, tokenizer, "absent", True)[0]


def _ids(string: str, tokenizer: Callable, field: str, single: bool) -> list[int]:
    """The ids of a string, no special ones. Raises ValueError for none, and for several where one is asked for."""
    if string in tokenizer.get_vocab():  # "[UNK]" and the like are themselves
        return [tokenizer.get_vocab()[string]]
    ids = tokenizer(string, add_special_tokens=False)["input_ids"]
    if not ids or single and len(ids) > 1:
        pieces = tokenizer.convert_ids_to_tokens(ids)
        raise ValueError(
            f"{field} = {string!r} is {len(ids)} tokens, {pieces}: allowed is {'one' if single else 'one or more'}"
        )
    return ids


def _after(output: Completion, tokenizer: Callable, encoding: object) -> Tensor:
    """The ids of the tokens that are to follow. Raises ValueError where the tokenizer closes the sentence."""
    ids = encoding["input_ids"]
    if encoding.sequence_ids(0)[-1] is None:
        closes = tokenizer.convert_ids_to_tokens([ids[-1]])[0]
        raise ValueError(f"output = {output.name}: the tokenizer ends the sentence with {closes}: allowed are causal "
                         "language models, whose sentence goes on")  # fmt: skip
    if isinstance(output.text, int):
        return torch.tensor([output.text])
    return torch.tensor(_ids(output.text, tokenizer, output.name.split("(")[0], output.single))


def _longer(name: str, value: Tensor, more: Tensor) -> Tensor:
    own = more[None] if name == "input_ids" else value[:, -1:].expand(1, len(more))
    return torch.cat([value, own], 1)


def _completed(after: Tensor) -> Callable[[Tensor], Tensor]:
    def of(out: Tensor) -> Tensor:
        if not isinstance(out, Tensor) or out.ndim != 3:
            raise ValueError("output: next_token and completion need logits (batch, tokens, vocabulary): "
                             "allowed are causal language models")  # fmt: skip
        return completion_odds(out[:, -len(after) :], after)

    return of


def _last_logits(model: nn.Module, count: int) -> dict[str, int]:
    """What asks a model of transformers for the last logits alone: all of a long sentence are gigabytes."""
    takes = "logits_to_keep" in inspect.signature(model.forward).parameters
    return {"logits_to_keep": count} if takes else {}


def _embeddings(model: nn.Module) -> str:
    """The name of the layer of token embeddings."""
    own = model.get_input_embeddings()
    return next(name for name, module in model.named_modules() if module is own)
