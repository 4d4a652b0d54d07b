"""The text files of a study as one page to read."""

from pathlib import Path

from minillm.files import read_utf8
from minillm.report.pages import write_page
from minillm.stage import run_stage


def write_files_page(template: Path, files: list[Path], title: str, output: Path) -> None:
    """Show the files one after the other, letter by letter."""
    write_page(template, {"title": title, "files": [(file.name, read_utf8(file)) for file in files]}, output)


if __name__ == "__main__":
    run_stage(write_files_page)
