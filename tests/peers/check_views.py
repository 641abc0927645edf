"""Every view in DuckDB, ClickHouse (chdb) and Spark against figures worked out again in Python, and every definition in the
grammars of Athena and Trino.

Two lakes: the demo's, and a small one made by hand with what the demo has not: a day that was not read, a group that
vanished, a month that is missing, tables that disagree for every reason there is, and dates that nobody can read.
"""

import datetime
import json
import logging
import os
import re
import shutil
import time
from decimal import Decimal

import lake
import recomputed as again
from check_readers import Spark, ask_chdb, grouping_columns, statements

NOW = "2026-11-16T12:00:00Z"
ARROW = {"boolean": "bool_", "double": "float64", "string": "string", "date": "date32", "bigint": "int64"}
METRICS = {
    "UnblendedCost": "unblended_cost", "BlendedCost": "blended_cost", "AmortizedCost": "amortized_cost",
    "NetUnblendedCost": "net_unblended_cost", "NetAmortizedCost": "net_amortized_cost", "BilledCost": "billed_cost",
    "ContractedCost": "contracted_cost", "ListCost": "list_cost", "PublicEquivalentBilledCost": "public_equivalent_billed_cost",
    "PublicOnDemandCost": "public_on_demand_cost",
}


# Of the demo's figures, those that Spark is asked for: all views take it minutes.
SPARK_ASKS = ("aws_cost_by_service_by_month", "aws_cost_monthly_focus_1_2", "aws_cost_by_team_unallocated", "costlake_api_spend")

# Views of one table by the type of its source, and of two tables by their names and what the view's name ends in.
OF_ONE_TABLE = {"datadog_commitments": ("expiring", again.expiring), "datadog_budgets": ("against_actual", again.against_actual)}
OF_TWO_TABLES = [
    ("datadog_commitments", "datadog_savings", "", again.commitments_and_savings),
    ("aws_savings_plans_utilization", "datadog_commitment_utilization", "", again.plans_on_both_sides),
    ("aws_reservation_utilization", "datadog_commitment_utilization", "", again.reservations_on_both_sides),
    ("aws_savings_plans_utilization", "aws_reservation_utilization", "_unused", again.unused_commitment),
    ("aws_savings_plans_coverage", "aws_reservation_coverage", "_gap", again.coverage_gap),
]


class Job:
    """What a job file says about its table."""

    def __init__(self, file):
        document = lake.tomllib.loads(file.read_text())
        source = document["source"]
        self.name, self.type, self.source = file.stem, source["type"], source
        self.grain, self.groups = source.get("granularity", "DAILY"), grouping_columns(document)
        self.costs = [column for metric, column in METRICS.items() if metric in source.get("metrics", [])]
        self.cost = next(iter(self.costs), None)

    def has_all_costs(self):
        """Whether a day of it is all that the account cost."""
        of_some = any(g.startswith("product_attribute_") for g in self.groups)
        return bool(self.costs) and self.grain == "DAILY" and "filter" not in self.source and not of_some

    def columns(self):
        """Column -> type of the schema file."""
        types = {c["name"]: c["type"] for c in json.loads((lake.SCHEMAS / f"{self.type}.json").read_text())}
        if self.type != "aws_cost_and_usage":
            return types
        wanted = ["usage_date", "estimated", *self.groups, *self.costs, "currency"]
        wanted += ["linked_account_name"] if "linked_account" in self.groups else []
        if "UsageQuantity" in self.source["metrics"]:
            wanted += ["usage_quantity", "usage_quantity_unit"]
        return {c: types.get(c, "string") for c in wanted}


