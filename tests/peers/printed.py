"""What the pages of docs/deployment print, taken by heading: each check plays the blocks of the engine that it sets up.

| on a page | is |
|---|---|
| a line that ends with the path of a file in backticks and a colon, then a block | written to that file |
| `sh` | run, all blocks of a section in one bash; a command that fails ends it |
| `<!-- not run: why -->` right before a block | left alone, and counted |

`sections` is called with literals alone, so that check_deployment finds by reading who plays what.
"""

import ast
import os
import re
import shlex
import subprocess
import sys

import lake
from pages import replaced

FOLDER = lake.REPOSITORY / "docs" / "deployment"
STEP = re.compile(
    r"^#+ (?P<heading>[^\n]+)\n"
    r"|(?:^<!-- not run: (?P<why>[^\n]+) -->\n|^(?:[^`\n]|`[^`\n]*`)*`(?P<file>[\w-]*[./][\w./-]+)`:\n\n)?"
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```\n",
    re.MULTILINE | re.DOTALL,
)


class Block:
    def __init__(self, match, heading):
        self.heading, self.why, self.file = heading, match["why"], match["file"]
        self.language, self.code = match["language"], match["code"]

    @property
    def played(self):
        return bool(not self.why and (self.language == "sh" or self.file))


def blocks(text):
    """The blocks of a page's text, each with the heading above it."""
    found, heading = [], ""
    for match in STEP.finditer(text):
        if match["heading"]:
            heading = match["heading"]
        else:
            found.append(Block(match, heading))
    return found


def of_language(page, heading, language):
    """The code of the blocks of one language in a section."""
    return [block.code for block in blocks((FOLDER / page).read_text()) if (block.heading, block.language) == (heading, language)]


def sections(page, *headings):
    """The blocks to be played of these sections of a page, in the page's order."""
    found = [block for block in blocks((FOLDER / page).read_text()) if block.heading in headings and block.played]
    if set(headings) != {block.heading for block in found}:
        raise ValueError(f"{page} has nothing to play below one of {headings}")
    return found


def claims():
    """Page and heading of every section that a check plays."""
    found = set()
    for file in sorted(lake.HERE.glob("check_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "printed.sections":
                page, *headings = [ast.literal_eval(argument) for argument in node.args]
                found |= {(page, heading) for heading in headings}
    return found


def play(steps, home, environment, pairs=(), programs=None, expect=0, timeout=300):
    """Plays blocks in one shell and returns its output; `programs` is a folder before all others on the path, and `pairs`
    are texts as printed with those in their place here."""
    script, saved = ["set -eu -o pipefail"], lake.temporary("steps")
    for number, step in enumerate(steps):
        (saved / str(number)).write_text(replaced(step.code, pairs))
        target = replaced(step.file or "", pairs)
        script.append(f"mkdir -p {shlex.quote(os.path.dirname(target) or '.')}; cp {saved}/{number} {shlex.quote(target)}" if target else f". {saved}/{number}")
    path = [*([str(programs)] if programs else []), str(lake.binary().parent), os.path.dirname(sys.executable), environment.get("PATH", os.environ["PATH"])]
    shell = subprocess.Popen(
        ["bash", "-c", "\n".join(script)], cwd=home, env=environment | {"PATH": ":".join(path)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )
    lake.mark(shell).touch()
    return lake.finish(shell, expect, timeout)
