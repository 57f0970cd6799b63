"""The real binary on a data folder of its own, with one organization, one key, and agents that know the sample documents: one that quotes, one with a model."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Dict

from model import Model
from twig_ai import Twig

START_TIMEOUT_S = 60
POLICY = "# Refunds\n\nRefunds are paid within 30 days of purchase. Gifts can be exchanged within 60 days.\n\n# Shipping\n\nParcels leave our warehouse on Mondays."


class Server:
    def __init__(self, binary: str, folder: Path) -> None:
        self._binary, self._folder = binary, folder
        self._command("orgs", "create", "acme", "--plan", "enterprise", "--per-minute", "100000")
        self.key: str = self._command("keys", "create", "--org", "acme", "--name", "tests", "--scopes", "admin")["key"]
        self.model = Model()
        self.words_agent_id = ""
        environment = {
            **os.environ,
            "TWIG_MODEL_BASE_URL": self.model.url,
            "TWIG_MODEL_API_KEY": "none",
            "TWIG_WEBHOOK_ALLOW_HTTP": "true",
            "TWIG_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        }
        log = (folder / "server.log").open("w")
        self._process = subprocess.Popen(
            [binary, "serve", "--data-dir", str(folder), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"listening on (http://\S+)", line)
        assert found, f"the server did not start: {line} {(folder / 'server.log').read_text()[-2000:]}"
        self.url = found[1]

    def _command(self, *arguments: str) -> Dict[str, Any]:
        command = [self._binary, *arguments, "--data-dir", str(self._folder), "--json"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=True)
        answer: Dict[str, Any] = json.loads(result.stdout)
        return answer

    def prepare(self) -> str:
        """The id of an agent over an indexed text."""
        with Twig(self.key, base_url=self.url) as twig:
            spec = twig.data_specs.create(name="policy", type="text", config={"title": "Policy", "content": POLICY})
            run = twig.data_specs.process(spec["id"])
            assert twig.data_specs.wait_for_run(spec["id"], run["id"])["status"] == "succeeded"
            self.words_agent_id = twig.agents.create(name="words", model="double", data_spec_ids=[spec["id"]])["id"]
            return twig.agents.create(name="support", data_spec_ids=[spec["id"]])["id"]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self.model.stop()
