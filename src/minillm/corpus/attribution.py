"""Say where each article came from, who wrote it and what was changed, as licences such as CC BY-SA ask.

A wiki names the authors of an article in the page's history, so a row has the history's address beside the article's.
"""

import urllib.parse
from pathlib import Path

import pyarrow.parquet as pq

from minillm.files import write_csv
from minillm.stage import run_stage

COLUMNS = ["page_id", "title", "url", "history_url", "licence", "changes"]
CLEANED = (
    "The text was cleaned: markup, references, tables and sections such as the one of external links were removed."
)
NORMALISED = "The text was normalised: white space, invisible characters and the form of Unicode."


def article_url(index: str, title: str, rev_id: int | None = None) -> str:
    """The address of an article on the wiki whose index.php is at `index`: of this revision, if one is given."""
    if rev_id is not None:
        return f"{index}?oldid={rev_id}"
    server = "/".join(index.split("/", 3)[:3])  # urljoin takes as long as reading the page
    return f"{server}/wiki/{_quoted(title)}"


def history_url(index: str, title: str) -> str:
    """The address of the list of an article's revisions and authors, on the wiki whose index.php is at `index`."""
    return f"{index}?title={_quoted(title)}&action=history"


def _quoted(title: str) -> str:
    return urllib.parse.quote(title.replace(" ", "_"), safe="/:(),")


def write_attribution(articles: Path, plain_text: bool, output: Path) -> None:
    """Write a CSV file with one row for each article that is used, in order of page id.

    `plain_text` says that the source was plain text, not wikitext. Addresses are empty where an article is on no wiki.
    """
    rows = pq.read_table(articles, columns=COLUMNS[:-1]).sort_by("page_id").to_pylist()
    changes = NORMALISED if plain_text else CLEANED
    write_csv(output, COLUMNS, ({**row, "changes": changes} for row in rows))


if __name__ == "__main__":
    run_stage(write_attribution)
