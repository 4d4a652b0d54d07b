"""What a model wrote, as a page to read: after the prompts of the config, and after the beginnings of test articles."""

from pathlib import Path

from minillm.files import read_json
from minillm.report.pages import write_page
from minillm.stage import run_stage


def write_texts_page(
    template: Path, generations: Path, continuations: Path, copies: Path, title: str, output: Path
) -> None:
    """Show each text beside its prompt; a long run of words copied from an article names that article."""
    written, copied = read_json(generations), read_json(copies)
    of_articles = [text for text in read_json(continuations) if text["split"] == "test"]
    values = {
        "title": title,
        "temperature": written["temperature"],
        "texts": list(zip(written["texts"], copied["printed"], strict=True)),
        "articles": list(zip(of_articles, copied["continuations"], strict=True)),
    }
    write_page(template, values, output)


if __name__ == "__main__":
    run_stage(write_texts_page)
