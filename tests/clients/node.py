"""Runs a script of this folder by Node, with the packages that `run` installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TIMEOUT_S = 60


def run_node(script: str, input: str = "", **environment: str) -> str:
    folder = Path(os.environ["TWIG_NODE_FOLDER"]) / "node_modules"
    variables = {**os.environ, "NODE_PATH": str(folder), **environment}
    command = ["node", str(Path(__file__).parent / script)]
    result = subprocess.run(command, input=input, env=variables, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert result.returncode == 0, result.stderr
    return result.stdout
