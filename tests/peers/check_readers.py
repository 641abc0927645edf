"""The demo's lake, read by DuckDB, pyarrow, polars, pandas, ClickHouse (chdb), DataFusion, Daft and Spark: equal rows, equal
exact sums, and the types of the schema files.
"""

import datetime
import json
import os
import re
import shlex
from decimal import Decimal

import lake

NOW = "2026-11-16T12:00:00Z"

# The schema files' types, as each reader must see them.
DUCKDB = {"boolean": "BOOLEAN", "int": "INTEGER", "bigint": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "date": "DATE",
          "timestamp": "TIMESTAMP WITH TIME ZONE", "decimal(38,12)": "DECIMAL(38,12)"}
ARROW = {"boolean": "bool", "int": "int32", "bigint": "int64", "double": "double", "string": "string", "date": "date32[day]",
         "timestamp": "timestamp[ms, tz=UTC]", "decimal(38,12)": "decimal128(38, 12)"}
POLARS = {"boolean": "Boolean", "int": "Int32", "bigint": "Int64", "double": "Float64", "string": "String", "date": "Date",
          "timestamp": "Datetime(time_unit='ms', time_zone='UTC')", "decimal(38,12)": "Decimal(precision=38, scale=12)"}
SPARK = {"boolean": "boolean", "int": "int", "bigint": "bigint", "double": "double", "string": "string", "date": "date",
         "timestamp": "timestamp", "decimal(38,12)": "decimal(38,12)"}
CLICKHOUSE = {"boolean": "Bool", "int": "Int32", "bigint": "Int64", "double": "Float64", "string": "String", "date": "Date32",
              "timestamp": "DateTime64(3, 'UTC')", "decimal(38,12)": "Decimal(38, 12)"}
DAFT = {"boolean": "Bool", "int": "Int32", "bigint": "Int64", "double": "Float64", "string": "String", "date": "Date",
        "timestamp": "Timestamp[ms; UTC]", "decimal(38,12)": "Decimal[precision: 38, scale: 12]"}

# The columns of the view over the run records.
RUNS = {
    "job": "VARCHAR", "account": "VARCHAR", "run_id": "VARCHAR", "command": "VARCHAR", "started_at": "TIMESTAMP WITH TIME ZONE", "duration_ms": "BIGINT",
    "exit_code": "INTEGER", "requests": "BIGINT", "pages": "BIGINT", "charged_pages": "BIGINT", "usd": "DECIMAL(10,2)", "rows": "BIGINT",
    "objects_written": "BIGINT", "answer_bytes": "BIGINT", "retries": "BIGINT", "throttles": "BIGINT", "outcome": "VARCHAR", "error_kind": "VARCHAR",
}

HOURLY = """description = "The last days by the hour"
[schedule]
cron = "30 6 * * *"
timezone = "UTC"
[source]
type = "aws_cost_and_usage"
granularity = "HOURLY"
metrics = ["UnblendedCost", "UsageQuantity"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-11-12"
"""


def slug(text):
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def grouping_columns(job):
    names = []
    for entry in job["source"].get("group_by", []):
        ((kind, key),) = {"tag": entry}.items() if isinstance(entry, str) else entry.items()
        names.append(slug(key) if kind == "dimension" else f"{kind}_{slug(key)}")
    return names


def expected_types(job):
    """Column -> type, for every column the table may have: those of the schema file, and the job's groupings (strings)."""
    listed = json.loads((lake.SCHEMAS / f"{job['source']['type']}.json").read_text())
    types = {c["name"]: c["type"] for c in (listed["columns"] if isinstance(listed, dict) else listed)}
    return types | dict.fromkeys(grouping_columns(job), "string")


class Table:
    def __init__(self, root, name, job):
        self.name, self.job = name, job
        self.files = sorted(map(str, (root / name).glob("*/*.parquet")))
        self.glob = f"{root}/{name}/*/*.parquet"
        self.directory = f"{root}/{name}"


