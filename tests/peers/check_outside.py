"""What people meet: each row of the table in docs/reliability.md is played with a server of this check's own.

The table is the expectation. A case is the function below that is decorated with the first cell of its row; it returns the
run whose exit code is the row's, and whose output has the words of the row. What else has to be so, figures above all, the
case compares itself.
"""

import concurrent.futures
import contextlib
import datetime
import json
import os
import re
import shutil
import subprocess
import time
import traceback
from decimal import Decimal

import lake
import world

SECTION = "## What people meet"
CASES = {}


def case(name):
    def keep(function):
        CASES[name] = function
        return function

    return keep


class Meeting:
    """A job, a lake and the program, before a world."""

    def __init__(self, stack, night, certificate=None, **environment):
        self.world = stack.enter_context(world.World(certificate))
        self.folder = lake.temporary("outside")
        self.root, self.jobs = self.folder / "lake", self.folder / "jobs"
        self.jobs.mkdir()
        url = self.world.url
        addresses = {"AWS_ENDPOINT_URL_COST_EXPLORER": url, "AWS_ENDPOINT_URL_STS": url, "COSTLAKE_DATADOG_URL": url}
        self.costlake = lake.Costlake(at(night), jobs=self.jobs, **addresses | environment)

    def job(self, name="bill", begin="2026-03-01", granularity="DAILY", metrics=("UnblendedCost",),
            grouping='{ dimension = "SERVICE" }', window="", extra=""):
        (self.jobs / f"{name}.toml").write_text(
            f'[source]\ntype = "aws_cost_and_usage"\ngranularity = "{granularity}"\nmetrics = {json.dumps(metrics)}\n'
            f'group_by = [{grouping}]\n[window]\nbegin = "{begin}"\n{window}\n[limits]\nrequests_per_second = 200\n{extra}\n')
        return self

    def of_datadog(self, source, begin, window=""):
        (self.jobs / "bill.toml").write_text(f'[source]\n{source}\n[window]\nbegin = "{begin}"\n{window}\n')
        return self

    def run(self, *arguments, night=None, root=None, **environment):
        """Whatever the exit code is: a case says which it expects."""
        return self.costlake.run(*arguments or ("run",), lake=root or self.root, expect=None, timeout=60,
                                 **({"COSTLAKE_NOW": at(night)} if night else {}) | environment)

    def nights(self, group, *nights):
        for night in nights:
            done = self.run(night=night)
            group.equal(done.code, 0, f"the night of {night}: {done.err[-1500:]}")

    def ask(self, sql):
        import duckdb

        table = f"read_parquet('{self.root}/bill/*/*.parquet', hive_partitioning = true)"
        with duckdb.connect() as db:  # cases run side by side
            return db.sql(sql.format(bill=table)).fetchall()

    def months(self, column="unblended_cost"):
        return dict(self.ask(f"SELECT billing_period, sum({column}) FROM {{bill}} GROUP BY 1"))

    def day(self, day, column="unblended_cost"):
        ((found,),) = self.ask(f"SELECT sum({column}) FROM {{bill}} WHERE usage_date = '{day}'")
        return found

    def without(self, *names):
        for name in names:
            self.costlake.environment.pop(name, None)


def at(night):
    return night if "T" in night else night + "T12:00:00Z"


def times(rows, factor, when=lambda day: True):
    """The rows of the days that fit, each multiplied."""
    return lambda day: {k: world.plain(Decimal(v) * Decimal(factor)) if when(day) else v for k, v in rows(day).items()}


def put(source, target):
    shutil.rmtree(target)
    shutil.copytree(source, target)


# --------------------------------------------------------------------------------- objects that others put in place


def two_nights(group, stack):
    """A lake whose months of April and May have two generations, and a copy of it with the first of them."""
    met = Meeting(stack, "2026-05-20").job()
    met.nights(group, "2026-05-20")
    older = lake.copied(met.root, "older")
    met.world.rows = times(met.world.rows, "1.25", lambda day: day >= "2026-04-10")
    met.world.estimated = lambda day: day >= "2026-05-01"
    met.costlake.run("run", "--accept", "bill:2026-04", lake=met.root, expect={0}, COSTLAKE_NOW=at("2026-05-21"))
    return met, older, met.months()


@case("the data of an older backup")
def data_put_back(group, stack):
    met, older, newest = two_nights(group, stack)
    put(older / "bill", met.root / "bill")
    group.true(met.months() != newest, "the backup is no other table")
    group.equal(met.run("status", "--check").code, 6, "status --check before the run")
    done = met.run("run", night="2026-05-21")
    group.same_mapping(met.months(), newest, "the months")
    group.true(list((met.root / "_costlake/bill/history").rglob("*")), "no copy was kept of what lay there")
    group.equal(met.run("status", "--check", night="2026-05-21").code, 0, "status --check after the run")
    return done


