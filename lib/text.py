"""Text: sentences as WordPiece ids, and the words of a sentence that may be players (App. I.2)."""

from pathlib import Path

import torch
from jaxtyping import Bool, Int64
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from tokenizers import BertWordPieceTokenizer
from torch import Tensor

from .randomness import generator

PAD, MASK = 0, 103  # ids of [PAD] and [MASK] in BERT's vocabulary
LENGTH = 128  # pieces of the longest sentence; the longest of SST-2 has 66, and padding is not computed with


def tokenise(sentences: list[str], vocabulary: Path) -> Int64[Tensor, "sentences length"]:
    """Lower-cased sentences as ids, [CLS] … [SEP], padded to LENGTH and cut there, by a file of WordPieces."""
    tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    tokenizer.enable_padding(length=LENGTH, pad_id=PAD)
    tokenizer.enable_truncation(LENGTH)
    return torch.tensor([encoding.ids for encoding in tokenizer.encode_batch(sentences)])


def words(tokens: list[str]) -> list[tuple[str, list[int]]]:
    """The words of a sentence and the positions of their pieces; a piece "##…" belongs to the word before it.

    >>> words(["[CLS]", "a", "wonderful", "##ly", "odd", "[SEP]"])
    [('[CLS]', [0]), ('a', [1]), ('wonderfully', [2, 3]), ('odd', [4]), ('[SEP]', [5])]
    """
    found: list[tuple[str, list[int]]] = []
    for position, token in enumerate(tokens):
        if token.startswith("##") and len(token) > 2 and found:
            word, positions = found.pop()
            found.append((word + token[2:], [*positions, position]))
        else:
            found.append((token, [position]))
    return found


def meaningful(word: str) -> bool:
    """Whether a word may be a player: no stop word (scikit-learn's list), special token or punctuation.

    Choice: words of one character and numbers are no players either. WordPiece leaves single letters where it cuts an
    apostrophe ("n't" is n, ', t), and a bare number says nothing that its sentence does not.
    """
    return len(word) > 1 and word.isalnum() and not word.isdigit() and word not in ENGLISH_STOP_WORDS


def draw_words(
    ids: Int64[Tensor, "sentences length"], vocabulary: list[str], players: int, samples: int, seed: int
) -> tuple[Int64[Tensor, "samples"], Int64[Tensor, "samples length"], list[list[str]], int]:
    """Sentences drawn by the seed, and `players` meaningful words drawn for each.

    `vocabulary` has the piece of each id. Returns the indices of the sentences, ascending; for each of their pieces the
    player it belongs to, −1 for none; the players' words, in the order of the sentence; and how many sentences were
    skipped on the way, for they have fewer such words. Raises ValueError if no sentence has enough.
    """
    draw = generator(seed, "samples")
    chosen, skipped = {}, 0
    for index in torch.randperm(len(ids), generator=draw).tolist():
        if len(chosen) == samples:
            break
        candidates = [word for word in words([vocabulary[k] for k in ids[index]]) if meaningful(word[0])]
        if len(candidates) < players:
            skipped += 1
            continue
        own = generator(seed, "words", index)
        chosen[index] = [candidates[k] for k in torch.randperm(len(candidates), generator=own)[:players].sort().values]
    if not chosen:
        raise ValueError(f"players = {players}: no sentence has so many meaningful words")
    order = sorted(chosen)
    owner = torch.full((len(order), ids.shape[1]), -1)
    for row, index in enumerate(order):
        for player, (_, positions) in enumerate(chosen[index]):
            owner[row, positions] = player
    return torch.tensor(order), owner, [[word for word, _ in chosen[index]] for index in order], skipped


def word_regions(owner: Int64[Tensor, "samples length"], players: int) -> Bool[Tensor, "samples players length"]:
    """The positions of each player's pieces, from `draw_words`."""
    return owner[:, None] == torch.arange(players, device=owner.device)[:, None]
