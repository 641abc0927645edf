"""docs/figures.py over a made-up document: what it rewrites, what it leaves, and what it reports."""

import os
import re
import subprocess
import sys

import lake

PAGE = """# Page

| promise | figures |
|---|---|
| one | 1 of 2 <!-- figures: one --> |
| several, `a \\| b` | none yet <!-- figures: several --> | kept |
| longer | an old one <!-- figures: longer (benches/long.sh) --> |
| by hand | 5 |

<!-- figures: table -->
| a | b |
|---|---:|
| old | 1 |

Text about <!-- figures: one --> stays.
"""
FIGURES = "one\t1 of 2\nseveral\tquick\ntable\t| a | b |\\n|---|---:|\\n| new | 2 |\\n| newer | 3 |\nseveral\t1,000 of them\n"
REWRITTEN = (PAGE.replace("none yet", "1,000 of them")
             .replace("| old | 1 |", "| new | 2 |\n| newer | 3 |"))


def tool(figures, *flags):
    """Runs it over the page; its exit code, what it said, and the page afterwards."""
    home = lake.temporary("documents")
    (home / "docs").mkdir()
    (home / "docs" / "reliability.md").write_text(PAGE)
    (home / "docs" / "performance.md").write_text("# Nothing\n")
    (home / "figures").write_text(figures)
    done = subprocess.run([sys.executable, lake.REPOSITORY / "docs" / "figures.py", *flags, "figures"],
                          cwd=home, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr, (home / "docs" / "reliability.md").read_text()


def check(tally, stack):
    with tally.group("cells and tables get the last figure of their name, and nothing else changes") as group:
        code, said, page = tool(FIGURES)
        group.equal((code, page), (0, REWRITTEN), said)
        group.true("figures: 3 collected, 4 lines changed" in said, said)
    with tally.group("a longer run's figure is taken where there is one") as group:
        code, said, page = tool(FIGURES + "longer\ta new one\n")
        group.equal((code, page), (0, REWRITTEN.replace("an old one", "a new one")), said)
    with tally.group("--check tells what would change, and changes nothing") as group:
        code, said, page = tool(FIGURES, "--check")
        group.equal((code, page), (0, PAGE), said)
        for line in ("several: none yet -> 1,000 of them", "table: - | old | 1 |", "table: + | newer | 3 |"):
            group.true(f"docs/reliability.md: {line}" in said, f"{line} is not said: {said}")
    with tally.group("--check fails over a name without a figure, but for one of a longer run or of another machine") as group:
        code, said, _ = tool(re.sub(r"(?m)^one\t.*\n", "", FIGURES), "--check")
        group.equal((code, "one has no figure" in said, "longer" in said), (1, True, False), said)
        code, said, page = tool(FIGURES.replace("one\t1 of 2", "one\t"), "--check")
        group.equal((code, page), (0, PAGE), said)
    with tally.group("a figure without a place is reported, and a table has no place in a cell") as group:
        for flags in ((), ("--check",)):
            code, said, _ = tool(FIGURES + "onne\t1\n", *flags)
            group.equal((code, "onne stands in no document" in said), (1, True), said)
        code, said, page = tool(FIGURES.replace("one\t1 of 2", "one\t| a |\\n|---|"))
        group.equal((code, page), (1, PAGE), said)
    with tally.group("a check notes a figure only where a file collects them") as group:
        file = lake.temporary("collected") / "figures"
        environment = {name: value for name, value in os.environ.items() if name != "COSTLAKE_FIGURES"}
        for more, wanted in (({}, None), ({"COSTLAKE_FIGURES": str(file)}, "a\t1\nb\t2\\n3\n")):
            subprocess.run([sys.executable, "-c", "import lake; lake.figure('a', 1); lake.figure('b', '2\\n3')"],
                           cwd=lake.HERE, env=environment | more, check=True, timeout=60)
            group.equal(file.read_text() if file.exists() else None, wanted, "the file")


if __name__ == "__main__":
    lake.main(check)
