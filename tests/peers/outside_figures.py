"""Cases of `check_outside.py` in which figures could go wrong: objects, ledgers, totals, units, accounts and clocks."""

import datetime
import shutil
import threading
from decimal import Decimal

import lake
import world
from meeting import SAVINGS, Meeting, at, case, times


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


@case("an account that is younger than begin")
def young_account(group, stack):
    met = Meeting(stack, "2026-04-10").job(begin="2025-11-01")
    met.world.first = "2026-03-12"
    done = met.run("run")
    group.equal(met.months(), {"2026-03": Decimal("200"), "2026-04": Decimal("90")}, "the months")
    asked = met.world.count("costs")
    met.nights(group, "2026-04-10")
    group.equal(met.world.count("costs") - asked, 1, "requests of the next run: the totals alone")
    group.equal(met.run("status", "--check").code, 0, "status --check")
    met.world.first = "2026-03-02"
    met.nights(group, "2026-04-10")
    group.equal(met.months()["2026-03"], Decimal("300"), "March when the data begin earlier")
    return done


@case("a filter that fitted nothing, corrected")
def filter_corrected(group, stack):
    only = 'filter = {{ Dimensions = {{ Key = "REGION", Values = ["{}"] }} }}\n[window]'.format
    met = Meeting(stack, "2026-04-10").job(begin="2026-03-20")
    written, rows = (met.jobs / "bill.toml").read_text(), met.world.rows
    met.world.rows = lambda day: {}
    (met.jobs / "bill.toml").write_text(written.replace("[window]", only("eu-wst-1")))
    group.true("look whether source.filter fits anything" in met.run("run").said, "the first run")
    met.world.rows = rows
    (met.jobs / "bill.toml").write_text(written.replace("[window]", only("eu-west-1")))
    done = met.run("run")
    group.equal(met.months(), {"2026-03": Decimal("120"), "2026-04": Decimal("90")}, "the months")
    group.equal(met.run("verify", "--full").code, 0, "verify --full")
    (met.jobs / "bill.toml").write_text(written)
    group.equal(met.run("run").code, 2, "another definition when there are rows")
    return done


@case("a sandbox where the bill was asked")
def sandbox_instead(group, stack):
    met = Meeting(stack, "2026-04-10").job(begin="2026-03-20")
    met.nights(group, "2026-04-10")
    before, honest = met.months(), met.world.rows
    met.world.rows = times(honest, "1.1")
    told = {"x-costlake-figures": "made up"}
    met.world.before = lambda question, number: (200, told, met.world.costs(question))
    done = met.run("run", night="2026-04-11")
    group.same_mapping(met.months(), before, "the months")
    met.world.before = lambda question, number: None
    met.world.rows = honest
    met.nights(group, "2026-04-11")
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
    arrived, go_on = threading.Event(), threading.Event()

    def slowly(question, _):
        if question.get("GroupBy") and question["TimePeriod"]["Start"] >= "2026-05":
            arrived.set()
            go_on.wait(30)

    met.world.before = slowly
    slow = met.costlake.start("run", lake=met.root, COSTLAKE_NOW="2026-05-19T12:00:30Z")
    group.true(arrived.wait(30), "the slow run asked nothing")
    held = met.run("backfill", "bill", "--from", "2026-03", "--to", "2026-03", "--yes", night="2026-05-19")
    group.equal(held.code, 1, f"the backfill: {held.err[-800:]}")
    go_on.set()
    lake.finish(slow, {0, 1, 5})
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
