"""What training and evaluation ask of a model, wherever it comes from."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from minillm.model.attention import Cache
from minillm.vocabulary.tokenizer import Specials


@dataclass(frozen=True)
class Way:
    """One of the ways in which a model computes the same logits: with this kernel or that one, with padding or none."""

    name: str
    logits: Callable[[Tensor], Tensor]
    """Ids of a text (1, time) to logits (rows, at most time, vocab): each row has those of the text's first tokens."""
    exact: bool = False
    """Whether on a CPU no bit of a logit may change with what comes after it."""
    shift: int = 0
    """Tokens of padding that stand before the text."""
    comparable: bool = True
    """Whether the logits are those of the other ways, up to rounding."""


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

    def ways(self) -> list[Way]:
        """All ways in which it can compute, the usual one first: a leak may be in one of them alone."""
        return [Way("as it is called", self)]

    def new_cache(self) -> Cache | None:
        """An empty cache, or None if this model has to read the whole text for each new token."""
        return None