@case("one month of an older backup")
def month_put_back(group, stack):
    met, older, newest = two_nights(group, stack)
    shutil.copy(older / "bill/billing_period=2026-04/data.parquet", met.root / "bill/billing_period=2026-04/data.parquet")
    done = met.run("plan", night="2026-05-21")
    group.true("2026-04" in done.out, f"plan: {done.out}")
    met.nights(group, "2026-05-21")
    group.same_mapping(met.months(), newest, "the months")
    return met.run("verify", night="2026-05-21")


@case("a month that somebody deleted")
def month_deleted(group, stack):
    met, _, newest = two_nights(group, stack)
    (met.root / "bill/billing_period=2026-03/data.parquet").unlink()
    done = met.run("run", night="2026-05-21")
    group.same_mapping(met.months(), newest, "the months")
    return done


@case("the ledger of an older backup")
def ledger_put_back(group, stack):
    met, older, newest = two_nights(group, stack)
    put(older / "_costlake", met.root / "_costlake")
    group.equal(met.run("status", "--check", night="2026-05-21").code, 6, "status --check before the run")
    met.nights(group, "2026-05-21")
    group.same_mapping(met.months(), newest, "the months")
    return met.run("verify", night="2026-05-21")


@case("another account's month")
def month_of_another_account(group, stack):
    met, other = (Meeting(stack, "2026-05-20").job() for _ in range(2))
    other.world.account, other.world.rows = "333344445555", times(other.world.rows, 3)
    met.nights(group, "2026-05-20")
    other.nights(group, "2026-05-20")
    place = "bill/billing_period=2026-04/data.parquet"
    shutil.copy(other.root / place, met.root / place)
    done = met.run("run", night="2026-05-21")
    group.equal((met.root / place).read_bytes(), (other.root / place).read_bytes(), "what lies there")
    return done


# ------------------------------------------------------------------------------------------------- days and totals


@case("a host that was off for three weeks")
def away(group, stack):
    met, today = Meeting(stack, "2026-06-04").job(begin="2026-05-01", window='refresh = "5 days"'), ["2026-06-04"]
    age = lambda day: (datetime.date.fromisoformat(today[0]) - datetime.date.fromisoformat(day)).days  # noqa: E731
    met.world.rows = lambda day: {"AWS Lambda": "1.5" if age(day) <= 3 else "4"}
    met.nights(group, "2026-06-04")
    group.equal(met.day("2026-06-02"), Decimal("1.5"), "June 2nd while it is partial")
    today[0] = "2026-06-26"
    done = met.run("run", night="2026-06-26")
    group.equal((met.day("2026-06-02"), met.day("2026-06-03")), (4, 4), "June 2nd and 3rd")
    return done


@case("the same before Datadog")
def away_from_datadog(group, stack):
    met, value = Meeting(stack, "2026-06-04").of_datadog(SAVINGS, "2026-05-20"), [10.0]
    met.world.datadog = lambda path, query: world.savings(query, value=lambda day: value[0] if day > "2026-05-30" else 40.0)
    met.nights(group, "2026-06-04")
    value[0] = 40.0
    done = met.run("run", night="2026-07-02")
    group.equal(met.ask("SELECT DISTINCT actual_cost FROM {bill}"), [(40.0,)], "the cost of every day")
    return done


def lagging(group, stack):
    """Of August 19th the totals know more usage than the groups."""
    met = Meeting(stack, "2026-09-02").job(begin="2026-08-01", metrics=["AmortizedCost", "UsageQuantity"])
    met.nights(group, "2026-09-02")
    met.world.total = {"UsageQuantity": lambda day: "75.5" if day == "2026-08-19" else "6"}
    return met


@case("usage that comes after the totals")
def late_usage(group, stack):
    met = lagging(group, stack)
    done = met.run("run", night="2026-09-03")
    met.world.usage = lambda day, key: ("71.5" if key == "AWS Glue" else "2") if day == "2026-08-19" else "2"
    met.nights(group, "2026-09-04")
    group.equal(met.day("2026-08-19", "usage_quantity"), Decimal("75.5"), "the usage of August 19th")
    return done