def write(root, job, rows):
    """Objects of a table, from rows that name only what matters; every other column is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wide = {"decimal(38,12)": pa.decimal128(38, 12), "timestamp": pa.timestamp("ms", tz="UTC")}
    kinds = {c: wide[t] if t in wide else getattr(pa, ARROW[t])() for c, t in job.columns().items()}
    months = {}
    for row in rows:
        months.setdefault(again.month_of(row), []).append({c: row.get(c) for c in kinds})
    for month, rows_of_month in months.items():
        folder = root / job.name / f"billing_period={month}"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows_of_month, pa.schema(list(kinds.items()))), folder / "data.parquet")


def made_by_hand(jobs):
    """What the demo has not."""
    root = lake.temporary("odd")
    day = lambda text: datetime.date.fromisoformat(text)  # noqa: E731
    tiny, huge = Decimal("0.000000000001"), Decimal("98765432109876.123456789012")

    def cost(date, amount, estimated=False, used=None, **groups):
        amounts = {c: Decimal(amount) for c in METRICS.values()} | {"amortized_cost": Decimal(used if used is not None else amount)}
        usage = {"usage_quantity": Decimal(1), "usage_quantity_unit": "Hrs"}
        return {"usage_date": day(date), "estimated": estimated, "currency": "USD"} | amounts | usage | groups

    def service(date, name, amount, **more):
        return cost(date, amount, service=name, usage_type="x", **more)

    def account(date, name, amount, **more):
        return cost(date, amount, linked_account=name, record_type=more.pop("record_type", "Usage"), linked_account_name=None, **more)

    # August 30th and 31st, September 1st; the 2nd was not read; October is missing as a whole; then November.
    write(root, jobs["aws_cost_by_service"], [
        service("2026-08-30", "EC2", huge), service("2026-08-30", "S3", 1), service("2026-08-31", "EC2", "5.5", used=7),
        service("2026-08-31", "S3", -1), service("2026-09-01", "S3", "2.25"), service("2026-09-01", "New", tiny),
        service("2026-09-03", "S3", 3), service("2026-09-04", "S3", "10.0000000001"), service("2026-09-05", "S3", 4),
        service("2026-11-01", "S3", 8, estimated=True), service("2026-11-02", "S3", 0, estimated=True),
    ])
    write(root, jobs["aws_cost_by_account"], [
        account("2026-08-30", "000000000001", huge), account("2026-08-30", "000000000001", 1, record_type="Elsewhere"),
        account("2026-08-31", "000000000001", "4.5", used=6), account("2026-09-01", "000000000002", Decimal("2.25") + tiny),
        account("2026-09-04", "000000000001", 10), account("2026-09-05", "000000000001", "4.01"),
        account("2026-11-01", "000000000001", 9, estimated=True),
    ])
    write(root, jobs["aws_cost_by_team"], [
        cost("2026-08-30", 3, tag_team="", service="S3"), cost("2026-08-30", 1, tag_team="web", service="S3"),
        cost("2026-09-01", 1, tag_team="", service="S3"), cost("2026-09-01", -1, tag_team="web", service="S3"),
    ])
    write(root, jobs["aws_cost_monthly"], [cost("2026-08-01", 3, service="S3"), cost("2026-09-01", 4, service="EC2")])

    def commitment(date, name, expires, utilization=0.5, product="ec2", kind="ri", **more):
        row = {"usage_date": day(date), "provider": "aws", "product": product, "commitment_type": kind, "commitment_id": name}
        return row | {"expiration_date": expires, "utilization": utilization} | more

    write(root, jobs["datadog_commitments"], [
        commitment("2026-11-14", "gone", "2026-11-20T00:00:00Z"), commitment("2026-11-15", "past", "2026-11-14T00:00:00Z"),
        commitment("2026-11-15", "today", "2026-11-15"), commitment("2026-11-15", "last", "2027-02-13T23:00:00Z", number_of_nfus=2.0),
        commitment("2026-11-15", "later", "2027-02-14T00:00:00Z", utilization=0.75, number_of_nfus=6.0),
        commitment("2026-11-15", "never", None, utilization=None, number_of_nfus=100.0), commitment("2026-11-15", "odd", "in a year"),
        commitment("2026-11-15", "worse", "2026-13-45T00:00:00Z"), commitment("2026-11-15", "short", "2027-1-1"),
        commitment("2026-11-15", "one", "2028-01-01", 0.2, kind="sp", committed_spend_per_hour=1.0, committed_spend_unit="dollar"),
        commitment("2026-11-15", "two", "2028-01-01", 0.6, kind="sp", committed_spend_per_hour=3.0, committed_spend_unit=None),
        commitment("2026-11-15", "x", "2028-01-01", 0.6, "rds", committed_spend_per_hour=3.0, committed_spend_unit="dollar"),
        commitment("2026-11-15", "y", "2028-01-01", 0.6, "rds", committed_spend_per_hour=3.0, committed_spend_unit="euro"),
    ])
    saving = {"provider": "aws", "product": "ec2", "series": "total", "actual_cost": 1.5, "realized_savings": -0.5}
    write(root, jobs["datadog_savings"], [
        {"usage_date": day("2026-11-15")} | saving, {"usage_date": day("2026-11-16")} | saving,
        {"usage_date": day("2026-11-15")} | saving | {"series": "other"},
    ])
    for name, rows in (of_prices(cost) | of_commitments(day) | of_predictions(day)).items():
        write(root, jobs[name], rows)
    return root


def of_prices(cost):
    """Public prices that are 0 or not known, credits, and usage in every unit there is."""
    def usage(date, model, kind, amount, quantity, unit):
        groups = {"product_attribute_model": model, "product_attribute_inferencetype": kind}
        return cost(date, amount, **groups) | {"usage_quantity": Decimal(quantity), "usage_quantity_unit": unit}

    def service(date, name, amount, public):
        return cost(date, amount, service=name) | {"public_on_demand_cost": None if public is None else Decimal(public)}

    return {
        "aws_ai_cost_by_model": [
            usage("2026-10-01", "Opus", "Input tokens", "3.000000000001", "1000.5", "1K tokens"),
            usage("2026-10-02", "Opus", "Input tokens", 6, "0.000000000001", "1M Input Tokens"),
            usage("2026-10-03", "Opus", "Input tokens", 1, 12, "tokens"), usage("2026-10-04", "Opus", "Input tokens", 8, 3, "N/A"),
            usage("2026-10-01", "Opus", "", 7, 4, "Images"), usage("2026-10-01", "", "", 0, 0, "N/A"),
            usage("2026-10-01", "Free", "Output tokens", 0, 10, "1K tokens"), usage("2026-10-01", "None", "Output tokens", 5, 0, "1K tokens"),
            usage("2026-11-01", "Opus", "Input tokens", -1, 2, None), usage("2026-11-01", "Opus", "Output tokens", -1, 2, "K tokens"),
        ],
        "aws_savings_by_service": [
            service("2026-11-01", "EC2", "9876543210.123456789012", "19876543210.123456789013"), service("2026-11-01", "Credits", -5, 0),
            service("2026-11-02", "EC2", 12, 10), service("2026-11-02", "S3", "0.000000000001", "0.000000000003"),
            service("2026-11-03", "S3", 4, None),  # a metric that the job has since the 4th
        ],
    }


def of_commitments(day):
    """Days that one side has, members that AWS leaves out, two units in one day."""
    def row(date, **amounts):
        exact = lambda v: Decimal(v) if isinstance(v, str) and v[0].isdigit() else v  # noqa: E731
        return {"usage_date": day(date)} | {c: exact(v) for c, v in amounts.items()}

    def told(date, series, value, unit="dollar", product="ec2", provider="aws", kind="sp"):
        names = {"provider": provider, "product": product, "commitment_type": kind, "series": series}
        return {"usage_date": day(date), "value": value, "value_unit": unit} | names

    ec2, cache = "Amazon Elastic Compute Cloud - Compute", "Amazon ElastiCache"
    return {
        "aws_savings_plans_utilization": [
            row("2026-11-10", total_commitment="100.5", used_commitment="90.25", unused_commitment="10.25"),
            row("2026-11-11", total_commitment="0", used_commitment="0", unused_commitment="0"),
            row("2026-11-12", total_commitment="24", used_commitment="24"), row("2026-11-13", unused_commitment="0.000000000001"),
            row("2026-11-14", total_commitment="12345678901234567890.123456789012", used_commitment="1", unused_commitment="3"),
        ],
        "aws_reservation_utilization": [
            row("2026-11-10", service=ec2, total_amortized_fee="40", ri_cost_for_unused_hours="0.000000000003"),
            row("2026-11-10", service=cache, total_amortized_fee="0", ri_cost_for_unused_hours="0"),
            row("2026-11-12", service=cache, ri_cost_for_unused_hours="5"), row("2026-11-15", service=ec2, total_amortized_fee="5"),
            row("2026-11-12", service="Amazon Redshift", total_amortized_fee="3", ri_cost_for_unused_hours="1"),
        ],
        "aws_savings_plans_coverage": [
            row("2026-11-10", spend_covered_by_savings_plans="75", on_demand_cost="25.000000000001", coverage_percentage=75.0),
            row("2026-11-11", spend_covered_by_savings_plans="0", on_demand_cost="0"),
        ],
        "aws_reservation_coverage": [
            row("2026-11-10", service=ec2, reserved_hours="20", on_demand_hours="4", on_demand_cost="1.5", coverage_hours_percentage=83.3),
            row("2026-11-12", service=cache, reserved_hours="0", on_demand_hours="24"),
        ],
        "datadog_commitment_utilization": [
            told("2026-11-10", "used", 80.125, provider="AWS", kind="SP"), told("2026-11-10", "unused", 525.0, "cent"),
            told("2026-11-10", "used", 1000.0, "0.01 dollar", product="rds"), told("2026-11-10", "unused", 5.0, None, product="rds"),
            told("2026-11-10", "used", 7.0, kind="ri"), told("2026-11-10", "used", 7.0, provider="azure"), told("2026-11-10", "idle", 9.0),
            told("2026-11-12", "used", 24.0, "euro"), told("2026-11-12", "unused", 1.0), told("2026-11-14", "used", None),
            told("2026-11-14", "unused", 3.0, "points"), told("2026-11-16", "used", 2.5), told("2026-11-17", "unused", None),
            told("2026-11-10", "unused", 50.0, "cent", product="EC2", kind="RI"), told("2026-11-12", "unused", 4.5, product="elasticache", kind="ri"),
            told("2026-11-15", "used", 4.0, "euro", kind="ri"), told("2026-11-15", "unused", 1.0, kind="ri"),
            told("2026-11-16", "used", 2.0, product="rds", kind="ri"),
        ],
    }


def of_predictions(day):
    """Forecasts without bounds or currency, of days not read or not over; budgets without forecast or amount."""
    def predicted(asked, start, mean, low=None, high=None, currency="USD"):
        exact = lambda v: None if v is None else Decimal(v)  # noqa: E731
        days = {"usage_date": day(asked), "period_start": day(start), "granularity": "DAILY", "metric": "UnblendedCost", "level": 80}
        return days | {"mean": exact(mean), "lower_bound": exact(low), "upper_bound": exact(high), "currency": currency}

    def budget(budget, month, amount, actual=None, asked="2026-11-15", tags="[]", **forecasts):
        row = {"usage_date": day(asked), "budget_id": budget, "name": f"The {budget}", "month": day(month), "tag_filters": tags}
        return row | {"amount": amount, "actual": actual, "unit": "dollar"} | forecasts

    return {
        "aws_cost_forecast": [
            predicted("2026-08-30", "2026-08-31", "4.4", "4", "5"), predicted("2026-08-30", "2026-09-01", "2.5", "2.3"),
            predicted("2026-08-30", "2026-09-02", "1", "0", "9"), predicted("2026-08-30", "2026-09-03", "3.000000000001", None, "2"),
            predicted("2026-08-31", "2026-08-31", "4.5", "4.5", "4.5"), predicted("2026-08-31", "2026-09-01", "1.5"),
            predicted("2026-08-31", "2026-09-03", None, "1", "4"), predicted("2026-08-31", "2026-09-04", "10", None, "11"),
            predicted("2026-08-31", "2026-09-05", "4", "3", "5", currency="EUR"), predicted("2026-09-03", "2026-09-05", "4", currency=None),
            predicted("2026-09-04", "2026-09-05", "1", "4", "4.005"), predicted("2026-10-30", "2026-11-01", "8", "7", "8.5"),
            predicted("2026-10-30", "2026-11-02", "1", "0", "2"), predicted("2026-11-01", "2026-12-01", "1", "0", "2"),
        ],
        "datadog_budgets": [
            budget("one", "2026-11-01", 100.0, 200.0, asked="2026-11-14"), budget("gone", "2026-11-01", 100.0, 1.0, asked="2026-11-14"),
            budget("one", "2026-11-01", 100.0, 50.5, forecast=120.0, ootb_forecast=90.0),
            budget("one", "2026-12-01", 100.0, None, custom_forecast=0.0, forecast=0.0, ootb_forecast=90.0),
            budget("two", "2026-11-01", 0.0, 1.0, tags='[{"tag_key":"team","tag_value":"a"}]', ootb_forecast=2.0),
            budget("two", "2026-11-01", None, 1.0, tags='[{"tag_key":"team","tag_value":"b"}]'), budget("three", "2026-11-01", 5.0, 5.0),
        ],
    }


def expected(root, jobs):
    """View -> (key columns, answers), for the tables in a lake."""
    rows = {name: lake.read_rows(lake.Folder(root), name) if (root / name).is_dir() else [] for name in jobs}
    found = {}
    for name, job in jobs.items():
        views = []
        if job.costs:
            views = [("by_month", again.by_month)]
            views += [("amortized", again.amortized)] if {"unblended_cost", "amortized_cost"} <= {*job.costs} else []
            views += [("focus_1_2", again.focus)] if "unblended_cost" in job.costs else []
            views += [("movers", again.movers)] if job.grain == "DAILY" else []
            views += [("unallocated", again.unallocated)] if any(g.startswith("tag_") for g in job.groups) else []
            views += [("savings_rate", again.savings_rate)] if {"amortized_cost", "public_on_demand_cost"} <= {*job.costs} else []
            views += [("tokens", again.tokens)] if any(g.startswith("product_attribute_") for g in job.groups) else []
        if job.type in OF_ONE_TABLE:
            views = [OF_ONE_TABLE[job.type]]
        found |= {f"{name}_{suffix}": work_out(rows[name], job) for suffix, work_out in views}
    for left, right, suffix, work_out in OF_TWO_TABLES:
        found[f"{left}_and_{right}{suffix}"] = work_out(rows[left], rows[right])
    for name in [name for name, job in jobs.items() if job.has_all_costs() and "unblended_cost" in job.costs]:
        view = f"aws_cost_forecast_against_{name}"
        found[view], found[f"{view}_by_horizon"] = again.forecast(rows["aws_cost_forecast"], rows[name], "unblended_cost")
    alike = [name for name, job in jobs.items() if job.has_all_costs()]
    found["costlake_agreement"] = again.agreement([(jobs[name], rows[name]) for name in alike])
    records = [json.loads(p.read_text()) for p in root.glob("_costlake/*/runs/*/*-????????.json")]
    found["costlake_api_spend"] = again.api_spend(records)
    return found


def compare(group, view, names, answered, wanted):
    keys, answers = wanted
    got = {}
    for row in answered:
        row = dict(zip(names, row, strict=True))
        key = tuple(row.pop(k) for k in keys)
        group.true(key not in got, f"{view}: {key} is there twice")
        got[key] = row
    group.equal(got.keys(), answers.keys(), f"{view}: keys") if got.keys() != answers.keys() else group.true(True, "")
    for key in got.keys() & answers.keys():
        mine, theirs = answers[key], got[key]
        group.compared += 1
        if mine == theirs:
            continue
        for column in mine.keys() | theirs.keys():
            a, b = mine.get(column, "no such column"), theirs.get(column, "no such column")
            near = isinstance(a, float) and isinstance(b, float) and abs(a - b) <= 1e-12 * max(abs(a), abs(b))
            if not near:
                group.equal(b, a, f"{view}: {key}: {column}")


def ask_duckdb(script, questions, before=()):
    import duckdb

    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        for sql in before:
            db.execute(sql)
        db.execute(script)
        answers = {}
        for name, sql in questions.items():
            answer = db.sql(sql)
            answers[name] = answer.columns, answer.fetchall()
    return answers


def ask_spark(session, script, questions):
    for statement in statements(script):
        session.sql(statement)
    answers = {}
    for name, sql in questions.items():
        frame = session.sql(sql)
        answers[name] = frame.columns, list(zip(*frame.toArrow().to_pydict().values(), strict=True))
    return answers


def everything(names, quote):
    return {name: f"SELECT * FROM {quote}{name}{quote}" for name in names}


def figures(tally, costlake, jobs, lakes, spark):
    for what, root, with_spark in lakes:
        wanted = expected(root, jobs)
        engines = {"DuckDB, connect": lambda: ask_duckdb(costlake.run("connect", lake=root).out, everything(wanted, '"'))}
        own = [view for view in wanted if view != "costlake_api_spend"]
        engines["DuckDB, ddl"] = lambda: ask_duckdb(costlake.run("ddl", "--dialect", "duckdb", lake=root).out, everything(own, '"'))
        clickhouse = lambda: costlake.run("ddl", "--dialect", "clickhouse", lake=root).out  # noqa: E731
        engines["ClickHouse"] = lambda: ask_chdb(clickhouse(), everything(own, "`"))
        if with_spark:
            script = lambda: costlake.run("ddl", "--dialect", "spark", lake=root).out  # noqa: E731
            asked = [view for view in wanted if root.name.startswith("odd") or view.startswith(SPARK_ASKS)]
            engines["Spark"] = lambda: ask_spark(spark.session, script(), everything(asked, "`"))
        for engine, ask in engines.items():
            with tally.group(f"{what}: every view has the figures worked out again in Python ({engine})") as group:
                begun = time.monotonic()
                answers = ask()
                for view, (names, rows) in answers.items():
                    compare(group, view, names, rows, wanted[view])
                group.note(f"{len(answers)} views, {sum(len(r) for _, r in answers.values())} rows, {time.monotonic() - begun:.1f} s")


def what_was_made(tally, root, jobs):
    """The lake made by hand really has what it was made for, so that the comparison above means something."""
    with tally.group("the lake made by hand has a gap, a group that vanished, and every reason to disagree") as group:
        wanted = expected(root, jobs)
        reasons = {a["reason"] for (_, metric), a in wanted["costlake_agreement"][1].items() if metric == "unblended_cost"}
        group.equal(reasons, {
            "agree", "not read in aws_cost_by_account", "rounding of groups", "an estimate read at different moments",
            "read at different moments: run the jobs again",
        }, "reasons")
        months = wanted["aws_cost_by_service_by_month"][1]
        group.equal(months["2026-09", "EC2", "USD"]["cost"], Decimal(0), "the month after a group vanished")
        group.equal(months["2026-11", "S3", "USD"]["change"], None, "the change from a month that is missing")
        group.true(("2026-10", "S3", "USD") not in months, "a month that is missing is made up")
        moved = wanted["aws_cost_by_service_movers"][1]
        group.equal(moved[datetime.date(2026, 9, 3), "S3", "USD"]["change"], None, "the change from a day that was not read")
        group.equal(months["2026-09", "S3", "USD"]["previous_same_days_cost"], Decimal(0), "no day up to the 5th of August was read")
        plans = wanted["aws_savings_plans_utilization_and_datadog_commitment_utilization"][1]
        sides = {d.day: (a["used_difference"], a["unused_difference"], a["datadog_unit"]) for (d,), a in plans.items()}
        group.equal(sides, {
            10: (0.125, 0.0, "dollar"), 11: (None, None, None), 12: (None, None, None), 13: (None, None, None),
            14: (None, 0.0, "points"), 16: (None, None, "dollar"),
        }, "both sides of the Savings Plans")
        reserved = wanted["aws_reservation_utilization_and_datadog_commitment_utilization"][1]
        sides = {(d.day, product): (a["used_difference"], a["unused_difference"], a["datadog_unit"]) for (d, product), a in reserved.items()}
        group.equal(sides, {
            (10, "ec2"): (33.0, -0.5, "dollar"), (10, "elasticache"): (None, None, None), (12, "elasticache"): (None, 0.5, "dollar"),
            (12, "amazon redshift"): (None, None, None), (15, "ec2"): (None, None, None), (16, "rds"): (None, None, "dollar"),
        }, "both sides of the reservations")
        models = {k[1:3]: (a["token_cost"], a["tokens"]) for k, a in wanted["aws_ai_cost_by_model_tokens"][1].items() if k[0] == "2026-10"}
        group.equal(models["Opus", "Input tokens"], (Decimal("10.000000000001"), Decimal("1000512.000001")), "tokens of three units")
        group.equal(models["Opus", ""], (None, None), "images are no tokens")
        ahead = wanted["aws_cost_forecast_against_aws_cost_by_service_by_horizon"][1]
        group.equal({k: a["days"] for k, a in ahead.items()}, {(0, "USD"): 1, (1, "USD"): 3, (2, "USD"): 2, (4, "USD"): 2}, "days ahead")
        budgets = {(k[0], k[1].month): (a["forecast"], a["is_over"]) for k, a in wanted["datadog_budgets_against_actual"][1].items() if k[2] == "[]"}
        group.equal(budgets, {("one", 11): (120.0, False), ("one", 12): (0.0, None), ("three", 11): (None, False)}, "budgets")
        listed = {key[3]: a["days_left"] for key, a in wanted["datadog_commitments_expiring"][1].items()}
        group.equal(listed, {"today": 0, "last": 90, "never": None, "odd": None, "worse": None, "short": None}, "expiring")


def only_what_is_asked(tally, costlake, root):
    """The view adds columns that no object has; filters must reach the objects through it all the same."""
    import duckdb

    with tally.group("a filter on a month reads one object through connect's view, one on a day one row group") as group:
        with duckdb.connect() as db:
            db.execute(costlake.run("connect", lake=root).out)
            plan = lambda where: db.sql(f"EXPLAIN ANALYZE SELECT sum(unblended_cost) FROM aws_cost_by_service WHERE {where}").fetchall()[0][1]  # noqa: E731
            objects = len(list((root / "aws_cost_by_service").glob("*/data.parquet")))
            month = re.findall(r"(?:Total Files Read|Files Read): *(\d+)", plan("billing_period = '2026-07'"))
            group.equal(month, ["1"], f"objects read of {objects}")
            scanned = re.findall(r"Row Groups Scanned: *(\d+) */ *(\d+)", plan("usage_date = DATE '2026-07-05'"))
            group.equal(scanned, [("1", str(objects))], "row groups read")


def registry(tally, costlake, jobs, root):
    with tally.group("costlake_tables names every table, what its rows are by, and what adds up") as group:
        names, rows = ask_duckdb(costlake.run("connect", lake=root).out, everything(["costlake_tables"], '"'))["costlake_tables"]
        tables = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
        group.equal(sorted(tables), sorted(jobs), "tables")
        for name, job in jobs.items():
            group.equal(tables[name]["source"], job.type, f"{name}: source")
            if job.costs:
                group.equal(tables[name]["grouping_columns"], ", ".join(job.groups), f"{name}: grouping")
                group.equal(tables[name]["adds_up"].split(", "), sorted(job.costs, key=list(job.columns()).index), f"{name}: adds up")
                group.equal(tables[name]["filter"] is not None, "filter" in job.source, f"{name}: filter")
        group.equal(tables["aws_cost_by_service"]["adds_up_within_one_unit"], "usage_quantity", "quantities")
        group.true("utilization" in tables["datadog_commitments"]["never_adds_up"], "a rate adds up")


def empty_lakes(tally, costlake, jobs, spark):
    with tally.group("over an empty lake the whole scripts run, and every view is there without a row") as group:
        root = lake.temporary("nothing")
        for script, ask, quote in (
            (costlake.run("connect", lake=root).out, ask_duckdb, '"'),
            (costlake.run("ddl", "--dialect", "duckdb", lake=root).out, ask_duckdb, '"'),
            (costlake.run("ddl", "--dialect", "clickhouse", lake=root).out, ask_chdb, "`"),
            (costlake.run("ddl", "--dialect", "spark", lake=root).out, lambda *a: ask_spark(spark.session, *a), "`"),
        ):
            names = re.findall(rf"^CREATE OR REPLACE (?:TEMPORARY )?VIEW {quote}?(\w+)", script, re.MULTILINE)
            group.true(len(names) > 25, f"{len(names)} views")
            for name, (_, rows) in ask(script, everything(names, quote)).items():
                group.equal(len(rows), len(jobs) if name == "costlake_tables" else 0, f"rows of {name}")


REVISIONS = """CREATE OR REPLACE VIEW cost_revisions AS
  SELECT *, NULL::VARCHAR AS account, 'USD' AS currency_before, 'USD' AS currency FROM (VALUES
    ('a', DATE '2026-10-30', 2, TIMESTAMPTZ '2026-10-31 23:59:59+00', true, 'unblended_cost', 1.5::DECIMAL(38,12), 1.6::DECIMAL(38,12)),
    ('a', DATE '2026-10-30', 3, TIMESTAMPTZ '2026-11-01 00:00:00+00', true, 'unblended_cost', 1.6, 1.7),
    ('a', DATE '2026-10-30', 10, TIMESTAMPTZ '2026-11-03 00:00:00+00', false, 'unblended_cost', 1.7, NULL)
  ) AS t(job, day, generation, committed_at, estimated, metric, total_before, total);"""


def changed_since(tally, costlake, root):
    with tally.group("costlake_changed_since nets the revisions since a day or an instant") as group:
        script = costlake.run("connect", lake=root).out
        group.equal("VIEW cost_revisions" in script, "costlake_changed_since" in script, "the macro is there where its revisions are")
        macro = (lake.REPOSITORY / "sql" / "duckdb" / "changed_since.sql").read_text()
        columns = "total_before, total, change, revisions, estimated"
        since = lambda moment: f"SELECT {columns} FROM costlake_changed_since('{moment}')"  # noqa: E731
        moments = ["2026-11-01", "2026-11-01T00:00:00Z", "2026-11-01T00:00:01Z", "2026-10-01", "2026-12-01"]
        answers = ask_duckdb(macro, {m: since(m) for m in moments}, [REVISIONS])
        last = [(Decimal("1.6"), None, Decimal("-1.6"), 2, False)]
        all_of_it = [(Decimal("1.5"), None, Decimal("-1.5"), 3, False)]
        only_one = [(Decimal("1.7"), None, Decimal("-1.7"), 1, False)]
        group.equal([answers[m][1] for m in moments], [last, last, only_one, all_of_it, []], "changes")


def hostile(tally, spark):
    """The job of the golden files that tries to break out of its quotes."""
    text = (lake.REPOSITORY / "tests/it/sql/definitions.rs").read_text()
    folder, root = lake.temporary("jobs"), lake.temporary("it's \"here\" x;--")
    (folder / "hostile.toml").write_text(re.search(r'HOSTILE: &str = r#"\n(.*?)"#;', text, re.DOTALL).group(1))
    job = Job(folder / "hostile.toml")
    job.groups = ["tag_bob_s_team", "linked_account"]
    row = {
        "usage_date": datetime.date(2026, 11, 5), "estimated": False, "currency": "USD", "tag_bob_s_team": "a'b\"`;--",
        "linked_account": "000000000001", "unblended_cost": Decimal("0.1"), "usage_quantity": Decimal(1), "usage_quantity_unit": "GB",
    }
    write(root, job, [row])
    costlake = lake.Costlake(NOW, jobs=folder)
    with tally.group("a job that tries to break out of its quotes makes its own views and touches nothing else") as group:
        names = ["hostile", "hostile_by_month", "hostile_movers", "hostile_unallocated", "hostile_focus_1_2", "costlake_tables"]
        bystander = "CREATE TABLE costs AS SELECT 42 AS answer"
        there = {"there": "SELECT table_name FROM information_schema.tables ORDER BY 1", "costs": "SELECT * FROM costs"}
        own = ["costlake_runs", "costlake_api_spend"]
        for command, more in ((["connect"], own), (["ddl", "--dialect", "duckdb"], [])):
            script = costlake.run(*command, lake=root).out
            answers = ask_duckdb(script, everything(names, '"') | there, [bystander])
            known = {r[0] for r in answers["there"][1]} - {"cost_revisions", "costlake_generations"}
            group.equal(known, {"costs", *names, *more}, f"tables and views after {command[0]}")
            group.equal(answers["costs"][1], [(42,)], "the bystander")
            group.equal([len(answers[n][1]) for n in names], [1] * len(names), "rows")
        script = costlake.run("ddl", "--dialect", "clickhouse", lake=root).out
        there = {"there": "SHOW TABLES", "costs": "SELECT * FROM costs"}
        answers = ask_chdb(script, everything(names, "`") | there, ["CREATE VIEW costs AS SELECT 42 AS answer"])
        group.equal({r[0] for r in answers["there"][1]}, {"costs", *names}, "views in ClickHouse")
        group.equal(answers["costs"][1], [(42,)], "the bystander in ClickHouse")
        group.equal([len(answers[n][1]) for n in names], [1] * len(names), "rows in ClickHouse")
        session = spark.session
        for view in session.catalog.listTables():
            session.catalog.dropTempView(view.name)
        session.sql("CREATE TEMPORARY VIEW costs AS SELECT 42 AS answer")
        answers = ask_spark(session, costlake.run("ddl", "--dialect", "spark", lake=root).out, everything([*names, "costs"], "`"))
        known = {t.name for t in session.catalog.listTables()}
        group.equal(known, {"costs", *names, *own, "costlake_run_records"}, "views in Spark")
        group.equal([len(answers[n][1]) for n in names], [1] * len(names), "rows in Spark")
        group.equal(answers["costs"][1], [(42,)], "the bystander in Spark")
        described = [r[2] for r in session.sql("DESCRIBE hostile").collect()]
        group.true(any("Bob's `team\";" in (text or "") for text in described), "the comment of the tag's column in Spark")
    return folder, root


def clickhouse_in_a_bucket(tally, costlake, odd):
    """The same views where the lake is in a bucket, which ClickHouse reads with its own credentials."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}  # chdb runs in this process
    with lake.Moto() as moto, tally.group("ClickHouse reads the lake made by hand in a bucket, and prunes months by their names") as group:
        bucket = lake.Bucket(moto.url, "costs", "bills")
        bucket.client.create_bucket(Bucket="costs")
        for file in odd.glob("*/billing_period=*/data.parquet"):
            bucket.client.put_object(Bucket="costs", Key=f"bills/{file.relative_to(odd)}", Body=file.read_bytes())
        script = costlake.run("ddl", "--dialect", "clickhouse", lake=bucket.lake, AWS_ENDPOINT_URL_S3=moto.url).out
        at_home = costlake.run("ddl", "--dialect", "clickhouse", lake=odd).out
        names = ["aws_cost_by_service", "aws_cost_by_service_by_month", "aws_cost_by_account_movers"]
        sorted_by_all = {name: f"SELECT * FROM `{name}` ORDER BY ALL" for name in names}
        group.equal(ask_chdb(script, sorted_by_all), ask_chdb(at_home, sorted_by_all), "rows")
        before = len(moto.recording.read_text().splitlines())
        ask_chdb(script, {"": "SELECT sum(unblended_cost) FROM aws_cost_by_service WHERE billing_period = '2026-09'"})
        asked = [json.loads(line)["url"] for line in moto.recording.read_text().splitlines()[before:]]
        read = {re.search(r"aws_cost_by_service/billing_period(?:=|%3D)([\d-]+)/data", url) for url in asked}
        group.equal({found[1] for found in read if found}, {"2026-09"}, "months read")