# Each reader answers two questions: column -> type (as it prints it), and day -> {"rows", column -> exact sum of decimals,
# (column, "min"/"max") of doubles, (column, "set") = how many values are not null}.


def day_column(columns):
    # Tables of hours have the folder's day besides; forecasts and hot spots have a period of their own.
    return "period_start" if {"period_start", "estimated"} <= set(columns) or "usage_date" not in columns else "usage_date"


def read_duckdb(table, decimals, doubles, columns):
    import duckdb

    day = day_column(columns)
    with duckdb.connect() as db:
        db.sql("SET TimeZone = 'UTC'")
        source = f"read_parquet('{table.glob}', hive_partitioning = false)"
        types = {r[0]: r[1] for r in db.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()}
        wanted = ['count(*)'] + [f'sum("{c}")' for c in decimals] + [f'{f}("{c}")' for c in doubles for f in ("min", "max")]
        wanted += [f'count("{c}")' for c in columns]
        rows = db.sql(f"SELECT CAST({day} AS DATE), {', '.join(wanted)} FROM {source} GROUP BY 1").fetchall()
    return types, {r[0].isoformat(): answer(r[1:], decimals, doubles, columns) for r in rows}


def answer(values, decimals, doubles, columns):
    names = ["rows", *decimals, *((c, f) for c in doubles for f in ("min", "max")), *((c, "set") for c in columns)]
    return dict(zip(names, values, strict=True))


def read_arrow(table, decimals, doubles, columns):
    """pyarrow's values, added up by Python's decimals."""
    import pyarrow.parquet as pq

    types, days = {}, {}
    for path in table.files:
        file = pq.ParquetFile(path)
        for field in file.schema_arrow:
            text = re.sub(r"^dictionary<values=(\w+),.*>$", r"\1", str(field.type))
            types.setdefault(field.name, set()).add(text)
        for row in file.read().to_pylist():
            day = days.setdefault(lake.day_of(row).isoformat(), {})
            day["rows"] = day.get("rows", 0) + 1
            for c in columns:
                value = row[c]
                day[c, "set"] = day.get((c, "set"), 0) + (value is not None)
                if c in decimals:
                    day[c] = day.get(c) if value is None else (day.get(c) or Decimal(0)) + value
                if c in doubles:
                    for name, choose in (("min", min), ("max", max)):
                        kept = day.get((c, name))
                        day[c, name] = kept if value is None else value if kept is None else choose(kept, value)
    return {c: ", ".join(sorted(t)) for c, t in types.items()}, days


def read_polars(table, decimals, doubles, columns):
    import polars as pl

    frame = pl.read_parquet(table.files, hive_partitioning=False)
    types = {c: re.sub(r"^Categorical.*$", "String", str(t)) for c, t in frame.schema.items()}
    wanted = [pl.len().alias("n")] + [
        pl.when(pl.col(c).count() > 0).then(pl.col(c).sum()).alias("sum " + c) for c in decimals
    ] + [getattr(pl.col(c), f)().alias(f"{f} {c}") for c in doubles for f in ("min", "max")]
    wanted += [pl.col(c).count().alias("set " + c) for c in columns]
    grouped = frame.group_by(pl.col(day_column(columns)).cast(pl.Date).alias("the day")).agg(wanted)
    return types, {r[0].isoformat(): answer(r[1:], decimals, doubles, columns) for r in grouped.rows()}