@case("usage that never comes")
def no_usage(group, stack):
    met = lagging(group, stack)
    met.nights(group, "2026-09-03", "2026-09-04", "2026-09-05", "2026-09-06", "2026-09-07")
    asked = [q for who, q in met.world.asked if who == "costs" and q.get("GroupBy") and q["TimePeriod"]["Start"] == "2026-08-19"]
    group.true(1 <= len(asked) <= 4, f"August 19th was asked {len(asked)} times")
    return met.run("status", night="2026-09-07")


def never_equal(stack):
    met = Meeting(stack, "2026-06-02").job(begin="2026-05-01")
    met.world.total = {"UnblendedCost": lambda day: "33.61" if day == "2026-05-01" else "10"}
    return met


@case("groups that never add up to the total")
def groups_never_add_up(group, stack):
    met, spent = never_equal(stack), []
    for night in ("2026-06-02", "2026-06-03", "2026-06-04", "2026-06-05", "2026-06-06"):
        before = met.world.count("costs")
        group.equal(met.run("run", night=night).code, 1, f"the night of {night}")
        spent.append(met.world.count("costs") - before)
    group.true(spent[-1] < spent[1], f"requests of the nights: {spent}")
    group.note(f"requests of the nights: {spent}")
    return met.run("status", night="2026-06-06")


@case("the same with control = \"report\"")
def groups_are_reported(group, stack):
    met = never_equal(stack).job(begin="2026-05-01", window='control = "report"')
    done = met.run("run", night="2026-06-02")
    group.equal(met.day("2026-05-01"), 10, "May 1st")
    return done


# ------------------------------------------------------------------------------------------------ labels and values


@case("a currency that changes at a date")
def currency_changes(group, stack):
    met = Meeting(stack, "2026-04-10").job(begin="2026-02-01")
    met.world.unit = lambda day, grouped: "GBP" if day < "2026-03-01" else "USD"
    done = met.run("run")
    group.same_mapping(dict(met.ask("SELECT currency, count(*) FROM {bill} GROUP BY 1")), {"GBP": 84, "USD": 120}, "rows")
    group.equal(met.run("run", night="2026-04-11").code, 0, "the next night")
    return done


@case("rows in another currency than their totals")
def currency_of_rows(group, stack):
    met = Meeting(stack, "2026-04-10").job(begin="2026-04-01")
    met.world.unit = lambda day, grouped: "JPY" if grouped else "USD"
    done = met.run("run")
    group.true(not met.root.joinpath("bill").exists(), "something was written")
    return done


@case("another tag's value")
def another_tag(group, stack):
    met = Meeting(stack, "2026-04-10")
    for keys, code in ((["stage$prod", "owner$prod"], 1), (["Owner$prod", "owner$dev"], 1), (["owner$"], 0), (["owner$a$b", "owner$"], 0)):
        met.root = met.folder / f"lake-{code}-{keys[0][:3]}-{len(keys)}"
        met.world.rows = lambda day, keys=keys: {key: "2" for key in keys}
        done = met.job(begin="2026-04-01", grouping='{ tag = "owner" }').run("run")
        group.equal(done.code, code, f"{keys}: {done.err[-800:]}")
        if keys[0] == "owner$a$b":
            group.equal(met.ask("SELECT DISTINCT tag_owner FROM {bill} ORDER BY 1"), [("",), ("a$b",)], "values")
        elif keys[0] == "stage$prod":
            answer = done
    return answer


@case("a tag that nobody activated")
def inactive_tag(group, stack):
    met = Meeting(stack, "2026-04-10").job(begin="2026-04-01", grouping='{ tag = "cost-centre" }')
    met.world.rows = lambda day: {"cost-centre$": "17.25"}
    done = met.run("run")
    group.equal(met.ask("SELECT tag_cost_centre, sum(unblended_cost) FROM {bill} GROUP BY 1"), [("", Decimal("155.25"))], "the table")
    return done


@case("small steps of a settled month")
def small_steps(group, stack):
    met = Meeting(stack, "2026-04-20").job(begin="2026-02-01", window="quarantine_share = 0.3")
    met.nights(group, "2026-04-20")
    base, codes, sums = met.world.rows, [], []
    for number, factor in enumerate(("1.2", "1.4", "1.6", "1.8"), 21):
        met.world.rows = times(base, factor, lambda day: day < "2026-03-01")
        done = met.run("run", night=f"2026-04-{number}")
        codes.append(done.code)
        sums.append(met.months()["2026-02"])
    group.equal(codes, [0, 1, 1, 1], "exit codes of the nights")
    group.equal(sums, [Decimal("336")] * 4, "February, after its first step")
    group.equal(met.run("run", "--accept", "bill:2026-02", night="2026-04-25").code, 0, "--accept")
    group.equal(met.months()["2026-02"], Decimal("504"), "February when it is accepted")
    return done


