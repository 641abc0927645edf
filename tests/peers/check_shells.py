"""`costlake connect > lake.sql; duckdb -init lake.sql` as it is typed in sh, fish and PowerShell, with the DuckDB that PyPI
packages as a program.
"""

import os
import pathlib
import shutil
import subprocess
import sys
from decimal import Decimal

import lake

NOW = "2026-11-16T12:00:00Z"
LINE = "costlake connect > lake.sql; duckdb -init lake.sql"
QUESTION = ".mode csv\n.headers off\nSELECT sum(cost), count(*) FROM aws_cost_by_team_by_month;\n"
SHELLS = {"sh": ("sh", "-c"), "fish": ("fish", "--no-config", "-c"), "PowerShell": ("pwsh", "-NoProfile", "-Command")}


def typed(command, folder, root):
    programs = [pathlib.Path(lake.binary()).parent, pathlib.Path(sys.executable).parent]
    environment = lake.clean_environment(folder) | {
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]), "COSTLAKE_LAKE": str(root), "COSTLAKE_JOBS": str(lake.JOBS),
        "COSTLAKE_NOW": NOW,
    }
    done = subprocess.run(command, input=QUESTION, capture_output=True, text=True, errors="replace", cwd=folder,
                          env=environment, timeout=120, check=False)
    return done.stdout.strip().splitlines(), done.stderr


def check(tally, stack):
    costlake, root = lake.Costlake(NOW), lake.temporary("lake")
    costlake.run("demo", lake=root)
    rows = lake.read_rows(lake.Folder(root), "aws_cost_by_team")
    wanted = sum((row["unblended_cost"] for row in rows), Decimal(0))

    def right(group, answer):
        lines, said = answer
        group.true(lines, f"no answer: {said}")
        if lines:
            total, months = lines[-1].split(",")
            group.equal(Decimal(total), wanted, "the sum")
            group.true(int(months) > 12, f"{months} rows")

    for name, words in SHELLS.items():
        if not shutil.which(words[0]):
            tally.skip(f"{name}: no {words[0]} on this machine (PowerShell is neither in Debian nor on PyPI)")
            continue
        with tally.group(f"{name}: {LINE}") as group:
            right(group, typed([*words, LINE], lake.temporary("typed"), root))

    folder = lake.temporary("windows")
    with tally.group("what > writes in Windows PowerShell (UTF-16) is refused by DuckDB; connect --out is read") as group:
        script = costlake.run("connect", lake=root).out
        (folder / "lake.sql").write_bytes(script.encode("utf-16"))
        lines, said = typed(["duckdb", "-init", "lake.sql"], folder, root)
        group.true("Parser Error" in said + "\n".join(lines), f"DuckDB reads UTF-16 now: {lines} {said}")
        costlake.run("connect", "--out", folder / "lake.sql", lake=root)
        right(group, typed(["duckdb", "-init", "lake.sql"], folder, root))


if __name__ == "__main__":
    lake.main(check)
