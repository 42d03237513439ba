"""Text: sentences as WordPiece ids, and the words of a sentence that may be players (App. I.2)."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from .randomness import generator

PAD, SEPARATOR, MASK = 0, 102, 103  # ids of [PAD], [SEP] and [MASK] in BERT's vocabulary
LENGTH = 128  # pieces of the longest sentence of SST-2 are 66; padding is not computed with


def tokenise(
    sentences: list[str] | list[tuple[str, str]], vocabulary: Path, length: int = LENGTH
) -> tuple[Int64[Tensor, "sentences length"], int]:
    """Lower-cased sentences, or pairs, as ids: [CLS] … [SEP], or [CLS] … [SEP] … [SEP], by a file of WordPieces.

    They are padded to `length` and cut there; the second answer is how many were cut. Of a pair the longer one is.
    """
    from tokenizers import BertWordPieceTokenizer  # of the extra [text]: what is without sentences does without it

    tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    tokenizer.enable_padding(length=length, pad_id=PAD)
    tokenizer.enable_truncation(length)
    encodings = tokenizer.encode_batch(sentences)
    return torch.tensor([encoding.ids for encoding in encodings]), sum(bool(e.overflowing) for e in encodings)


def words(sentence: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[str, list[int]]]:
    """The words of a sentence and the positions of their pieces, by the pieces' own offsets into its characters.

    So WordPiece, byte pairs and SentencePiece are one case: a word is a run of letters and digits, and has every piece
    that reaches into it; where one piece reaches into several words, they are one. Special pieces, which have no
    characters, are of no word.

    >>> words("a wonderfully odd!", [(0, 0), (0, 1), (2, 8), (8, 13), (13, 17), (17, 18), (0, 0)])
    [('a', [1]), ('wonderfully', [2, 3]), ('odd', [4])]
    """
    found: list[tuple[int, int, list[int]]] = []
    for run in re.finditer(r"[^\W_]+", sentence):
        pieces = [k for k, (start, end) in enumerate(offsets) if start < run.end() and run.start() < end]
        if found and set(pieces) & set(found[-1][2]):
            start, _, before = found.pop()
            found.append((start, run.end(), sorted({*before, *pieces})))
        elif pieces:  # the end of a sentence may be cut off
            found.append((run.start(), run.end(), pieces))
    return [(sentence[start:end], pieces) for start, end, pieces in found]


def spelled(pieces: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """A sentence from its WordPieces, one blank before each that begins a word, and their offsets.

    >>> spelled(["[CLS]", "odd", "##ly", "[SEP]"])
    (' oddly', [(0, 0), (1, 4), (4, 6), (0, 0)])
    """
    sentence, offsets = "", []
    for piece in pieces:
        if piece.startswith("[") and len(piece) > 1:  # a special one
            offsets.append((0, 0))
            continue
        inner = piece.startswith("##") and len(piece) > 2
        sentence += piece[2:] if inner else f" {piece}"
        offsets.append((len(sentence) - len(piece) + 2 * inner, len(sentence)))
    return sentence, offsets


def meaningful(word: str) -> bool:
    """Whether a word may be a player: no stop word (scikit-learn's list), special token or punctuation.

    Choice: words of one character and numbers are no players either. WordPiece leaves single letters where it cuts an
    apostrophe ("n't" is n, ', t), and a bare number says nothing that its sentence does not.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # here: what has no sentences does without it

    return len(word) > 1 and word.isalnum() and not word.isdigit() and word.lower() not in ENGLISH_STOP_WORDS


def draw_words(
    ids: Int64[Tensor, "sentences length"], vocabulary: list[str], players: int, samples: int, seed: int
) -> tuple[Int64[Tensor, "samples"], Int64[Tensor, "samples length"], list[list[str]], int]:
    """Sentences drawn by the seed, and `players` meaningful words drawn for each.

    `vocabulary` has the piece of each id. Returns the indices of the sentences, ascending; for each of their pieces the
    player it belongs to, −1 for none; the players' words, in the order of the sentence; and how many sentences were
    skipped on the way, for they have fewer such words. Raises ValueError if fewer sentences have enough.
    """
    draw = generator(seed, "samples")
    chosen, skipped = {}, 0
    for index in torch.randperm(len(ids), generator=draw).tolist():
        if len(chosen) == samples:
            break
        spelling = spelled([vocabulary[k] for k in ids[index]])
        candidates = [word for word in words(*spelling) if meaningful(word[0])]
        if len(candidates) < players:
            skipped += 1
            continue
        own = generator(seed, "words", index)
        chosen[index] = [candidates[k] for k in torch.randperm(len(candidates), generator=own)[:players].sort().values]
    if not chosen:
        raise ValueError(f"players = {players}: no sentence has so many meaningful words")
    if len(chosen) < samples:
        raise ValueError(f"samples = {samples}: {len(chosen)} sentences have {players} meaningful words or more")
    order = sorted(chosen)
    owner = torch.full((len(order), ids.shape[1]), -1)
    for row, index in enumerate(order):
        for player, (_, positions) in enumerate(chosen[index]):
            owner[row, positions] = player
    return torch.tensor(order), owner, [[word for word, _ in chosen[index]] for index in order], skipped


def word_regions(owner: Int64[Tensor, "samples length"], players: int) -> Bool[Tensor, "samples players length"]:
    """The positions of each player's pieces, from `draw_words`."""
    return owner[:, None] == torch.arange(players, device=owner.device)[:, None]
