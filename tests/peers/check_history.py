"""What tables said on earlier nights, asked again with DuckDB: `<table>_as_of`, `cost_revisions` and `costlake_generations`
against copies of the query results of each night."""

import json
import shutil
import urllib.request
from decimal import Decimal

import lake

NIGHTS = ["2026-07-30", "2026-07-31", "2026-08-01", "2026-08-02", "2026-08-04"]
JOBS = {
    "daily": """[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost", "UsageQuantity"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-07-20"
[lake]
keep_history = true
""",
    "hourly": """[source]
type = "aws_cost_and_usage"
granularity = "HOURLY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-07-28"
refresh = "3 days"
[lake]
keep_history = true
""",
    "savings": """[source]
type = "datadog_savings"
queries = [{ provider = "aws", product = "ec2" }]
[window]
begin = "2026-07-25"
[lake]
keep_history = true
""",
    "forgetful": """[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-07-20"
""",
}
# What makes a row of the two tables whose revisions are compared, and their amounts.
KEYS = {"daily": ("usage_date", "service"), "savings": ("usage_date", "provider", "product", "series")}
AMOUNTS = {"daily": ("unblended_cost", "usage_quantity"), "savings": ()}
REVISIONS = {
    "job": "VARCHAR", "account": "VARCHAR", "billing_period": "VARCHAR", "day": "DATE", "generation": "BIGINT", "replaced_generation": "BIGINT",
    "committed_at": "TIMESTAMP WITH TIME ZONE", "estimated_before": "BOOLEAN", "estimated": "BOOLEAN", "rows_before": "BIGINT",
    "rows": "BIGINT", "rows_added": "BIGINT", "rows_removed": "BIGINT", "rows_changed": "BIGINT", "metric": "VARCHAR",
    "total_before": "DECIMAL(38,12)", "total": "DECIMAL(38,12)", "currency_before": "VARCHAR", "currency": "VARCHAR",
}
GENERATIONS = {"job": "VARCHAR", "account": "VARCHAR", "billing_period": "VARCHAR", "generation": "BIGINT", "committed_at": "TIMESTAMP WITH TIME ZONE"}


def connected(costlake, root):
    import duckdb

    db = duckdb.connect()
    db.execute(costlake.run("connect", lake=root).out)
    return db


def rows(db, source):
    return db.sql(f"SELECT * FROM {source} ORDER BY ALL").fetchall()


def columns(db, source):
    return db.sql(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {source})").fetchall()


def fails(db, sql):
    import duckdb

    try:
        db.sql(sql).fetchall()
    except duckdb.Error as error:
        return str(error)
    return ""


def by_day(names, content, keys):
    """Day -> key -> row as a mapping."""
    days = {}
    for values in content:
        row = dict(zip(names, values, strict=True))
        days.setdefault(row["usage_date"], {})[tuple(row[k] for k in keys)] = row
    return days


def expected_revisions(table, names, nights):
    """(night, day) -> what a revision has to say, from the copies alone."""
    found = {}
    for (_, before), (night, after) in zip(nights, nights[1:]):
        old, new = by_day(names, before, KEYS[table]), by_day(names, after, KEYS[table])
        for day in sorted(old.keys() & new.keys()):
            a, b = old[day], new[day]
            if a == b:
                continue
            totals = {m: tuple(sum((r[m] for r in side.values()), Decimal(0)) for side in (a, b)) for m in AMOUNTS[table]}
            found[night, day] = (
                len(a), len(b), len(b.keys() - a.keys()), len(a.keys() - b.keys()), sum(a[k] != b[k] for k in a.keys() & b.keys()), totals,
            )
    return found


def told_revisions(db, table):
    found = {}
    lines = db.sql(
        "SELECT strftime(committed_at, '%Y-%m-%d'), day, rows_before, rows, rows_added, rows_removed, rows_changed, metric, total_before, total"
        f" FROM cost_revisions WHERE job = '{table}'"
    ).fetchall()
    for night, day, *counts, metric, before, after in lines:
        known = found.setdefault((night, day), (*counts, {}))
        if metric is not None:
            known[-1][metric] = (before, after)
    return found


