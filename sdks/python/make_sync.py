"""Makes `twig_ai/_sync` of `twig_ai/_async`, so that nothing is written twice. With `--check` it writes nothing and fails where they differ.

Invariant: a file of `_sync` is its file of `_async` with the words below replaced, and nothing else.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "src" / "twig_ai"
HEAD = "# Made by make_sync.py of the file of the same name in _async: change it there.\n"
WORDS = [
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bimport asyncio\n(import time\n)?", "import time\n"),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\bAsyncGenerator\b", "Generator"),
    (r"\bhttpx\.AsyncClient\b", "httpx.Client"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b__a(iter|next|enter|exit)__\b", r"__\1__"),
    (r"\ba(read|close)\(", r"\1("),
    (r"\baiter_bytes\b", "iter_bytes"),
    (r"asynchronous client, of which .*", "synchronous client.\"\"\""),
    (r"`async with`", "`with`"),
]


def convert(text: str) -> str:
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    return HEAD + text


def main() -> int:
    stale = []
    for source in sorted((PACKAGE / "_async").glob("*.py")):
        target = PACKAGE / "_sync" / source.name
        made = convert(source.read_text())
        if not target.exists() or target.read_text() != made:
            stale.append(source.name)
            if "--check" not in sys.argv:
                target.write_text(made)
    if stale and "--check" in sys.argv:
        print(f"stale: {', '.join(stale)}; run make_sync.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
