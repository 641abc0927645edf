#!/usr/bin/env python3
"""Rewrites the figures in docs/reliability.md and docs/performance.md from the file that a run collected.

    docs/figures.py FILE            writes the figures of FILE into the documents
    docs/figures.py --check FILE    changes nothing; fails unless FILE has what the documents take from every run

FILE is what COSTLAKE_FIGURES named while tests, checks and benches ran: a line `NAME<TAB>text` for each figure, of which
the last one of a name counts. In the text of a table `\\n` stands for a new line. An empty text means that this machine
cannot try it; the documents keep what they say.

In a row of a table, the cell that ends with `<!-- figures: NAME -->` gets the text. A line `<!-- figures: NAME -->` of its
own before a table has that table replaced. A name with its script, `<!-- figures: NAME (benches/fleet.py) -->`, is of a
longer run, and is taken where FILE has it.
"""

import pathlib
import re
import sys

DOCUMENTS = ("docs/reliability.md", "docs/performance.md")
MARK = r"<!-- figures: (?P<name>[a-z0-9_.-]+)(?: \((?P<script>[^()]+)\))? -->"
TABLE = re.compile(rf"^{MARK}$")
CELL = re.compile(rf"^(?P<text>.*?) ?(?P<mark>{MARK}) ?$")
CELLS = re.compile(r"(?<!\\)\|")


def collected(path):
    """Name: text, of which the last one counts."""
    figures = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        name, tab, text = line.partition("\t")
        if not tab:
            sys.exit(f"{path}:{number}: no tab in {line!r}")
        figures[name] = text.replace("\\n", "\n")
    return figures


class Document:
    """A document, what it takes from a run, and what would change in it."""

    def __init__(self, path):
        self.path, self.lines = path, path.read_text().split("\n")
        self.wanted, self.changes = {}, []  # name: its script, or None if every run has it

    def take(self, figures):
        self.lines = [self.row(line, figures) for line in self.lines]
        for at in reversed(range(len(self.lines))):
            mark = TABLE.match(self.lines[at])
            if mark:
                self.table(at, mark, figures)
        return self

    def row(self, line, figures):
        if not line.startswith("| "):
            return line
        cells = CELLS.split(line)
        for at, cell in enumerate(cells):
            mark = CELL.match(cell)
            if not mark:
                continue
            self.wanted[mark["name"]] = mark["script"]
            text = figures.get(mark["name"])
            if text and "\n" in text:
                sys.exit(f"{self.path.name}: {mark['name']} is a table, and stands in a cell")
            if text and text != mark["text"].strip():
                self.changes.append(f"{mark['name']}: {mark['text'].strip()} -> {text}")
                cells[at] = f" {text} {mark['mark']} "
        return "|".join(cells)

    def table(self, at, mark, figures):
        self.wanted[mark["name"]] = mark["script"]
        begin = at + 1 + (at + 1 < len(self.lines) and self.lines[at + 1] == "")
        end = begin
        while end < len(self.lines) and self.lines[end].startswith("|"):
            end += 1
        if end == begin:
            sys.exit(f"{self.path.name}:{at + 1}: no table follows {mark['name']}")
        text = figures.get(mark["name"])
        if text and text.split("\n") != self.lines[begin:end]:
            old, new = self.lines[begin:end], text.split("\n")
            self.changes += [f"{mark['name']}: - {line}" for line in old if line not in new]
            self.changes += [f"{mark['name']}: + {line}" for line in new if line not in old]
            self.lines[begin:end] = new


def main(arguments):
    is_check = arguments[:1] == ["--check"]
    if len(arguments) != 1 + is_check:
        sys.exit(__doc__)
    figures = collected(pathlib.Path(arguments[-1]))
    documents = [Document(pathlib.Path(path)).take(figures) for path in DOCUMENTS]
    wanted = {name: script for document in documents for name, script in document.wanted.items()}
    wrong = [f"{name} stands in no document" for name in figures if name not in wanted]
    if is_check:
        wrong += [f"{name} has no figure" for name, script in wanted.items() if not script and name not in figures]
    for document in documents:
        for change in document.changes:
            print(f"{document.path}: {change}")
        if not is_check:
            document.path.write_text("\n".join(document.lines))
    if wrong:
        sys.exit("figures: " + "\nfigures: ".join(sorted(wrong)))
    changes = sum(len(document.changes) for document in documents)
    print(f"figures: {len(figures)} collected, {changes} lines {'would change' if is_check else 'changed'}")


if __name__ == "__main__":
    main(sys.argv[1:])
