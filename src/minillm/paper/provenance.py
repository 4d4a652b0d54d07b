"""What a run was made from: configuration, code, data, models and versions, and one digest of all of it.

The digest is printed in the article. Nothing that comes after the models enters it.
"""

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

from minillm.files import sha256, write_json
from minillm.stage import run_stage

PACKAGES = ["snakemake", "torch", "tokenizers", "sacrebleu", "matplotlib"]


def write_provenance(
    config: dict[str, Any], code: list[Path], data: list[Path], models: list[Path], output: Path
) -> None:
    """Write hashes of the files, the configuration, the versions, and `digest`, the SHA-256 of all of these."""
    versions = {name: importlib.metadata.version(name).partition("+")[0] for name in PACKAGES}
    found = {
        "config": config,
        "code": {str(path): sha256(path) for path in code},
        "data": {str(path): sha256(path) for path in data},
        "models": {str(path): sha256(path) for path in models},
        "versions": {"Python": platform.python_version(), **versions},
    }
    canonical = json.dumps(found, sort_keys=True, ensure_ascii=False).encode()
    write_json(output, {**found, "digest": hashlib.sha256(canonical).hexdigest()})


if __name__ == "__main__":
    run_stage(write_provenance)