def grammars(tally, costlake, hostile_folder, hostile_root):
    import sqlglot
    from sqlglot import exp

    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    with lake.Moto() as moto:
        bucket = lake.Bucket(moto.url, "costs", "bills")
        bucket.client.create_bucket(Bucket="costs")
        at = {"AWS_ENDPOINT_URL_S3": moto.url}
        scripts = [("athena", costlake.run("ddl", "--dialect", "athena", lake=bucket.lake, **at).out)]
        for dialect in ("athena", "trino"):
            done = lake.Costlake(NOW, jobs=hostile_folder).run("ddl", "--dialect", dialect, lake="s3://costs/it's", **at)
            scripts.append((dialect, done.out))
    scripts.append(("trino", costlake.run("ddl", "--dialect", "trino", lake=hostile_root).out))
    for dialect, script in scripts:
        with tally.group(f"the grammar of {dialect} takes every statement of ddl ({script.count('CREATE')} of them)") as group:
            for text in statements(script):
                # sqlglot has no grammar for a partition column with properties of its own, which Trino's connectors have.
                plain = re.sub(r" varchar WITH \(\n(?:    .*\n)+?  \)", " varchar", text)
                try:
                    (parsed,) = sqlglot.parse(plain, read=dialect)
                except sqlglot.errors.ParseError as error:
                    group.true(False, f"{error}\n{text[:600]}")
                    continue
                create = parsed.find(exp.Create) if parsed else None
                group.true(create is not None and not isinstance(parsed, exp.Command), f"not understood: {text[:600]}")
                if create is not None and create.kind == "VIEW":
                    group.true(isinstance(create.expression, exp.Query), f"no query: {text[:300]}")


