"""Which files a stage is made of: its module, every module of the project that it imports, and the data they name.

A rule lists them as input, so that a change of code reruns what depends on it and nothing else.
"""

import functools
from pathlib import Path

import grimp

SOURCE = Path("src")


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("minillm", cache_dir=".snakemake/grimp")


@functools.cache
def code(module: str) -> list[str]:
    """Paths, relative to the project's root and sorted, of all the code that `python -m module` runs.

    Raises ValueError if there is no such module.
    """
    graph = _graph()
    if module not in graph.modules:
        raise ValueError(f"there is no module {module} in {SOURCE}")
    files = set()
    for name in {module, *graph.find_upstream_modules(module)}:
        path = SOURCE.joinpath(*name.split("."))
        files.add(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))
    # A data file belongs to the modules beside it that read TOML.
    readers = [file for file in files if "import tomllib" in file.read_text(encoding="utf-8")]
    data = {path for reader in readers for path in reader.parent.glob("*.toml")}
    return sorted(str(path) for path in files | data)