@case("one service falls, another rises")
def opposite_moves(group, stack):
    met = Meeting(stack, "2026-04-20").job(begin="2026-02-01")
    met.world.rows = lambda day: {"Amazon RDS": "40", "AmazonCloudWatch": "40", "AWS Lambda": "0.5"}
    met.nights(group, "2026-04-20")
    before = met.months()
    met.world.rows = lambda day: {"Amazon RDS": "1.2", "AmazonCloudWatch": "78.8" if day < "2026-03-01" else "79", "AWS Lambda": "0.6"}
    done = met.run("run", night="2026-04-21")
    group.equal(met.months()["2026-02"], before["2026-02"], "February")
    return done


@case("dust, and cents, in a month that cancels out")
def dust(group, stack):
    met = Meeting(stack, "2026-04-20").job(begin="2026-02-01", grouping='{ dimension = "RECORD_TYPE" }')
    for night, usage, code in (("2026-04-20", "12.7", 0), ("2026-04-21", "12.7000000003", 0), ("2026-04-22", "12.73", 0), ("2026-04-23", "14.9", 1)):
        met.world.rows = lambda day, usage=usage: {"Usage": usage if day == "2026-02-11" else "12.7", "Credit": "-12.7"}
        done = met.run("run", night=night)
        group.equal(done.code, code, f"{usage}: {done.err[-800:]}")
        held = "0.03" if code else world.plain(Decimal(usage) - Decimal("12.7"))
        group.equal(met.months()["2026-02"], Decimal(held), f"February at {usage}")
    return done


SAVINGS = 'type = "datadog_savings"\nqueries = [{ provider = "azure", product = "vm" }]'


def of_savings(group, stack, **changed):
    met = Meeting(stack, "2026-08-12").of_datadog(SAVINGS, "2026-08-01")
    met.world.datadog = lambda path, query: world.savings(query)
    met.nights(group, "2026-08-12")
    met.world.datadog = lambda path, query: world.savings(query, **changed)
    done = met.run("run", night="2026-08-13")
    rows = met.ask("SELECT DISTINCT actual_cost, actual_cost_unit, effective_savings_rate FROM {bill} WHERE usage_date < '2026-08-12'")
    group.equal(rows, [(40.0, "dollar", 0.25)], "what was there")
    return done


@case("cents where dollars were")
def cents(group, stack):
    return of_savings(group, stack, value=lambda day: 4000.0, unit="cent")


@case("percentages where ratios were")
def percentages(group, stack):
    return of_savings(group, stack, rate=lambda day: 25.0)


@case("nulls where values were")
def nulls(group, stack):
    return of_savings(group, stack, value=lambda day: None if day == "2026-08-09" else 40.0)


@case("an answer that ends early")
def ends_early(group, stack):
    return of_savings(group, stack, to="2026-08-11")


@case("five commitments become one")
def list_shrinks(group, stack):
    source = 'type = "datadog_commitments"\nqueries = [{ provider = "aws", product = "rds", commitment_type = "ri" }]'
    met, left = Meeting(stack, "2026-08-12").of_datadog(source, "2026-08-10"), [5]
    met.world.datadog = lambda path, query: {"commitments": [
        {"commitment_id": f"ri-{n}", "instance_type": "db.r6g.large", "region": "eu-west-1", "purchase_option": "All Upfront"}
        for n in range(left[0])]}
    met.nights(group, "2026-08-12")
    left[0] = 1
    done = met.run("run", night="2026-08-13")
    ((listed,),) = met.ask("SELECT max(n) FROM (SELECT count(DISTINCT commitment_id) AS n FROM {bill} GROUP BY usage_date)")
    group.equal(listed, 5, "commitments a day")
    return done


# ------------------------------------------------------------------------------- two writers, other accounts, clocks