def check(tally, stack):
    jobs = {file.stem: Job(file) for file in sorted(lake.JOBS.glob("*.toml"))}
    costlake = lake.Costlake(NOW)
    demo = lake.temporary("demo")
    costlake.run("demo", lake=demo)
    # Spark gets the last two months of the demo only.
    recent = lake.temporary("recent")
    for folder in [*demo.glob("*/billing_period=2026-1[01]"), *demo.glob("_costlake/*/runs")]:
        shutil.copytree(folder, recent / folder.relative_to(demo))
    odd = made_by_hand(jobs)
    what_was_made(tally, odd, jobs)
    spark = Spark(stack)
    for key in ("spark.sql.codegen.wholeStage", "spark.sql.adaptive.enabled"):
        spark.session.conf.set(key, "false")  # compiling and replanning cost more than these small tables
    lakes = [("the demo", demo, False), ("the demo's last months", recent, True), ("the lake made by hand", odd, True)]
    figures(tally, costlake, jobs, lakes, spark)
    only_what_is_asked(tally, costlake, demo)
    clickhouse_in_a_bucket(tally, costlake, odd)
    registry(tally, costlake, jobs, demo)
    changed_since(tally, costlake, demo)
    empty_lakes(tally, costlake, jobs, spark)
    grammars(tally, costlake, *hostile(tally, spark))


if __name__ == "__main__":
    lake.main(check)
