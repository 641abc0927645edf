"""`costlake show` against DuckDB, to the last digit: every column that adds up, of every shipped table, by every column that
it can be grouped by, over the whole table and over a month beside the one before."""

import csv
import io
import json
from decimal import Decimal

import lake

NOW = "2026-11-16T12:00:00Z"
MONTH, BEFORE = ("2026-10-01", "2026-10-31"), ("2026-09-01", "2026-09-30")


def columns_of(job, there):
    """The columns of a table as its schema file lists them; groupings of the job are strings."""
    listed = json.loads((lake.SCHEMAS / f"{job['source']['type']}.json").read_text())
    known = {column["name"]: column for column in listed}
    return [known.get(name, {"name": name, "type": "string"}) for name in there]


def apart(column, names):
    """The columns whose values are not mixed: currency or unit, and for figures of one unit the series."""
    own = f"{column['name']}_unit"
    unit = own if own in names else ("unit" if column["sums"] == "unit" and "unit" in names else None)
    if column["sums"] == "rows":
        unit = unit or ("currency" if "currency" in names else None)
    series = "series" if column["sums"] == "unit" and "series" in names else None
    return [name for name in (unit, series) if name]


def exact(column):
    name = f'"{column["name"]}"'
    return name if column["type"].startswith("decimal") else f"CAST(CAST({name} AS VARCHAR) AS DECIMAL(38,12))"


def text_of(column):
    name = f'"{column["name"]}"'
    return f"strftime({name}, '%Y-%m-%dT%H:%M:%SZ')" if column["type"] == "timestamp" else f"CAST({name} AS VARCHAR)"


def wanted(db, source, column, kept_apart, by, days):
    """(values kept apart, key) -> (rows, sum), of the rows that have a value."""
    keys = [f'"{name}"' for name in kept_apart] + ([text_of(by)] if by else [])
    inside = f"CAST(usage_date AS DATE) BETWEEN '{days[0]}' AND '{days[1]}'" if days else "TRUE"
    names = ", ".join(f"{key} AS k{place}" for place, key in enumerate(keys))
    sql = f"SELECT {names}{', ' if names else ''} count(*), sum({exact(column)}) FROM {source} " \
          f"WHERE {column['name']} IS NOT NULL AND {inside} GROUP BY ALL"
    rows = db.sql(sql).fetchall()
    return {tuple(row[:-2]): (row[-2], row[-1]) for row in rows if row[-2]}


def shown(document, kept_apart, field="sum"):
    found = {}
    for section in document["sections"]:
        for group in section["groups"]:
            key = tuple(section["of"][name] for name in kept_apart) + tuple(group["key"].values())
            found[key] = (group["rows"], Decimal(group[field])) if field == "sum" else Decimal(group[field])
    return found


def check_table(group, costlake, db, root, name):
    job = lake.job(name)
    source = f"read_parquet('{root}/{name}/*/*.parquet', hive_partitioning = false)"
    there = [row[0] for row in db.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    columns = columns_of(job, there)
    adding = [column for column in columns if column.get("sums") in ("rows", "unit")]
    groupings = [column for column in columns if not column["type"].startswith(("decimal", "double"))]
    for column in adding:
        kept_apart = apart(column, there)
        for by in [None, *groupings]:
            flags = ["--metric", column["name"], *(["--by", by["name"]] if by else []), "--output", "json"]
            document = json.loads(costlake.run("show", name, *flags, lake=root).out)
            truth = wanted(db, source, column, kept_apart, by, None)
            group.same_mapping(shown(document, kept_apart), truth, f"{name}.{column['name']} by {by and by['name']}")
            for section in document["sections"]:
                sums = sum((Decimal(group["sum"]) for group in section["groups"]), Decimal(0))
                group.equal(Decimal(section["total"]), sums, "total")
    if adding and job["source"].get("granularity") != "HOURLY":
        column = adding[0]
        flags = ["--metric", column["name"], "--from", MONTH[0], "--to", MONTH[1], "--against", "previous", "--output", "json"]
        document = json.loads(costlake.run("show", name, *flags, lake=root).out)
        group.equal(document["previous"], {"from": BEFORE[0], "to": BEFORE[1]}, "the range before")
        truth = wanted(db, source, column, apart(column, there), None, BEFORE)
        found = {key: value for key, value in shown(document, apart(column, there), "previous").items() if key in truth or value}
        group.same_mapping(found, {key: value for key, (_, value) in truth.items()}, f"{name} in the month before")
    return len(adding) * (1 + len(groupings))


def check(tally, stack):
    import duckdb

    costlake, root = lake.Costlake(NOW), lake.temporary("lake")
    costlake.run("demo", lake=root)
    with duckdb.connect() as db:
        db.sql("SET TimeZone = 'UTC'")
        asked = 0
        for name in lake.Folder(root).tables():
            with tally.group(f"show {name}: DuckDB has the same sums, to the last digit") as group:
                done = check_table(group, costlake, db, root, name)
                asked += done
                document = json.loads(costlake.run("show", name, "--metric", "rows", "--output", "json", lake=root).out)
                day = f"WHERE usage_date = '{document['from']}'" if document["from"] == document["to"] else ""
                ((count,),) = db.sql(f"SELECT count(*) FROM read_parquet('{root}/{name}/*/*.parquet', hive_partitioning = false) {day}").fetchall()
                rows = sum(Decimal(section["total"]) for section in document["sections"])
                group.equal(rows, Decimal(count), "rows")
        with tally.group("show: enough was asked") as group:
            group.true(asked > 150, f"only {asked} questions")
        tally.figure("show", f"{len(lake.Folder(root).tables())} tables, {asked} questions, the same sums in DuckDB")
        with tally.group("show: its CSV is what Python's reader reads") as group:
            text = costlake.run("show", "aws_cost_by_service", "--by", "service", "--top", "3", "--output", "csv", lake=root).out
            lines = list(csv.DictReader(io.StringIO(text)))
            group.equal(len(lines), 4, "three groups, and the others as one")
            ((total,),) = db.sql(f"SELECT sum(unblended_cost) FROM read_parquet('{root}/aws_cost_by_service/*/*.parquet')").fetchall()
            group.equal(sum(Decimal(line["unblended_cost"]) for line in lines), total, "sum")


if __name__ == "__main__":
    lake.main(check)
