"""Run the Python of a Markdown page, block after block, as one program.

    python page.py PAGE

Blocks share their names, and may `await`. Lines of a failure are those of the page.
"""

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> Iterator[tuple[int, str]]:
    """Each Python block, and the line of the page at which it begins."""
    for found in _BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(1)) + 1, found.group(1)


async def run(name: str, page: str) -> int:
    """Run all blocks of a page's text; returns how many there were."""
    module = ModuleType("page")  # one that can be imported, as Strawberry and Tortoise want it
    sys.modules["page"] = module
    count = 0
    for line, source in blocks(page):
        tree = ast.parse(source, name)
        ast.increment_lineno(tree, line - 1)
        code = compile(tree, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, module.__dict__)
        if inspect.isawaitable(result):
            await result
        count += 1
    return count


if __name__ == "__main__":
    print(asyncio.run(run(sys.argv[1], Path(sys.argv[1]).read_text())), "blocks ran")