def read_chdb(table, decimals, doubles, columns):
    import chdb

    source = f"file('{table.glob}', 'Parquet')"
    options = "SETTINGS use_hive_partitioning = 0"
    ask = lambda sql: lake.arrow_rows(chdb.query(f"{sql} {options}", "Arrow").bytes())  # noqa: E731
    types = {r[0]: re.sub(r"^Nullable\((.*)\)$", r"\1", r[1]) for r in ask(f"DESCRIBE TABLE {source}")[1]}
    wanted = ["count(*)"] + [f"sum(`{c}`)" for c in decimals] + [f"{f}(`{c}`)" for c in doubles for f in ("min", "max")]
    wanted += [f"count(`{c}`)" for c in columns]
    _, rows = ask(f"SELECT toDate32({day_column(columns)}) AS `the day`, {', '.join(wanted)} FROM {source} GROUP BY `the day`")
    return types, {r[0].isoformat(): answer(r[1:], decimals, doubles, columns) for r in rows}


def read_datafusion(table, decimals, doubles, columns):
    import datafusion

    context = datafusion.SessionContext()
    context.register_parquet("said", f"{table.directory}/")
    types = {f.name: str(f.type).removesuffix("_view") for f in context.table("said").schema() if f.name in columns}
    wanted = ["count(*)"] + [f'sum("{c}")' for c in decimals] + [f'{f}("{c}")' for c in doubles for f in ("min", "max")]
    wanted += [f'count("{c}")' for c in columns]
    frame = context.sql(f'SELECT CAST({day_column(columns)} AS DATE), {", ".join(wanted)} FROM said GROUP BY 1')
    rows = [tuple(row) for batch in frame.collect() for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
    return types, {r[0].isoformat(): answer(r[1:], decimals, doubles, columns) for r in rows}


def read_daft(table, decimals, doubles, columns):
    import daft
    from daft import DataType, col

    frame = daft.read_parquet(table.files)
    types = {f.name: str(f.dtype) for f in frame.schema()}
    wanted = [col(columns[0]).count(mode="all").alias("n")] + [col(c).sum().alias("sum " + c) for c in decimals]
    wanted += [getattr(col(c), f)().alias(f"{f} {c}") for c in doubles for f in ("min", "max")]
    wanted += [col(c).count().alias("set " + c) for c in columns]
    grouped = frame.groupby(col(day_column(columns)).cast(DataType.date()).alias("the day")).agg(*wanted).to_pydict()
    rows = zip(*grouped.values(), strict=True)
    return types, {r[0].isoformat(): answer(r[1:], decimals, doubles, columns) for r in rows}


def read_pandas(table, decimals, doubles, columns):
    import pandas as pd

    frame = pd.read_parquet(table.files, dtype_backend="pyarrow", partitioning=None)
    types = {c: re.sub(r"^dictionary<values=(\w+),.*>$", r"\1", str(t).removesuffix("[pyarrow]")) for c, t in frame.dtypes.items()}
    by_day = frame.groupby(frame[day_column(columns)].astype("date32[pyarrow]"))
    counts, sums = by_day.count(), by_day[decimals].sum(min_count=1) if decimals else None
    rows = by_day.size()
    exact = lambda value: None if value is pd.NA or value is None else value  # noqa: E731
    days = {}
    ends = {f: getattr(by_day[doubles], f)() for f in ("min", "max")} if doubles else {}
    for day in rows.index:
        values = [int(rows[day])] + [exact(sums[c][day]) for c in decimals]
        values += [exact(ends[f][c][day]) for c in doubles for f in ("min", "max")]
        values += [int(counts[c][day]) if c in counts else int(rows[day]) for c in columns]
        days[day.isoformat()] = answer(values, decimals, doubles, columns)
    return types, days


class Spark:
    def __init__(self, stack):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        os.environ.setdefault("PYSPARK_PYTHON", os.sys.executable)
        from pyspark.sql import SparkSession

        scratch = lake.temporary("spark")
        builder = SparkSession.builder.master("local[1]").appName("readers")
        for key, value in {
            "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.sql.session.timeZone": "UTC", "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1", "spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "1",
            "spark.local.dir": str(scratch), "spark.sql.warehouse.dir": str(scratch / "warehouse"),
            "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
            # The best code and collecting beside the work cost more than they bring for tables as small as these.
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        }.items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")
        stack.callback(self.session.stop)

    def __call__(self, table, decimals, doubles, columns):
        from pyspark.sql import functions as f

        # The folder as a whole, as Spark users read it: that finds the partition column too.
        frame = self.session.read.parquet(table.directory)
        partition = os.path.basename(os.path.dirname(table.files[0])).partition("=")[0]
        types = {c: t for c, t in frame.dtypes if c != partition}
        wanted = [f.count(f.lit(1))] + [f.sum(c) for c in decimals]
        wanted += [g(c) for c in doubles for g in (f.min, f.max)] + [f.count(c) for c in columns]
        rows = frame.groupBy(f.to_date(day_column(columns)).alias("the day")).agg(*wanted).collect()
        return types, {r[0].isoformat(): answer(tuple(r)[1:], decimals, doubles, columns) for r in rows}


def in_all_readers(tally, tables, readers):
    for table in tables:
        allowed = expected_types(table.job)
        first = {}
        for name, (read, spelled) in readers.items():
            with tally.group(f"{table.name}: {name} sees the schema's types, and the rows and sums of the other readers") as group:
                group.true(table.files, "no data object")
                if not first:
                    import pyarrow.parquet as pq

                    first["columns"] = pq.ParquetFile(table.files[0]).schema_arrow.names
                columns = first["columns"]
                for column in columns:
                    group.true(column in allowed, f"{column} is neither in the schema file nor a grouping of the job")
                decimals = [c for c in columns if allowed.get(c) == "decimal(38,12)"]
                doubles = [c for c in columns if allowed.get(c) == "double"]
                types, days = read(table, decimals, doubles, columns)
                group.same_mapping(types, {c: spelled[allowed[c]] for c in columns if c in allowed}, "types")
                group.true(days, "no rows")
                # pyarrow goes first: its values, added up by Python's decimals, are what the engines are held to.
                group.same_mapping(days, first.setdefault("days", days), "per day")
                group.note(f"{sum(d['rows'] for d in days.values())} rows, {len(days)} days, {len(decimals)} decimal columns")
                for column in decimals[:1]:
                    total = sum(d[column] for d in days.values() if d[column] is not None)
                    group.note(f"{column} {total:f}")


def statements(script):
    """The statements of a script whose only semicolons at the end of a line end one."""
    return [part for part in re.split(r";\n", script.strip().rstrip(";") + "\n") if part.strip()]


def ask_chdb(script, questions, before=()):
    """Name -> (columns, rows) of each question to ClickHouse, after the statements of a script."""
    from chdb.session import Session

    with Session() as session:
        for statement in [*before, *statements(script)]:
            session.query(statement)
        return {name: lake.arrow_rows(session.query(sql, "Arrow").bytes()) for name, sql in questions.items()}


def uneven(root):
    """A table as years may leave it: a month that lacks a column, one without a row, one with a column of a newer schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    uneven_root = lake.temporary("uneven")
    for month in ("2026-09", "2026-10", "2026-11"):
        file = root / "aws_cost_by_account" / f"billing_period={month}" / "data.parquet"
        table = pq.ParquetFile(file).read()
        if month == "2026-09":
            table = table.drop_columns(["amortized_cost"])
        if month == "2026-10":
            table = table.slice(0, 0)
        if month == "2026-11":
            table = table.append_column("newer", pa.array(["x"] * table.num_rows, pa.string()))
        folder = uneven_root / "aws_cost_by_account" / f"billing_period={month}"
        folder.mkdir(parents=True)
        pq.write_table(table, folder / "data.parquet")
    return uneven_root


def uneven_in_all_readers(tally, costlake, root, spark):
    import duckdb
    import polars as pl
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    at = uneven(root)
    files = sorted(map(str, at.glob("*/*/data.parquet")))
    expected = {}
    for path in files:
        month = path.split("billing_period=")[1][:7]
        for row in pq.ParquetFile(path).read().to_pylist():
            answer = expected.setdefault(month, {"rows": 0, "unblended_cost": Decimal(0), "amortized_cost": None})
            answer["rows"] += 1
            answer["unblended_cost"] += row["unblended_cost"]
            if "amortized_cost" in row:
                answer["amortized_cost"] = (answer["amortized_cost"] or Decimal(0)) + row["amortized_cost"]
    sql = "SELECT billing_period, count(*), sum(unblended_cost), sum(amortized_cost) FROM aws_cost_by_account GROUP BY billing_period"

    def by_duckdb():
        with duckdb.connect() as db:
            db.execute(costlake.run("connect", lake=at).out)
            if "newer" not in db.sql("SELECT * FROM aws_cost_by_account").columns:
                raise AssertionError("the newer column is not in the view")
            return db.sql(sql).fetchall()

    def by_spark():
        script = costlake.run("ddl", "aws_cost_by_account", "--dialect", "spark", "--no-views", lake=at).out
        spark.session.sql(script.strip().rstrip(";"))
        return [tuple(row) for row in spark.session.sql(sql).collect()]

    def by_pyarrow():
        kinds = pa.unify_schemas([pq.read_schema(path) for path in files]).append(pa.field("billing_period", pa.string()))
        table = ds.dataset(str(at / "aws_cost_by_account"), schema=kinds, partitioning="hive").to_table()
        sums = [([], "count_all"), ("unblended_cost", "sum"), ("amortized_cost", "sum")]
        answer = table.group_by("billing_period").aggregate(sums).to_pydict()
        return list(zip(*(answer[n] for n in ("billing_period", "count_all", "unblended_cost_sum", "amortized_cost_sum")), strict=True))

    def by_polars():
        kinds = pl.read_parquet_schema(files[-1]) | pl.read_parquet_schema(files[0])
        frame = pl.scan_parquet(files, schema=kinds, missing_columns="insert", hive_partitioning=True)
        amortized = pl.when(pl.col("amortized_cost").count() > 0).then(pl.col("amortized_cost").sum())
        wanted = [pl.len(), pl.col("unblended_cost").sum(), amortized.alias("amortized")]
        return frame.group_by("billing_period").agg(wanted).collect().rows()

    def by_clickhouse():
        script = costlake.run("ddl", "aws_cost_by_account", "--dialect", "clickhouse", "--no-views", lake=at).out
        return ask_chdb(script, {"": sql})[""][1]

    readers = (("DuckDB", by_duckdb), ("pyarrow", by_pyarrow), ("polars", by_polars), ("ClickHouse", by_clickhouse), ("Spark", by_spark))
    for name, read in readers:
        with tally.group(f"{name} reads a column that older objects lack, one that only newer ones have, and a month without a row") as group:
            found = {month: dict(zip(("rows", "unblended_cost", "amortized_cost"), rest, strict=True)) for month, *rest in read()}
            group.same_mapping(found, expected, "per month")


def hours_through_definitions(tally, jobs, root, spark):
    """The HOURLY table through what connect and ddl print: instants in UTC, and the partition as text."""
    import duckdb

    costlake = lake.Costlake(NOW, jobs=jobs)
    rows = lake.read_rows(lake.Folder(root), "by_hour")
    per_hour = {}
    for row in rows:
        per_hour[row["period_start"].replace(tzinfo=None)] = per_hour.get(row["period_start"].replace(tzinfo=None), 0) + row["unblended_cost"]
    day = min(per_hour).date().isoformat()
    wanted = {hour: cost for hour, cost in per_hour.items() if hour.date().isoformat() == day}
    sql = "SELECT {}, sum(unblended_cost), min(usage_date) FROM by_hour WHERE usage_date = '" + day + "' GROUP BY period_start"
    with tally.group("HOURLY timestamps are the same UTC hours in DuckDB's view and Spark's") as group:
        with duckdb.connect() as db:
            db.execute(costlake.run("connect", lake=root).out)
            found = db.sql(sql.format("period_start AT TIME ZONE 'UTC'")).fetchall()
            group.equal(str(db.sql("SELECT usage_date FROM by_hour").types[0]), "VARCHAR", "type of the partition")
        group.same_mapping({r[0]: r[1] for r in found}, wanted, "DuckDB")
        spark.session.sql(costlake.run("ddl", "--dialect", "spark", "--no-views", lake=root).out.strip().rstrip(";"))
        answers = spark.session.sql(sql.format("date_format(period_start, 'yyyy-MM-dd HH:mm:ss')")).collect()
        group.same_mapping({datetime.datetime.fromisoformat(r[0]): r[1] for r in answers}, wanted, "Spark")
        group.equal({r[2] for r in answers} | {r[2] for r in found}, {day}, "the partition")


def printed_commands(text):
    """The commands that the demo prints after `$ costlake`, as words, each with the lines below it up to the next blank question."""
    text = re.sub(r"\\\n\s*", "", text)  # a long command goes on in the next line
    blocks = re.split(r"^\$ costlake ", text, flags=re.MULTILINE)[1:]
    return [(shlex.split(block.partition("\n")[0]), block.partition("\n")[2]) for block in blocks]


def check(tally, stack):
    costlake = lake.Costlake(NOW)
    root = lake.temporary("lake")
    printed = ""
    with tally.group("demo: every shipped job has its table") as group:
        done = costlake.run("demo", lake=root)
        printed = done.out
        shipped = sorted(p.stem for p in lake.JOBS.glob("*.toml"))
        group.true(len(shipped) >= 7, f"only {len(shipped)} jobs are shipped")
        group.equal(lake.Folder(root).tables(), shipped, "tables")
    tables = [Table(root, name, lake.job(name)) for name in lake.Folder(root).tables()]

    # No shipped job is HOURLY, so timestamps get a table of their own.
    hourly_jobs, hourly_root = lake.temporary("jobs"), lake.temporary("hourly")
    (hourly_jobs / "by_hour.toml").write_text(HOURLY)
    with tally.group("an HOURLY job fills its table from the sandbox") as group:
        with lake.sandbox(NOW) as server:
            lake.Costlake(NOW, jobs=hourly_jobs, **lake.against(server)).run("run", "by_hour", lake=hourly_root)
        rows = lake.read_rows(lake.Folder(hourly_root), "by_hour")
        hours = {r["period_start"] for r in rows}
        group.true(len(hours) > 24, f"{len(hours)} hours")
        group.true(all(isinstance(h, datetime.datetime) and h.utcoffset() == datetime.timedelta(0) for h in hours), "hours are not UTC instants")
        tables.append(Table(hourly_root, "by_hour", lake.tomllib.loads(HOURLY)))

    spark = Spark(stack)
    in_all_readers(tally, tables, {
        "pyarrow": (read_arrow, ARROW), "DuckDB": (read_duckdb, DUCKDB), "polars": (read_polars, POLARS),
        "pandas": (read_pandas, ARROW), "ClickHouse": (read_chdb, CLICKHOUSE), "DataFusion": (read_datafusion, ARROW),
        "Daft": (read_daft, DAFT), "Spark": (spark, SPARK),
    })

    uneven_in_all_readers(tally, costlake, root, spark)
    hours_through_definitions(tally, hourly_jobs, hourly_root, spark)

    import duckdb

    with tally.group("the three commands that demo prints give the answers below them") as group:
        commands = printed_commands(printed)
        group.equal(len(commands), 3, "commands printed")
        for words, below in commands:
            answer = costlake.run(*words).out.strip()
            group.true("total" in answer and below.startswith(answer), f"costlake {' '.join(words)}:\n{answer}\nand not:\n{below}")

    with tally.group("connect's script makes a view of every table in DuckDB, with all its rows") as group:
        script = costlake.run("connect", lake=root).out
        with duckdb.connect() as db:
            db.execute(script)
            views = {r[0]: r[1] for r in db.sql("SELECT view_name, schema_name FROM duckdb_views() WHERE NOT internal").fetchall()}
            for name in ("costlake_runs", "cost_revisions", "costlake_generations"):
                group.true(name in views, f"no view {name}")
            wanted = {t.name for t in tables if t.files and t.name != "by_hour"}
            group.equal(sorted(wanted - views.keys()), [], "tables without a view")
            for view, schema in ((name, views[name]) for name in sorted(wanted)):  # check_views.py looks at the others
                got = db.sql(f'SELECT count(*) FROM "{schema}"."{view}"').fetchall()[0][0]
                files = db.sql(f"SELECT count(*) FROM read_parquet('{root}/{view}/*/*.parquet')").fetchall()[0][0]
                group.equal(got, files, f"rows of {view}")
                group.true(got > 0, f"{view} is empty")
                group.true("billing_period" in db.sql(f'SELECT * FROM "{schema}"."{view}"').columns, f"{view} has no billing_period")

    with tally.group("costlake_runs has every run with exact dollars, typed also before the first run") as group:
        records = [json.loads(p.read_text()) for p in root.glob("_costlake/*/runs/*/*-????????.json")]
        group.true(len(records) >= len(lake.Folder(root).tables()), f"{len(records)} run records")
        described = []
        for place in (root, lake.temporary("empty")):
            with duckdb.connect() as db:
                db.execute(costlake.run("connect", lake=place).out)
                described.append(db.sql("SELECT column_name, column_type FROM (DESCRIBE costlake_runs)").fetchall())
                group.equal(db.sql("SELECT count(*) FROM costlake_runs").fetchall()[0][0], len(records) if place == root else 0, "runs")
        group.equal(described[0], described[1], "columns with and without runs")
        group.equal(dict(described[0]), RUNS, "columns")
        with duckdb.connect() as db:
            db.execute(costlake.run("connect", lake=root).out)
            usd, pages = db.sql("SELECT sum(usd), sum(charged_pages) FROM costlake_runs").fetchall()[0]
            group.true(pages > 0, "nothing was charged")
            group.equal(usd, Decimal(int(pages)) / 100, "dollars: a cent a charged page")
            group.equal(int(pages), sum(r["asked"]["charged_pages"] for r in records), "charged pages")
            runs = db.sql("SELECT run_id, job, requests, rows, answer_bytes, outcome, error_kind FROM costlake_runs").fetchall()
        group.same_mapping(
            {(r[0], r[1]): r[2:] for r in runs},
            {(r["run_id"], r["job"]): (r["asked"]["requests"], r["rows"], r["asked"]["answer_bytes"], "done", None) for r in records}, "runs",
        )
        group.note(f"{len(records)} runs, {usd} USD")

    with tally.group("costlake_runs has the kind of a run's first error") as group:
        failing = lake.temporary("failing")
        with lake.sandbox(NOW) as server:
            nowhere = lake.against(server)["COSTLAKE_DATADOG_URL"] + "/nowhere"
            costlake.run("run", "datadog_savings", lake=failing, expect=1, COSTLAKE_DATADOG_URL=nowhere)
        costlake.run("run", "datadog_commitments", lake=failing, expect=3, DD_API_KEY="", DD_APP_KEY="")
        with duckdb.connect() as db:
            db.execute(costlake.run("connect", lake=failing).out)
            found = {r[0]: r[1:] for r in db.sql("SELECT job, exit_code, outcome, error_kind FROM costlake_runs").fetchall()}
        expected = {"datadog_savings": (1, "failed", "refused"), "datadog_commitments": (3, "failed", "auth")}
        group.same_mapping(found, expected, "failed runs: of a fetch, and before the first")


if __name__ == "__main__":
    lake.main(check)