@case("two runs at once, one of which holds a month back")
def two_writers(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-03-01", window='refresh = "8 days"')
    met.nights(group, "2026-05-18")
    met.world.rows = times(met.world.rows, 2, lambda day: day < "2026-04-01")
    waits = {"2026-05"}
    met.world.before = lambda question, _: time.sleep(2.5) if question.get("GroupBy") and question["TimePeriod"]["Start"][:7] in waits else None
    slow = met.costlake.start("run", lake=met.root, COSTLAKE_NOW=at("2026-05-19"))
    lake.wait_for(lambda: any(q["TimePeriod"]["Start"][:7] == "2026-05" for who, q in met.world.asked[3:] if who == "costs"), 30, "request of the slow run")
    held = met.run("backfill", "bill", "--from", "2026-03", "--to", "2026-03", "--yes", night="2026-05-19")
    group.equal(held.code, 1, f"the backfill: {held.err[-800:]}")
    lake.finish(slow, {0, 1, 5})
    waits.clear()
    group.equal(met.run("status", "--check", night="2026-05-19").code, 6, "status --check")
    return met.run("status", night="2026-05-19")


@case("another account's credentials")
def another_account(group, stack):
    met = Meeting(stack, "2026-05-18").job()
    met.nights(group, "2026-05-18")
    before, asked = lake.Folder(met.root).marks("bill"), met.world.count("costs")
    met.world.account = "999900001111"
    done = met.run("run", night="2026-05-19", AWS_ACCESS_KEY_ID="OTHERKEY")
    group.equal(met.world.count("costs"), asked, "paid requests")
    group.same_mapping(lake.Folder(met.root).marks("bill"), before, "the table")
    group.true("OTHERKEY" not in done.err + done.out, "the key is told")
    return done


@case("an AWS STS that says no, before a table with an account")
def sts_denies(group, stack):
    met = Meeting(stack, "2026-05-18").job()
    met.nights(group, "2026-05-18")
    met.world.account, asked = None, met.world.count("costs")
    done = met.run("run", night="2026-05-19")
    group.equal(met.world.count("costs"), asked, "paid requests")
    return done


@case("the same before a table without one")
def account_not_verified(group, stack):
    met = Meeting(stack, "2026-05-18").job()
    met.world.account = None
    return met.run("run")


@case("check --online where AWS STS is not to be reached")
def sts_unreachable(group, stack):
    met = Meeting(stack, "2026-05-18", AWS_ENDPOINT_URL_STS="http://127.0.0.1:1").job()
    return met.run("check", "--online")


@case("a clock that was ahead")
def clock_ahead(group, stack):
    met = Meeting(stack, "2026-05-18").job()
    met.nights(group, "2026-05-18", "2026-07-01")
    done = met.run("run", night="2026-05-19")
    group.equal(met.run("run", "--accept-clock", night="2026-05-19").code, 0, "--accept-clock")
    return done


# ------------------------------------------------------------------------------------------------- words and advice


def denied(stack, words, **job):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10", **job)
    told = {"__type": "AccessDeniedException", "message": words}
    met.world.before = lambda question, number: (400, {"x-amzn-ErrorType": "AccessDeniedException"}, told)
    return met.run("run"), met


@case("hourly data that nobody opted in to")
def not_opted_in(group, stack):
    done, met = denied(stack, "Hourly data granularity is an opt-in only feature. You can enable it from the payer's settings.", granularity="HOURLY")
    group.equal(met.world.count("costs"), 1, "requests")
    return done


@case("a service control policy that denies")
def policy_denies(group, stack):
    role = "arn:aws:sts::210987654321:assumed-role/nightly/i-0abc"
    done, _ = denied(stack, f"User: {role} is not authorized to perform: ce:GetCostAndUsage on resource: * with an explicit deny in a service control policy")
    group.true("210987654321:assumed-role" not in done.err, "the identity is told")
    return done


@case("a denial in words that nobody knows")
def denied_otherwise(group, stack):
    return denied(stack, "The organisation's trial has lapsed.")[0]


@case("an access key with a character that no header holds")
def odd_key(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    for name, value in (("AWS_ACCESS_KEY_ID", "AKIA\tEXAMPLE"), ("AWS_ACCESS_KEY_ID", "AKIAÖ"), ("AWS_SESSION_TOKEN", "a\rb"), ("AWS_SECRET_ACCESS_KEY", "s\n\nx")):
        for root in (met.root, "s3://bills/x"):
            done = met.run("run", root=root, AWS_ENDPOINT_URL_S3=met.world.url, **{name: value})
            group.equal(done.code, 3, f"{name} {value!r}, {root}: {done.err[-600:]}")
            group.true(name in done.err and value not in done.err, f"{name} {value!r}: {done.err[-600:]}")
    group.equal(met.world.asked, [], "asked")
    return met.run("run", AWS_ACCESS_KEY_ID="AKIA\nEXAMPLE")


@case("the same in a file of profiles")
def odd_key_in_file(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    return profile(met, credentials=KEYS.replace("AKIAEXAMPLE", "AKIA\vX")).run("run")


@case("errors beside a good status of Datadog")
def errors_beside(group, stack):
    met = Meeting(stack, "2026-08-12").of_datadog(SAVINGS, "2026-08-01")
    met.world.datadog = lambda path, query: world.savings(query) | {"errors": ["quota of this organisation is used up"]}
    done = met.run("run")
    group.true(not met.root.joinpath("bill").exists(), "something was written")
    return done


# ------------------------------------------------------------------------------- hosts, profiles, certificates, proxies

KEYS = "[nightly]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = s\n"
CONFIG = "[profile nightly]\nregion = eu-west-1\n"
ADDRESSES = ("AWS_ENDPOINT_URL_COST_EXPLORER", "AWS_ENDPOINT_URL_STS")


def profile(met, config=CONFIG, credentials=KEYS):
    """Both files of the profile, and nothing in the environment that comes before them."""
    met.without(*lake.AWS)
    for name, text in (("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", credentials)):
        path = met.folder / name.lower()
        path.write_bytes(text.encode())
        met.costlake.environment[name] = str(path)
    met.costlake.environment["AWS_PROFILE"] = "nightly"
    return met


def hosts(met, lake_root, **environment):
    """The hosts that a proxy was asked for."""
    met.world.asked.clear()
    met.without(*ADDRESSES)
    done = met.run("status", root=lake_root, HTTPS_PROXY=met.world.url, **environment)
    return sorted({host for who, host in met.world.asked if who == "proxy"}), done


@case("a bucket in another partition")
def partitions(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.world.proxy_says = 407
    for region, more, expected in (
        ("eu-north-1", {}, "s3.eu-north-1.amazonaws.com:443"),
        ("cn-northwest-1", {}, "bills.s3.cn-northwest-1.amazonaws.com.cn:443"),
        ("cn-north-1", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "bills.s3.dualstack.cn-north-1.amazonaws.com.cn:443"),
        ("us-gov-east-1", {"AWS_USE_FIPS_ENDPOINT": "true"}, "bills.s3-fips.us-gov-east-1.amazonaws.com:443"),
        ("ca-central-1", {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}, "bills.s3-fips.dualstack.ca-central-1.amazonaws.com:443"),
        ("eusc-de-east-1", {}, "bills.s3.eusc-de-east-1.amazonaws.eu:443"),
    ):
        found, done = hosts(met, "s3://bills/x", AWS_REGION=region, **more)
        group.equal(found, [expected], f"{region} {more}: {done.err[-600:]}")
    return hosts(met, "s3://bills/x", AWS_REGION="cn-northwest-1")[1]


@case("a profile with addresses of its own")
def profile_addresses(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.without(*ADDRESSES)
    services = "".join(f"{name} =\n  endpoint_url = {met.world.url}\n" for name in ("s3", "cost_explorer", "sts"))
    for form in (f"endpoint_url = {met.world.url}\n", f"services = here\n[services here]\n{services}"):
        profile(met, CONFIG + form)
        met.world.objects, met.world.asked[:] = {}, []
        done = met.run("run", root="s3://bills/x", HTTPS_PROXY=met.world.url)
        group.equal(done.code, 0, f"{form}: {done.err[-800:]}")
        group.equal(met.world.count("proxy"), 0, "hosts of AWS that were asked")
        group.true("x/bill/billing_period=2026-05/data.parquet" in met.world.objects, f"objects: {sorted(met.world.objects)}")
        script = met.run("connect", root="s3://bills/x").out
        group.true(met.world.address in script, "connect names another address")
    return done


@case("addresses that are to be ignored")
def ignored_addresses(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.world.proxy_says = 407
    more = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    found, done = hosts(met, "s3://bills/x", AWS_REGION="eu-west-3", **more)
    group.equal(found, ["s3.eu-west-3.amazonaws.com:443"], "hosts")
    return done


def of_profile(stack, config=CONFIG, credentials=KEYS, **environment):
    return profile(Meeting(stack, "2026-05-18").job(begin="2026-05-10"), config, credentials).run("run", **environment)


@case("a profile that is not there")
def no_profile(group, stack):
    return of_profile(stack, AWS_PROFILE="nihgtly")


@case("a file of profiles that does not parse")
def broken_profiles(group, stack):
    for line, config in ((1, "\ufeff[profile nightly]\nregion = eu-west-1\n"), (4, CONFIG + "[profile other]\n output = json\n")):
        done = of_profile(stack, config)
        group.equal(done.code, 3, f"{config!r}: {done.err[-800:]}")
        group.true(f"aws_config_file on line {line}" in done.err, f"{config!r}: {done.err[-800:]}")
    return of_profile(stack, credentials="[nightly\naws_access_key_id = AKIAEXAMPLE\n")


@case("an empty AWS_REGION")
def empty_region(group, stack):
    return of_profile(stack, AWS_REGION="")


@case("profiles as people write them")
def profiles_as_written(group, stack):
    for text in (CONFIG.replace("\n", "\r\n"), "[profile nightly] # by finance\nregion=eu-west-1\n", "[profile  nightly ]\n\nregion = eu-west-1 \n; end\n"):
        done = of_profile(stack, text)
        group.equal(done.code, 0, f"{text!r}: {done.err[-800:]}")
    return done


@case("a certificate of the company's own")
def untrusted(group, stack):
    folder, certificate = world.authority()
    met = Meeting(stack, "2026-05-18", certificate).job(begin="2026-05-10")
    began = time.monotonic()
    done = met.run("run")
    group.true(time.monotonic() - began < 10, f"it took {time.monotonic() - began:.0f} s")
    group.equal(met.run("status", root="s3://bills/x", AWS_ENDPOINT_URL_S3=met.world.url).code, 2, "the bucket")
    trusted = {"AWS_CA_BUNDLE": str(folder / "ca.pem")}
    for root in (met.root, "s3://bills/x"):
        good = met.run("run", root=root, AWS_ENDPOINT_URL_S3=met.world.url, **trusted)
        group.equal(good.code, 0, f"AWS_CA_BUNDLE, {root}: {good.err[-800:]}")
    (folder / "config").write_text(f"[default]\nregion = eu-west-1\nca_bundle = {folder}/ca.pem\n")
    good = met.run("run", root=met.folder / "second", AWS_CONFIG_FILE=str(folder / "config"))
    group.equal(good.code, 0, f"ca_bundle: {good.err[-800:]}")
    met.of_datadog(SAVINGS, "2026-05-10").world.datadog = lambda path, query: world.savings(query)
    group.equal(met.run("run", root=met.folder / "third").code, 2, "Datadog, untrusted")
    good = met.run("run", root=met.folder / "third", **trusted)
    group.equal(good.code, 0, f"Datadog: {good.err[-800:]}")
    return done


@case("a bundle that is not there")
def no_bundle(group, stack):
    return Meeting(stack, "2026-05-18").job().run("run", AWS_CA_BUNDLE="/nowhere/corporate.pem")


@case("a proxy that asks for a password")
def proxy_refuses(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.world.proxy_says = 407
    met.without(*ADDRESSES)
    began = time.monotonic()
    done = met.run("run", HTTPS_PROXY=f"http://someone:hush@{met.world.address}")
    group.true(met.world.address in done.err, f"the proxy is not named: {done.err}")
    group.true("hush" not in done.err, "the password is told")
    group.true(time.monotonic() - began < 10, f"it took {time.monotonic() - began:.0f} s")
    return done


# ------------------------------------------------------------------------------------------------- places, job files


@case("a folder below names of columns and patterns")
def odd_folder(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-04-20")
    met.root = met.folder / "service=none" / "billing_period=2019-01" / "[a-z]*" / "lake"
    done = met.run("run")
    import duckdb

    with duckdb.connect() as db:
        db.execute(met.run("connect").out)
        found = db.sql("SELECT billing_period, count(*), count(DISTINCT service), sum(unblended_cost) FROM bill GROUP BY 1 ORDER BY 1").fetchall()
    group.equal(found, [("2026-04", 33, 3, Decimal(110)), ("2026-05", 51, 3, Decimal(170))], "the view")
    return done


@case("a lake that only a shell would understand")
def no_folder(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    before = sorted(os.listdir(met.costlake.home))
    for text in ("~/bills", "~ops/bills", "$BILLS/lake", "data/${STAGE}/lake", "s3:/bills/x", "S3://bills/x", "s3//bills/x", "s3n://bills", "https://bills.example/x", "c:/bills", " s3://bills"):
        for command in ("plan", "run"):
            done = met.run(command, root=text)
            group.equal(done.code, 2, f"{command} {text}: {done.err[-400:]}")
    group.equal(met.world.asked, [], "asked")
    group.equal(sorted(os.listdir(met.costlake.home)), before, "folders beside the program")
    good = met.run("run", root="./~bills")
    group.equal(good.code, 0, f"./~bills: {good.err[-400:]}")
    return met.run("run", COSTLAKE_LAKE="unused", root="$HOME/bills")


@case("a lake that is a file")
def lake_is_file(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.root.write_text("not a folder")
    done = met.run("run")
    group.equal(met.root.read_text(), "not a folder", "the file")
    return done


@case("a lake that cannot be written")
def lake_not_writable(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.root.mkdir(mode=0o555)
    for folder in (met.folder, met.jobs, met.costlake.home, lake.work()):
        os.chmod(folder, 0o755)
    program = shutil.copy(lake.binary(), met.folder)  # where another user finds it, too
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    command = [*user, str(program), "run", "--jobs", str(met.jobs), "--lake", str(met.root)]
    done = subprocess.run(command, cwd=met.costlake.home, env=met.costlake.environment, capture_output=True, text=True, timeout=60)
    group.equal(os.listdir(met.root), [], "what was written")
    return lake.Done(command, done.returncode, done.stdout, done.stderr)


def printing_to(met, stdout, *arguments):
    where = () if arguments == ("--help",) else ("--jobs", met.jobs, "--lake", met.root)
    command = [str(part) for part in (lake.binary(), *arguments, *where)]
    done = subprocess.run(command, cwd=met.costlake.home, env=met.costlake.environment, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60)
    return lake.Done(command, done.returncode, "", done.stderr)


@case("a full disk behind stdout")
def full_disk(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.nights(group, "2026-05-18")
    read, gone = os.pipe()
    os.close(read)
    done = printing_to(met, gone, "connect")
    os.close(gone)
    group.equal(done.code, 0, f"a reader that went away: {done.err[-400:]}")
    with open("/dev/full", "wb") as full:
        for command in ("--help", "connect", "ddl --dialect spark", "run --output json", "status"):
            done = printing_to(met, full, *command.split())
            group.equal(done.code, 1, f"{command}: {done.err[-400:]}")
    return done


@case("a grouping for a column that is there")
def column_twice(group, stack):
    met = Meeting(stack, "2026-05-18")
    for name in ("BILLING_PERIOD", "USAGE_DATE", "CURRENCY", "ESTIMATED"):
        done = met.job(grouping=f'{{ dimension = "{name}" }}').run("check")
        group.equal(done.code, 2, f"{name}: {done.err[-400:]}")
    group.equal(met.job(grouping='{ tag = "currency" }').run("check").code, 0, "a tag of that name")
    return met.job(grouping='{ dimension = "LINKED_ACCOUNT" }, { dimension = "LINKED_ACCOUNT_NAME" }').run("check")


@case("a dimension that is misspelt")
def unknown_dimension(group, stack):
    return Meeting(stack, "2026-05-18").job(grouping='{ dimension = "USAGE_TYP" }').run("check")


# ---------------------------------------------------------------------------------------------- buckets with rules


def in_bucket(stack, **rules):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    for name, rule in rules.items():
        setattr(met.world, name, rule)
    met.costlake.environment["AWS_ENDPOINT_URL_S3"] = met.world.url
    return met.run("run", root="s3://bills/x"), met


@case("a bucket that demands encryption")
def encryption(group, stack):
    done, met = in_bucket(stack, encryption="aws:kms")
    group.equal(met.world.objects, {}, "objects")
    return done


@case("a bucket of another region")
def other_region(group, stack):
    return in_bucket(stack, region="sa-east-1")[0]


@case("a bucket that ignores conditions")
def unconditional(group, stack):
    done, met = in_bucket(stack, conditional=False)
    group.true(not [key for key in met.world.objects if key.endswith(".parquet")], "an object was written")
    return done


# ------------------------------------------------------------------------------------------------------- the table


def table():
    """Of each row of the table: its case, and the exit code and words of the run."""
    text = (lake.REPOSITORY / "docs" / "reliability.md").read_text()
    section = text.partition(SECTION + "\n")[2].partition("\n## ")[0]
    found = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 4 and cells[2] != "exit code":
            found[cells[0].replace("`", "")] = cells[2], [long or short for long, short in re.findall(r"`` (.+?) ``|`([^`]+)`", cells[3])]
    return found


def played(play):
    """The case, with what it compared; an error of the case is one of its differences."""
    group = lake.Group()
    with contextlib.ExitStack() as stack:
        try:
            return play(group, stack), group
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            group.differences.append(f"{type(error).__name__}: {error} (line {last.lineno})")
            return None, group


def check(tally, stack):
    expected = table()
    with tally.group("every row of the table has its case, and every case its row") as group:
        group.equal(sorted(CASES), sorted(expected), "cases")
    pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(4))  # some cases only wait
    for name, playing in [(name, pool.submit(played, play)) for name, play in CASES.items()]:
        with tally.group(name) as group:
            done, own = playing.result()
            group.compared, group.differences, group.notes = own.compared, own.differences, own.notes
            if done is None:
                continue
            said, (code, words) = done.out + done.err, expected.get(name, ("no row", []))
            group.equal(str(done.code), code, f"exit code of {' '.join(map(str, done.command[1:]))}: {said[-1500:]}")
            for line in words:
                group.true(line in said, f"is not said: {line}\n{said[-2500:]}")


if __name__ == "__main__":
    lake.main(check)
