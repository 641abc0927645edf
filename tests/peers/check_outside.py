"""What people meet: each row of the table in docs/reliability.md is played with a server of this check's own.

The table is the expectation. A case is a function of `outside_figures.py` or `outside_words.py`, decorated with the first
cell of its row; it returns the run whose exit code is the row's, and whose output has the words of the row. What else has
to be so, figures above all, the case compares itself.
"""

import concurrent.futures
import contextlib
import re
import traceback

import lake
import outside_figures  # noqa: F401 (its cases enter themselves)
import outside_words  # noqa: F401
from meeting import CASES

SECTION = "## What people meet"


def table():
    """Of each row of the table: its case, and the exit code and words of the run."""
    text = (lake.REPOSITORY / "docs" / "reliability.md").read_text()
    section = text.partition(SECTION + "\n")[2].partition("\n## ")[0]
    found = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 4 and cells[2] != "exit code":
            found[cells[0].replace("`", "")] = cells[2], [long or short for long, short in re.findall(r"`` (.+?) ``|`([^`]+)`", cells[3])]
    return found


def played(play):
    """The case, with what it compared; an error of the case is one of its differences."""
    group = lake.Group()
    with contextlib.ExitStack() as stack:
        try:
            return play(group, stack), group
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            group.differences.append(f"{type(error).__name__}: {error} (line {last.lineno})")
            return None, group


def check(tally, stack):
    expected = table()
    with tally.group("every row of the table has its case, and every case its row") as group:
        group.equal(sorted(CASES), sorted(expected), "cases")
    pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(4))  # some cases only wait
    for name, playing in [(name, pool.submit(played, play)) for name, play in CASES.items()]:
        with tally.group(name) as group:
            done, own = playing.result()
            group.compared, group.differences, group.notes = own.compared, own.differences, own.notes
            if done is None:
                continue
            said, (code, words) = done.out + done.err, expected.get(name, ("no row", []))
            group.equal(str(done.code), code, f"exit code of {' '.join(map(str, done.command[1:]))}: {said[-1500:]}")
            for line in words:
                group.true(" ".join(line.split()) in done.said, f"is not said: {line}\n{said[-2500:]}")


if __name__ == "__main__":
    lake.main(check)
