"""Sentences and paragraphs among token ids: what may change places, and which articles are easy.

A line is a paragraph. A sentence ends at a full stop and the like before a space and neither a small letter nor a
digit. A boundary that is none, as after «Sr.», does little harm: no token is lost.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from minillm.vocabulary.tokenizer import EOS, SPECIALS, UNK

Integers = npt.NDArray[np.integer]

_END = re.compile(r"[.!?][»”\"')\]]*+(?= (.))", re.DOTALL)


@dataclass(frozen=True)
class Sentences:
    """A split cut into sentences: number i is tokens[offsets[i]:offsets[i + 1]].

    An end of line, or [EOS], is a piece and a paragraph of its own.
    """

    offsets: Integers
    """(sentences + 1,)"""
    documents: Integers
    """(sentences,): the document that each is in."""
    paragraphs: Integers
    """(sentences,): the paragraph that each is in, counted through all documents."""
    ends_of_line: npt.NDArray[np.bool_]
    """(sentences,): whether it is an end of line or [EOS]."""

    @classmethod
    def find(cls, tokens: Integers, offsets: Integers, texts: Sequence[str]) -> "Sentences":
        """Those of the encoded documents of a split; `texts` are the texts of all tokens, by id."""
        special = {UNK: "\ufffd", EOS: "\n"}  # of an unknown word not even a space before it is known
        texts = [special.get(id_, "") if id_ < len(SPECIALS) else text for id_, text in enumerate(texts)]
        line_ends = np.array(["\n" in text for text in texts])[tokens]
        new_paragraph = line_ends.copy()
        new_paragraph[1:] |= line_ends[:-1]
        new_paragraph[offsets[:-1]] = True
        # The ends of sentences are looked for in the text; the token that begins at such a place begins a sentence.
        text = "".join(map(texts.__getitem__, tokens.tolist()))
        stops = [match.end() for match in _END.finditer(text) if not (match[1].islower() or match[1].isdigit())]
        places = np.cumsum(np.array([len(text) for text in texts])[tokens])  # where each token ends
        new_sentence = new_paragraph.copy()
        new_sentence[1:] |= np.isin(places[:-1], stops)
        starts = np.flatnonzero(new_sentence)
        return cls(
            offsets=np.append(starts, len(tokens)),
            documents=np.searchsorted(offsets, starts, side="right") - 1,
            paragraphs=np.cumsum(new_paragraph)[starts],
            ends_of_line=line_ends[starts],
        )

    def shuffled(self, order: Integers, random: np.random.Generator) -> Integers:
        """All sentences, documents in `order`, those of a paragraph shuffled.

        The first of a paragraph stays: it says what the paragraph is about, and has no space before it.
        """
        rank = np.argsort(order)[self.documents]
        key = random.random(len(self.paragraphs))
        key[np.unique(self.paragraphs, return_index=True)[1]] = -1
        return np.lexsort((key, self.paragraphs, rank))

    def easy_documents_first(self) -> Integers:
        """The documents, from short sentences and few tokens to long and many: by the sum of both ranks."""
        lengths = np.bincount(self.documents, weights=np.diff(self.offsets))
        sentences = np.bincount(self.documents[~self.ends_of_line])
        return np.argsort(_ranks(lengths / sentences) + _ranks(lengths), kind="stable")


def _ranks(values: npt.NDArray[np.floating | np.integer]) -> Integers:
    """How many values are smaller than each."""
    return np.searchsorted(np.sort(values), values)
