"""Lakes whose path looks like a partition or like a pattern: every view says what it says of the same lake elsewhere."""

import re
import shutil

import check_readers
import lake

NIGHTS = ("2026-11-15T12:00:00Z", "2026-11-16T12:00:00Z")

# Folders above a lake, each with a name that some reader takes for something else.
PLACES = (
    "plain", "billing_period=2026-01/usage_date=2020-01-01", "service=x/currency=EUR/job=y/table=z/rows=1", "[ab]/*", "q?/{a,b}/!x", "it's \"here\"/ä%20", "**",
)

DAILY = """description = "By service"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-10-01"
[lake]
keep_history = true
"""

# One row of everything that the path could spoil.
TABLE = ("SELECT {part}, count(*), count(DISTINCT service), min(CAST({day} AS date)), sum(unblended_cost), min(currency) FROM {table}"
         " GROUP BY {part} ORDER BY {part}")
QUESTIONS = {
    "by month": TABLE.format(part="billing_period", day="usage_date", table="aws_cost_by_service"),
    "by day": TABLE.format(part="usage_date", day="period_start", table="by_hour"),
    "one month": "SELECT count(*) FROM aws_cost_by_service WHERE billing_period = '2026-11'",
    "a view": "SELECT * FROM aws_cost_by_service_by_month ORDER BY ALL LIMIT 5",
}
OF_DUCKDB = {
    "as of the first night": TABLE.format(part="billing_period", day="usage_date", table="aws_cost_by_service_as_of('2026-11-15')"),
    "generations": "SELECT job, count(*) FROM costlake_generations GROUP BY job ORDER BY job",
    "revisions": "SELECT job, count(*), sum(total) FROM cost_revisions GROUP BY job ORDER BY job",
    "runs": "SELECT job, count(*), sum(\"rows\"), sum(usd) FROM costlake_runs GROUP BY job ORDER BY job",
}


def in_duckdb(costlake, root):
    import duckdb

    with duckdb.connect() as db:
        db.execute(costlake.run("connect", lake=root).out)
        answers = {name: db.sql(sql).fetchall() for name, sql in (QUESTIONS | OF_DUCKDB).items()}
        plan = db.sql("EXPLAIN ANALYZE " + QUESTIONS["one month"]).fetchall()[0][1]
        answers["files read for one month"] = re.findall(r"Total Files Read: (\d+)", plan)
    return answers


def in_spark(spark, costlake, root):
    script = costlake.run("ddl", "--dialect", "spark", lake=root).out
    for statement in re.split(r";\s*\n", "\n".join(line for line in script.splitlines() if not line.startswith("--"))):
        if statement.strip().rstrip(";"):
            spark.session.sql(statement.strip().rstrip(";"))
    questions = {name: sql for name, sql in QUESTIONS.items() if name != "a view"}
    questions["runs"] = OF_DUCKDB["runs"].replace('"', "`")
    return {name: [tuple(row) for row in spark.session.sql(sql).collect()] for name, sql in questions.items()}


def by_hand(root):
    """What the lines of docs/sql.md for a table by hand say of a lake that is named by its whole path."""
    import duckdb
    import polars as pl
    import pyarrow.dataset as ds

    page = (lake.REPOSITORY / "docs" / "sql.md").read_text().split("## One table by hand")[1].split("\n## ")[0]
    (sql,) = re.findall(r'duckdb\.sql\("""\n(.*?)"""\)', page, re.DOTALL)
    pattern = re.sub(r"([*?\[])", r"[\1]", str(root)).replace("'", "''")
    (scan,) = re.findall(r"^bill = (.*)$", page, re.MULTILINE)
    (count,) = re.findall(r"^print\((ds\..*)\)$", page, re.MULTILINE)
    literal = lambda code: re.sub(r'"lake/(\w+/?)"', lambda m: repr(f"{root}/{m[1]}"), code)  # noqa: E731
    bill = eval(literal(scan), {"pl": pl})
    months = bill.group_by("billing_period").agg(pl.len(), pl.col("unblended_cost").sum(), pl.col("service").n_unique())
    return {
        "DuckDB": sorted(duckdb.sql(sql.replace("'lake/", f"'{pattern}/")).fetchall()),
        "polars": sorted(months.collect().rows()),
        "pyarrow": eval(literal(count), {"ds": ds}),
    }


def check(tally, stack):
    jobs, first = lake.temporary("jobs"), lake.temporary("places")
    (jobs / "aws_cost_by_service.toml").write_text(DAILY)
    (jobs / "by_hour.toml").write_text(check_readers.HOURLY)
    with tally.group("two nights fill a lake") as group:
        for night in NIGHTS:
            with lake.sandbox(night) as server:
                lake.Costlake(night, jobs=jobs, **lake.against(server)).run("run", lake=first / PLACES[0] / "lake")
        group.equal(lake.Folder(first / PLACES[0] / "lake").tables(), ["aws_cost_by_service", "by_hour"], "tables")
    costlake = lake.Costlake(NIGHTS[-1], jobs=jobs)
    spark = check_readers.Spark(stack)
    plain = first / PLACES[0] / "lake"
    expected = {"DuckDB": in_duckdb(costlake, plain), "Spark": in_spark(spark, costlake, plain), "by hand": by_hand(plain)}
    with tally.group("in a plain place the questions have answers, and a month is read from its own object") as group:
        for reader, answers in expected.items():
            for name, rows in answers.items():
                group.true(rows, f"{reader}: {name}: nothing")
        group.equal(expected["DuckDB"]["files read for one month"], ["1"], "files")
        shared = expected["DuckDB"].keys() & expected["Spark"].keys()
        group.same_mapping({n: expected["Spark"][n] for n in shared}, {n: expected["DuckDB"][n] for n in shared}, "Spark and DuckDB")
    for place in PLACES[1:]:
        root = first / place / "lake"
        shutil.copytree(plain, root)
        with tally.group(f"the same below {place}") as group:
            group.same_mapping(in_duckdb(costlake, root), expected["DuckDB"], "DuckDB")
            group.same_mapping(in_spark(spark, costlake, root), expected["Spark"], "Spark")
            group.same_mapping(by_hand(root), expected["by hand"], "by hand")
    asked = {reader: len(answers) for reader, answers in expected.items()}
    tally.figure("places", f"{len(PLACES)} lakes: {asked['DuckDB']} questions in DuckDB, {asked['Spark']} in Spark, "
                 f"{asked['by hand']} by hand, the same answers")
    with tally.group("a place that DuckDB cannot name is refused") as group:
        done = costlake.run("connect", lake=first / "a\\b" / "lake", expect=2)
        group.true("cannot read a path with" in done.err, done.err)


if __name__ == "__main__":
    lake.main(check)
