"""The embeddings of the most frequent words in two dimensions, by PCA and by t-SNE.

PCA keeps the two directions in which the embeddings vary most. t-SNE (van der Maaten & Hinton 2008) keeps neighbours
together; how far apart its groups lie means nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from tokenizers import Tokenizer

from minillm.vocabulary.tokenizer import decode, vocabulary_size

# A vocabulary with fewer whole words, such as one of characters, is shown by its most frequent tokens.
FEWEST_WORDS = 10
SEED = 1


@dataclass(frozen=True)
class Frequent:
    """The most frequent tokens, with how often they occur."""

    ids: list[int]
    counts: list[int]
    whole_words: bool
    """Whether they are words, and the counts those of the token as a whole word."""


def frequent_tokens(
    tokenizer: Tokenizer, tokens: npt.NDArray[np.integer], specials: Collection[int], number: int
) -> Frequent:
    """At most `number` tokens that stand for a whole word somewhere in `tokens`, most frequent first, ties by id.

    A whole word is one token: a space and letters, and the next token is no letter.
    """
    size = vocabulary_size(tokenizer)
    texts = ["" if id_ in specials else decode(tokenizer, [id_]) for id_ in range(size)]
    word = np.array([text[:1] == " " and text[1:].isalpha() for text in texts])
    letter = np.array([text[:1].isalpha() for text in texts])
    alone = word[tokens] & ~np.append(letter[tokens[1:]], False)
    counts = np.bincount(tokens[alone], minlength=size)
    whole_words = int((counts > 0).sum()) >= FEWEST_WORDS
    if not whole_words:
        counts = np.bincount(tokens, minlength=size)
        counts[list(specials)] = 0
    ids = [int(id_) for id_ in np.argsort(-counts, kind="stable")[:number] if counts[id_]]
    return Frequent(ids, counts[ids].tolist(), whole_words)


@dataclass(frozen=True)
class Plane:
    """Vectors in two dimensions."""

    pca: npt.NDArray[np.float64]
    tsne: npt.NDArray[np.float64]
    explained: float
    """The share of the variance that lies in the plane of the PCA."""


def project(vectors_ND: npt.NDArray[np.float64]) -> Plane:
    """Both projections (N, 2) of N > 3 vectors: the same ones each time."""
    pca = PCA(2, svd_solver="full")
    in_plane = pca.fit_transform(vectors_ND)
    # Exact: the approximation adds up in the order in which threads happen to finish.
    tsne = TSNE(perplexity=min(30, (len(vectors_ND) - 1) / 3), init="pca", random_state=SEED, method="exact")
    return Plane(
        in_plane, tsne.fit_transform(vectors_ND).astype(np.float64), float(pca.explained_variance_ratio_.sum())
    )
