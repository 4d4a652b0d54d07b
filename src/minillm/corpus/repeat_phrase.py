"""Write a text that says the same over and over: the corpus of a model that is meant to learn by heart."""

from pathlib import Path

from minillm.files import write_text
from minillm.stage import run_stage

SHORTEST = 120  # characters of the first text; each of the others has one more


def repeat_phrase(phrase: str, texts: int, output: Path) -> None:
    """Write `texts` lines, each the phrase again and again, beginning with one of its words and ending anywhere.

    No two lines are equal, but whoever knows the phrase knows all of them. Raises ValueError for an empty phrase.
    """
    words = phrase.split()
    if not words:
        raise ValueError("the phrase to repeat is empty: give it a word")
    lines = []
    for number in range(texts):
        first = number % len(words)
        cycle, length = " ".join([*words[first:], *words[:first], ""]), SHORTEST + number
        lines.append((cycle * (length // len(cycle) + 1))[:length].strip())
    write_text(output, "\n".join(dict.fromkeys(lines)) + "\n")


if __name__ == "__main__":
    run_stage(repeat_phrase)
