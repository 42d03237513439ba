"""The encoders of sentences: of BERT's kind, their input masked word by word."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..text import MASK, SEPARATOR
from .cut import Cut

# The encoders of sentences: layers, width and heads, and where the Hugging Face hub has their published weights.
ENCODERS = {
    "bert-medium": (8, 512, 8, "google/bert_uncased_L-8_H-512_A-8"),  # Turc et al. 2019
    "minilm": (6, 384, 12, "sentence-transformers/all-MiniLM-L6-v2"),  # Wang et al. 2020
}


class Encoder(nn.Module):
    """A transformers model as a function of token ids (batch, length), whose padding is not attended to.

    The id of padding is the model's own; a model that has none has no padding. Padding at the end is cut off as far as
    all of the batch has it. Padding at the beginning stays, because it moves the positions of what follows. Of a pair,
    which `separator` divides, the second sentence has the token type 1; None is for models without token types.
    """

    def __init__(self, model: nn.Module, separator: int | None = None):
        super().__init__()
        self.model = model
        self.separator = separator
        own = model.config.pad_token_id
        self.pad = -1 if own is None else own  # no token has the id -1

    def forward(self, ids: Int[Tensor, "batch length"]) -> Float[Tensor, "batch classes"]:
        attended = ids != self.pad
        length = int(attended.any(0).nonzero().max()) + 1 if attended.any() else ids.shape[1]
        ids, attended = ids[:, :length], attended[:, :length]
        types = {}
        if self.separator is not None:
            ends = ids == self.separator
            types["token_type_ids"] = ((ends.cumsum(1) - ends.long() > 0) & attended).long()
        return self.model(input_ids=ids, attention_mask=attended, **types).logits


def encoder(name: str, classes: int, weights: str) -> Cut:
    """An encoder of BERT's kind, with a linear layer on its pooled output.

    The players are words of the input itself: the stem hands the token ids on, a masked one becomes [MASK].
    """
    from transformers import BertConfig, BertForSequenceClassification  # seconds to import, for text alone

    layers, width, heads, published = ENCODERS[name]
    if weights == "scratch":
        config = BertConfig(
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * width,
            num_labels=classes,
            attn_implementation="eager",
        )
        return Cut(nn.Identity(), Encoder(BertForSequenceClassification(config), SEPARATOR), MASK)
    return Cut(nn.Identity(), Encoder(_published(published, classes), SEPARATOR), MASK)


def _published(source: str, classes: int) -> nn.Module:
    """BERT with published weights in single precision, of a hub's name or a folder, and a new last layer.

    Raises ValueError if they are not to be had, or lack layers other than the last.
    """
    from transformers import BertForSequenceClassification, logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it would report the new last layer as missing
    try:
        model, told = BertForSequenceClassification.from_pretrained(
            source,
            num_labels=classes,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"weights = 'pretrained': {source}: {reason} Allowed without it is scratch") from None
    finally:
        logging.set_verbosity(verbosity)
    missing = sorted(name for name in told["missing_keys"] if not name.startswith("classifier."))
    if missing:
        raise ValueError(
            f"weights = 'pretrained': {source} lacks {len(missing)} tensors, {missing[0]} among them; "
            "only the last layer may be new"
        )
    return model
