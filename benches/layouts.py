"""Questions to a year of costs in DuckDB, by how the Parquet lies: costlake's object a month, a file a day as a script of
boto3 and pyarrow writes it, and one file for everything as loaders like dlt do.

    python benches/layouts.py LAKE/TABLE

LAKE/TABLE is a table of costlake with `usage_date`, a grouping and `unblended_cost`; the other two are made from its
rows, in a folder that is removed. The same rows, one DuckDB thread, questions in turns, CPU ms, median of nine. With
COSTLAKE_FIGURES, the table is appended to that file, for docs/figures.py.
"""

import os
import pathlib
import resource
import statistics
import sys
import tempfile

import duckdb
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

ROUNDS = 9


def layouts(table, scratch):
    """Name, FROM clause and bytes of each layout."""
    own = f"read_parquet('{table}/*/data.parquet', hive_partitioning = true)"
    rows = duckdb.sql(f"SELECT * FROM {own} ORDER BY usage_date").to_arrow_table()
    days = scratch / "days"
    for day in duckdb.sql(f"SELECT DISTINCT usage_date FROM {own} ORDER BY 1").fetchall():
        part = rows.filter(pa.compute.equal(rows["usage_date"], pa.scalar(day[0])))
        (days / f"usage_day={day[0]}").mkdir(parents=True)
        pq.write_table(part.drop_columns(["billing_period"]), days / f"usage_day={day[0]}" / "part.parquet")
    pq.write_table(rows, scratch / "one.parquet")
    size = lambda files: sum(file.stat().st_size for file in files)
    return [
        ("costlake, an object a month", own, size(pathlib.Path(table).glob("*/data.parquet"))),
        ("a file a day (pyarrow's defaults)", f"read_parquet('{days}/*/part.parquet', hive_partitioning = true)", size(days.glob("*/*"))),
        ("one file (pyarrow's defaults)", f"read_parquet('{scratch}/one.parquet')", (scratch / "one.parquet").stat().st_size),
    ]


def questions(table, grouping):
    """Name and text; each layout is asked by the columns it has, as its users would."""
    first, last = duckdb.sql(f"SELECT min(usage_date), max(usage_date) FROM read_parquet('{table}/*/data.parquet')").fetchall()[0]
    (value,) = duckdb.sql(f"SELECT min({grouping}) FROM read_parquet('{table}/*/data.parquet')").fetchall()[0]
    day = duckdb.sql(f"SELECT (DATE '{first}' + 200)::DATE").fetchall()[0][0]
    month = f"{day:%Y-%m}"
    by = f"SELECT {grouping}, sum(unblended_cost) FROM {{from}}"

    def between(first_day, last_day):
        return f"usage_date BETWEEN DATE '{first_day}' AND DATE '{last_day}'"

    def only(layout, when, first_day, last_day):
        if layout.startswith("costlake"):
            return f"{when} AND billing_period BETWEEN '{first_day:%Y-%m}' AND '{last_day:%Y-%m}'"
        return f"{when} AND usage_day BETWEEN '{first_day}' AND '{last_day}'" if layout.startswith("a file a day") else when

    month_ago = duckdb.sql(f"SELECT (DATE '{last}' - 29)::DATE").fetchall()[0][0]
    end = duckdb.sql(f"SELECT last_day(DATE '{month}-01')").fetchall()[0][0]
    begin = day.replace(day=1)
    return [
        ("year by group", lambda layout: f"{by} GROUP BY 1"),
        ("month by group", lambda layout: f"{by} WHERE {only(layout, between(begin, end), begin, end)} GROUP BY 1"),
        ("one day", lambda layout: f"{by} WHERE {only(layout, between(day, day), day, day)} GROUP BY 1"),
        ("one group, a year", lambda layout: f"SELECT usage_date, sum(unblended_cost) FROM {{from}} WHERE {grouping} = '{value}' GROUP BY 1"),
        ("last 30 days", lambda layout: f"{by} WHERE {only(layout, between(month_ago, last), month_ago, last)} GROUP BY 1"),
    ]


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1000


def main():
    table = sys.argv[1].rstrip("/")
    names = [name for name, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{table}/*/data.parquet')").fetchall()]
    grouping = names[names.index("estimated") + 1]
    with tempfile.TemporaryDirectory() as scratch:
        all_layouts = layouts(table, pathlib.Path(scratch))
        asked = questions(table, grouping)
        spent, answers = {}, {}
        for _ in range(ROUNDS + 1):  # the first round warms the caches of the file system
            for what, text in asked:
                for layout, source, _ in all_layouts:
                    with duckdb.connect(config={"threads": 1}) as connection:
                        begun = cpu()
                        rows = connection.sql(text(layout).replace("{from}", source)).fetchall()
                        spent.setdefault((layout, what), []).append(cpu() - begun)
                    if answers.setdefault(what, sorted(rows)) != sorted(rows):
                        sys.exit(f"{what}: {layout} answers something else")
    lines = ["| layout | " + " | ".join(what for what, _ in asked) + " | MB |", "|---|" + "---:|" * (len(asked) + 1)]
    for layout, _, size in all_layouts:
        cells = [f"{statistics.median(spent[layout, what][1:]):.1f}" for what, _ in asked]
        lines.append(f"| {layout} | " + " | ".join(cells) + f" | {size / 1e6:.1f} |")
    print("\n".join(lines))
    if os.environ.get("COSTLAKE_FIGURES"):
        with open(os.environ["COSTLAKE_FIGURES"], "a") as file:
            file.write("layouts\t" + "\\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
