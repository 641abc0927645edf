"""Every SQL and Python snippet of docs/*.md, executed as printed; the pages that other checks play as a whole are not among them.

SQL runs in DuckDB after connect's script, on the lake that `costlake demo` leaves when it is run on two days; a `text`
block right behind it is its answer. `<!-- parsed, not run: DIALECT -->` before a block has it parsed by that dialect's grammar. Python runs in the folder that holds the lake. COSTLAKE_BLESS=1 writes the answers anew.
"""

import os
import re
import subprocess
import sys

import lake
from pages import shown

DAYS = ("2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z")
PLAYED = ("first-job.md", "install.md", "tutorial.md", "upgrading.md")
BLOCK = re.compile(
    r"(?:^<!-- parsed, not run: (?P<parsed>\w+) -->\n)?^```(?P<language>sql|python)\n(?P<code>.*?)^```\n(?:\n```text\n(?P<answer>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)


def run_python(code, home):
    path = f"{lake.binary().parent}:{os.environ['PATH']}"
    jobs = home / "jobs" if (home / "jobs").is_dir() else lake.JOBS
    environment = lake.clean_environment(home) | {"PATH": path, "COSTLAKE_JOBS": str(jobs), "COSTLAKE_NOW": DAYS[1]}
    return subprocess.run([sys.executable, "-c", code], cwd=home, env=environment, capture_output=True, text=True, timeout=120)


def check_block(group, db, block, home):
    import sqlglot

    code = block["code"]
    first = code.strip().splitlines()[0]
    if block["language"] == "python":
        done = run_python(code, home)
        group.true(done.returncode == 0 and done.stdout.strip(), f"{first}: {done.stderr[-800:] or 'prints nothing'}")
        if block["answer"] and os.environ.get("COSTLAKE_BLESS"):
            return done.stdout
        if block["answer"]:
            group.equal(done.stdout, block["answer"], f"{first}: the answer printed behind it")
    elif block["parsed"]:
        parsed = sqlglot.parse(code, read=block["parsed"])
        group.true(parsed and not any(isinstance(p, sqlglot.exp.Command) for p in parsed), f"{first}: not understood")
    else:
        answer = db.sql(code)
        text = shown(answer.columns, answer.fetchall())
        group.true(text.count("\n") > 2, f"{first}: answers nothing")
        if os.environ.get("COSTLAKE_BLESS"):
            return text
        group.equal(block["answer"], text, f"{first}: the answer printed behind it")
    return None


def check(tally, stack):
    import duckdb

    home = lake.temporary("documents")
    for day in DAYS:
        costlake = lake.Costlake(day)
        costlake.run("demo", lake=home / "lake")
    docs = lake.REPOSITORY / "docs"
    os.chdir(home)
    db = stack.enter_context(duckdb.connect())
    db.execute(costlake.run("connect", lake=home / "lake").out)
    documents = [page for page in sorted(docs.glob("*.md")) if page.name not in PLAYED]
    for document in documents:
        text = document.read_text()
        blocks = list(BLOCK.finditer(text))
        if not blocks and not re.search(r"^```(sql|python)", text, re.MULTILINE):
            continue
        with tally.group(f"{document.name}: every snippet does what is printed ({len(blocks)} of them)") as group:
            group.equal(len(blocks), len(re.findall(r"^```(?:sql|python)\n", text, re.MULTILINE)), "snippets that were found")
            for block in reversed(blocks):
                answer = check_block(group, db, block, home)
                if answer is not None:
                    code = text[block.start():block.end("code")] + "```\n"
                    text = text[:block.start()] + f"{code}\n```text\n{answer}```\n" + text[block.end():]
            if os.environ.get("COSTLAKE_BLESS"):
                document.write_text(text)


if __name__ == "__main__":
    lake.main(check)
