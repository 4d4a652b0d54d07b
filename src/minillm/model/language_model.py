"""What training and evaluation ask of a model, wherever it comes from."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from minillm.model.attention import Cache
from minillm.vocabulary.tokenizer import Specials


class LanguageModel(nn.Module, ABC):
    """Token ids (batch, time) to logits (batch, time, vocab); time is at most `context`."""

    context: int
    specials = Specials()
    """The ids that stand for no text: those of the project's vocabularies, unless the model brought its own."""

    @abstractmethod
    def forward(self, ids_BT: Tensor, *, last_only: bool = False, cache: Cache | None = None) -> Tensor:
        """Logits of every position, or of the last one alone (batch, 1, vocab).

        With a cache that is not empty the ids are the one token that follows what the cache holds.
        """

    @abstractmethod
    def token_embedding(self) -> nn.Embedding:
        """The table that ids are looked up in: the audit differentiates by what it gives."""

    @abstractmethod
    def output_layer(self) -> nn.Linear | None:
        """The layer that gives the logits, or None if the embedding itself does."""

    def new_cache(self) -> Cache | None:
        """An empty cache, or None if this model has to read the whole text for each new token."""
        return None
