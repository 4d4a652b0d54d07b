"""The longest runs of words that texts share with sources, against the definition."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from minillm.evaluation.copying import longest_runs

documents = st.lists(st.lists(st.sampled_from("ab"), max_size=12), max_size=4)


def by_definition(text: list[str], sources: list[list[str]], limit: int) -> list[int]:
    """Of each word, the most words from there on that are somewhere in a source."""
    runs = {tuple(s[i:j]) for s in sources for i in range(len(s)) for j in range(i + 1, min(i + limit, len(s)) + 1)}
    return [
        max((n for n in range(1, min(limit, len(text) - i) + 1) if tuple(text[i : i + n]) in runs), default=0)
        for i in range(len(text))
    ]


@given(documents, documents, st.integers(1, 9))
@example([["a"] * 12], [["a"] * 12], 3)
@example([], [["a"]], 2)
@example([["a", "b"]], [], 2)
@settings(max_examples=300, deadline=None)
def test_against_the_definition(texts: list[list[str]], sources: list[list[str]], limit: int) -> None:
    found = longest_runs(texts, sources, limit)
    assert len(found) == len(texts)
    for text, runs in zip(texts, found, strict=True):
        assert runs.lengths.tolist() == by_definition(text, sources, limit)
        for place, (length, source) in enumerate(zip(runs.lengths, runs.sources, strict=True)):
            run = text[place : place + length]
            assert not run or any(sources[source][i : i + length] == run for i in range(len(sources[source])))


def test_no_run_crosses_from_one_document_to_the_next() -> None:
    (runs,) = longest_runs([["a", "b", "c"]], [["x", "a", "b"], ["c", "y"]], 9)
    assert runs.lengths.tolist() == [2, 1, 1]
    assert runs.sources.tolist() == [0, 0, 1]


def test_texts_are_not_sources_of_each_other() -> None:
    first, second = longest_runs([["a", "b"], ["a", "b"]], [["b"]], 9)
    assert first.lengths.tolist() == second.lengths.tolist() == [0, 1]
