"""Plays the blocks of one page of docs/ from top to bottom, in one folder and one shell, and compares what they print.

| on the page | is |
|---|---|
| a line that ends with the name of a file in backticks and a colon, then a block | written to that file |
| `sh` | run, all of a page in one bash; a command that fails ends the page |
| `sql` | asked of DuckDB after the script of `costlake connect`, on the page's lake |
| `python` | run in the page's folder |
| `text` right behind one of them | what it prints on stdout |
| `<!-- clock: 2026-11-21T12:00:00Z -->` | the clock from here on, of the program and of the sandbox |
| `<!-- not run: why -->` right before a block | left alone, and counted |

Run as a program, it prints the answer to the query in a file.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import lake

STEP = re.compile(
    r"^<!-- clock: (?P<clock>\S+) -->\n"
    r"|(?:^<!-- not run: (?P<why>[^\n]+) -->\n|^(?:[^`\n]|`[^`\n]*`)*`(?P<file>[\w./-]*\.\w+)`:\n\n)?"
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```\n(?:\n```text\n(?P<answer>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
PLAYED = ("sh", "sql", "python")
LONGEST = 180


def shown(names, rows):
    """An answer as the documents print it."""
    text = lambda v: "" if v is None else f"{v:f}" if isinstance(v, lake.Decimal) else str(v)  # noqa: E731
    cells = [list(names)] + [[text(v) for v in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "-+-".join("-" * width for width in widths), *lines[1:]]) + "\n"


def answered(query):
    """What DuckDB answers to a query after `costlake connect`, with the environment of the caller."""
    import duckdb

    with duckdb.connect() as db:
        db.execute(subprocess.run(["costlake", "connect"], check=True, stdout=subprocess.PIPE, text=True).stdout)
        answer = db.sql(query)
        return shown(answer.columns, answer.fetchall())


class Step:
    """A block or a directive, and how the shell takes it."""

    def __init__(self, match):
        self.match = match
        self.clock, self.why, self.file = match["clock"], match["why"], match["file"]
        self.language, self.code, self.answer = match["language"], match["code"], match["answer"]

    @property
    def played(self):
        return self.language in PLAYED and not self.why and not self.file

    @property
    def understood(self):
        return bool(self.clock or self.why or self.file or self.played)

    def name(self):
        return self.clock or (self.code.strip().splitlines() or [""])[0]

    def command(self, saved, sandbox):
        """The line of the shell's script; `saved` is the file that holds the code."""
        out = f">{saved}.out 2>{saved}.err"
        if self.clock:
            document = f'{{"now":"{self.clock}"}}'
            return f"export COSTLAKE_NOW={self.clock}; curl --silent --fail --data '{document}' {sandbox}/_sandbox/clock {out}"
        if self.file:
            return f"mkdir -p {shlex.quote(os.path.dirname(self.file) or '.')}; cp {saved} {shlex.quote(self.file)}"
        if not self.played:
            return ":"
        interpreter = shlex.quote(sys.executable)
        runner = {"sh": ".", "sql": f"{interpreter} {shlex.quote(__file__)}", "python": interpreter}
        return f"{runner[self.language]} {saved} {out}"


class Page:
    """A page's text and its steps."""

    def __init__(self, text):
        self.text = text
        self.steps = [Step(match) for match in STEP.finditer(text)]

    def left(self):
        """Why blocks are not run, one for each of them."""
        return [step.why for step in self.steps if step.why]

    def inspect(self, group):
        """Every block has somebody who plays it, and every answer a question."""
        fences = len(re.findall(r"^ *```", self.text, re.MULTILINE))
        found = sum(2 + 2 * (step.answer is not None) for step in self.steps if not step.clock)
        group.equal(found, fences, "lines with a fence that belong to a block which was found")
        for step in self.steps:
            group.true(step.understood, f"nothing plays this block: {step.language}: {step.name()}")
            group.true(step.answer is None or step.played, f"an answer behind what is not played: {step.name()}")
            asked = step.played and step.language != "sh"
            group.true(not asked or step.answer is not None or blessing(), f"no answer is printed behind: {step.name()}")

    def play(self, home, environment, sandbox="", addresses=()):
        """The shell's exit code and last words, and what each step printed on stdout and stderr.

        `addresses` are pairs of an address as printed and the one in its place here: checks run beside each other.
        """
        script = ["set -eu -o pipefail"]
        saved = lake.temporary("steps")
        for number, step in enumerate(self.steps):
            if not step.clock:
                (saved / str(number)).write_text(replaced(step.code, addresses))
            script.append(step.command(saved / str(number), sandbox))
        shell = subprocess.Popen(
            ["bash", "-c", "\n".join(script)], cwd=home, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )
        lake.mark(shell).touch()
        try:
            said, _ = shell.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            said = f"the page took longer than {LONGEST} s"
        finally:
            with lake.contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, lake.signal.SIGKILL)
            lake.mark(shell).unlink(missing_ok=True)
        back = [(here, printed) for printed, here in addresses]
        read = lambda path: replaced(path.read_text(), back) if path.exists() else ""  # noqa: E731
        printed = [(read(saved / f"{n}.out"), read(saved / f"{n}.err")) for n in range(len(self.steps))]
        return shell.wait(10), said, printed

    def compare(self, group, code, said, printed):
        """Every command succeeded and printed what the page says."""
        last = [err[-1500:] for _, err in printed if err][-1:]
        group.equal(code, 0, f"exit code of the shell: {said[-500:]} {' '.join(last)}")
        for step, (out, _) in zip(self.steps, printed, strict=True):
            if step.answer is not None:
                group.equal(out, step.answer, step.name())

    def blessed(self, printed):
        """The text with what was printed in the place of its answers."""
        text = self.text
        for step, (out, _) in reversed(list(zip(self.steps, printed, strict=True))):
            if step.answer is not None:
                text = text[:step.match.start("answer")] + out + text[step.match.end("answer"):]
            elif step.played and step.language != "sh":
                text = text[:step.match.end()] + f"\n```text\n{out}```\n" + text[step.match.end():]
        return text


def replaced(text, pairs):
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def blessing():
    return bool(os.environ.get("COSTLAKE_BLESS"))


def environment(home):
    """What every page has: the program and Python on its path, and none of the caller's settings."""
    path = f"{lake.binary().parent}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    return lake.clean_environment(home) | {"PATH": path, "COLUMNS": "80", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def check_page(group, document, home, settings, **places):
    """Plays a page and compares it, or, with COSTLAKE_BLESS=1, writes its answers anew."""
    page = Page(document.read_text())
    page.inspect(group)
    code, said, printed = page.play(home, settings, **places)
    if blessing() and code == 0:
        document.write_text(page.blessed(printed))
    else:
        page.compare(group, code, said, printed)
    return page


if __name__ == "__main__":
    print(answered(pathlib.Path(sys.argv[1]).read_text()), end="")