def night_by_night(costlake, server, root):
    """Table -> [(night, rows)], each as the table was when its night's run had ended."""
    said = {name: [] for name in JOBS}
    for night in NIGHTS:
        now = f"{night}T06:30:00Z"
        body = json.dumps({"now": now}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/_sandbox/clock", data=body)).read()
        costlake.run("run", lake=root, COSTLAKE_NOW=now)
        with connected(costlake, root) as db:
            for name in JOBS:
                said[name].append((night, rows(db, name)))
    return said


def check(tally, stack):
    jobs, root = lake.temporary("jobs"), lake.temporary("lake")
    for name, text in JOBS.items():
        (jobs / f"{name}.toml").write_text(text)
    server = stack.enter_context(lake.sandbox(f"{NIGHTS[0]}T06:30:00Z"))
    costlake = lake.Costlake(f"{NIGHTS[-1]}T12:00:00Z", jobs=jobs, **lake.against(server))
    kept_tables = [name for name in JOBS if name != "forgetful"]

    with tally.group("an empty lake has the views with their types, and macros without rows") as group:
        with connected(costlake, lake.temporary("empty")) as db:
            empty = {view: columns(db, view) for view in ("cost_revisions", "costlake_generations")}
            group.equal(dict(empty["cost_revisions"]), REVISIONS, "columns of cost_revisions")
            group.equal(dict(empty["costlake_generations"]), GENERATIONS, "columns of costlake_generations")
            group.equal(rows(db, "cost_revisions") + rows(db, "costlake_generations"), [], "rows")
            group.equal(rows(db, "daily_as_of('2026-07-30')"), [], "rows of daily_as_of")

    said = night_by_night(costlake, server, root)

    with tally.group("as_of a night is what the table said that night, row for row") as group:
        with connected(costlake, root) as db:
            for name in kept_tables:
                versions = {json.dumps(content, default=str) for _, content in said[name]}
                group.true(len(versions) == len(NIGHTS), f"{name} said only {len(versions)} different things")
                group.equal(columns(db, f"{name}_as_of('{NIGHTS[0]}')"), columns(db, name), f"columns of {name}_as_of")
                before = []
                for night, content in said[name]:
                    group.true(content, f"{name} was empty on {night}")
                    group.equal(rows(db, f"{name}_as_of('{night}')"), content, f"{name} on {night}")
                    group.equal(rows(db, f"{name}_as_of('{night} 06:30:00')"), content, f"{name} at the instant of {night}")
                    group.equal(rows(db, f"{name}_as_of('{night}T08:29:59+02:00')"), before, f"{name} a second before")
                    before = content
                group.equal(rows(db, f"{name}_as_of('2026-08-03')"), said[name][3][1], f"{name} on a day without a run")
                group.equal(rows(db, f"{name}_as_of('2026-07-29')"), [], f"{name} before it began")
                group.note(f"{name} {len(said[name][-1][1])} rows")

    with tally.group("cost_revisions are the differences between the nights' copies") as group:
        with connected(costlake, root) as db:
            group.equal({view: columns(db, view) for view in empty}, empty, "columns with and without ledgers")
            for name in KEYS:
                names = [c for c, _ in columns(db, name)]
                expected = expected_revisions(name, names, said[name])
                group.same_mapping(told_revisions(db, name), expected, f"revisions of {name}")
                group.note(f"{name} {len(expected)} revisions")
            ends = db.sql("SELECT total - total_before FROM cost_revisions WHERE metric = 'unblended_cost'").fetchall()
            group.true(all(isinstance(value, Decimal) for (value,) in ends), "differences are no decimals")

    with tally.group("costlake_generations has every generation, up to the one that stands") as group:
        with connected(costlake, root) as db:
            for name in JOBS:
                standing = db.sql(
                    "SELECT split_part(string_split(file_name, '/')[-2], '=', 2), CAST(json_extract_string(decode(value), '$.epoch') AS BIGINT)"
                    f" FROM parquet_kv_metadata('{root}/{name}/*/data.parquet') WHERE decode(key) = 'costlake'"
                ).fetchall()
                told = {}
                for part, epoch, at in db.sql(
                    f"SELECT billing_period, generation, strftime(committed_at, '%Y-%m-%d %H:%M') FROM costlake_generations WHERE job = '{name}' ORDER BY ALL"
                ).fetchall():
                    told.setdefault(part, []).append(epoch)
                    group.true(at[:10] in NIGHTS and at[11:] == "06:30", f"{name} {part} {epoch} at {at}")
                group.same_mapping(told, {part: list(range(1, epoch + 1)) for part, epoch in standing}, f"generations of {name}")

    with tally.group("a table without kept generations answers for those that stand, and fails for the others") as group:
        with connected(costlake, root) as db:
            group.equal(rows(db, f"forgetful_as_of('{NIGHTS[-1]}')"), said["forgetful"][-1][1], "the last night")
            error = fails(db, f"SELECT * FROM forgetful_as_of('{NIGHTS[0]}')")
            group.true("generation 1 of partition 2026-07 of forgetful was not kept" in error, error)

    with tally.group("a generation that is gone is an error, whatever is asked of it, and never a hole") as group:
        holed = lake.temporary("holed") / "lake"
        shutil.copytree(root, holed)
        (holed / "_costlake" / "daily" / "history" / "2026-07" / f"{2:020}.parquet").unlink()
        with connected(costlake, holed) as db:
            group.equal(rows(db, f"daily_as_of('{NIGHTS[0]}')"), said["daily"][0][1], "the night before")
            source = f"daily_as_of('{NIGHTS[1]}')"
            for sql in (
                f"SELECT * FROM {source}", f"SELECT count(*) FROM {source}", f"SELECT sum(unblended_cost) FROM {source}",
                f"SELECT * FROM {source} WHERE service = 'no such service'", f"SELECT service FROM {source} WHERE usage_date > DATE '2030-01-01'",
                f"SELECT count(*) FROM {source} WHERE billing_period = '2026-07'", f"SELECT 1 FROM {source} LIMIT 1",
                f"SELECT a.service FROM {source} a JOIN (SELECT 'no such service' AS service) USING (service)",
                f"SELECT max(unblended_cost) FROM {source} WHERE unblended_cost > 1000000000000", f"SELECT count(*) FROM {source} WHERE estimated IS NULL",
            ):
                error = fails(db, sql)
                group.true("generation 2 of partition 2026-07 of daily was not kept" in error, f"{sql}: {error or 'no error'}")

    with tally.group("an object ahead of its ledger is an error where its time matters, and none before") as group:
        behind = lake.temporary("behind") / "lake"
        shutil.copytree(root, behind)
        newest = sorted((behind / "_costlake" / "daily" / "ledger").glob("*.json"))
        for path in newest:  # only the snapshots of the first night stay
            if json.loads(path.read_text())["written_at"][:10] > NIGHTS[0]:
                path.unlink()
        with connected(costlake, behind) as db:
            error = fails(db, f"SELECT count(*) FROM daily_as_of('{NIGHTS[-1]}')")
            group.true("is not in the ledger" in error and "costlake verify daily --repair" in error, error)
        costlake.run("verify", "daily", "--repair", lake=behind, expect={0, 6})
        with connected(costlake, behind) as db:
            group.equal(rows(db, f"daily_as_of('{NIGHTS[-1]} 23:59:59')"), said["daily"][-1][1], "after the repair")

    with tally.group("history past its time is let go, and what the table says is not") as group:
        short = lake.temporary("short-jobs")
        (short / "daily.toml").write_text(JOBS["daily"] + 'keep_history_for = "3 days"\n')
        brief = lake.Costlake(f"{NIGHTS[-1]}T07:00:00Z", jobs=short, **lake.against(server))
        before = {p.relative_to(root) for p in root.rglob("*") if p.is_file()}
        brief.run("run", lake=root)
        gone = before - {p.relative_to(root) for p in root.rglob("*") if p.is_file()}
        names = sorted(str(path) for path in gone if "/ledger/" not in str(path))
        group.equal(names, [f"_costlake/daily/history/2026-07/{epoch:020}.parquet" for epoch in (1, 2)], "removed")
        with connected(brief, root) as db:
            group.equal(rows(db, "daily"), said["daily"][-1][1], "the table")
            for night, content in said["daily"][2:]:
                group.equal(rows(db, f"daily_as_of('{night}')"), content, f"still known: {night}")
            error = fails(db, f"SELECT count(*) FROM daily_as_of('{NIGHTS[0]}')")
            group.true("of partition 2026-07 of daily is not known, or no longer (lake.keep_history_for)" in error, error)
            oldest = db.sql("SELECT min(strftime(committed_at, '%Y-%m-%d')) FROM cost_revisions WHERE job = 'daily'").fetchall()
            group.equal(oldest, [(NIGHTS[3],)], "oldest revision")


lake.main(check)
