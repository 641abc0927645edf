"""Recorded GetCostAndUsage answers, served by moto, must come out of the table to the last digit."""

import copy
import json
from decimal import Context, Decimal, Inexact, localcontext

import lake

NOW = "2022-11-16T12:00:00Z"
RECORDINGS = lake.REFERENCE / "cost-explorer"
LAST_DAY = "2022-11-15"

# table, recording, the job's group_by, the columns of the keys, where October is cut into pages: (day, groups of that day on page one)
CASES = [
    ("recorded_accounts", "costusage_daily_groupby_linkedaccount.json", [{"dimension": "LINKED_ACCOUNT"}], ["linked_account"], None),
    ("recorded_record_types", "costusage_daily_groupby_recordtype.json", [{"dimension": "RECORD_TYPE"}], ["record_type"], None),
    ("recorded_projects", "costusage_daily_groupby_projectid_with_services.json",
     [{"tag": "ProjectId"}, {"dimension": "SERVICE"}], ["tag_projectid", "service"], ("2022-10-11", 6)),
]

JOB = """description = "A recorded account"
[schedule]
cron = "30 6 * * *"
timezone = "UTC"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost", "UsageQuantity"]
group_by = [{group_by}]
[window]
begin = "2022-10-01"
refresh = "billing-close"
[limits]
fetches_in_flight = 1
"""


def job_file(group_by):
    keys = ", ".join("{ %s = %s }" % (kind, lake.toml_string(key)) for group in group_by for kind, key in group.items())
    return JOB.replace("{group_by}", keys)


def month(recording, prefix):
    """The answer to one month's request, as the recording has it."""
    answer = copy.deepcopy(recording)
    answer["ResultsByTime"] = [r for r in recording["ResultsByTime"] if r["TimePeriod"]["Start"].startswith(prefix)]
    return answer


def two_pages(answer, day, groups):
    """The same answer on two pages; the cut is inside a day, which is therefore on both."""
    at = next(i for i, r in enumerate(answer["ResultsByTime"]) if r["TimePeriod"]["Start"] == day)
    one, two = copy.deepcopy(answer), copy.deepcopy(answer)
    one["ResultsByTime"] = one["ResultsByTime"][: at + 1]
    two["ResultsByTime"] = two["ResultsByTime"][at:]
    one["ResultsByTime"][-1]["Groups"] = one["ResultsByTime"][-1]["Groups"][:groups]
    two["ResultsByTime"][0]["Groups"] = two["ResultsByTime"][0]["Groups"][groups:]
    if not (one["ResultsByTime"][-1]["Groups"] and two["ResultsByTime"][0]["Groups"]):
        raise ValueError(f"{day} has too few groups to be cut after {groups}")
    one["NextPageToken"] = "page-two"
    return [one, two]


def totals(*answers):
    """The ungrouped answer to the question these grouped ones answer: their own sums, to the last digit."""
    results = []
    for result in (r for answer in answers for r in answer["ResultsByTime"]):
        sums = {"UnblendedCost": [Decimal(0), "USD"], "UsageQuantity": [Decimal(0), "N/A"]}
        with localcontext(Context(prec=60, traps=[Inexact])):
            for group in result["Groups"]:
                for metric, total in sums.items():
                    total[0] += Decimal(group["Metrics"][metric]["Amount"])
        total = {metric: {"Amount": f"{amount:f}", "Unit": unit} for metric, (amount, unit) in sums.items()}
        results.append({"TimePeriod": result["TimePeriod"], "Total": total, "Groups": [], "Estimated": result["Estimated"]})
    return {"ResultsByTime": results, "DimensionValueAttributes": []}


def strip_tag(definition, key):
    prefix = definition["Key"] + "$"
    if definition["Type"] != "TAG":
        return key
    if not key.startswith(prefix):
        raise ValueError(f"{key!r} has no {prefix!r}")
    return key[len(prefix):]


def expected_rows(recording):
    """(day, keys) -> what the recording says, amounts from their own text."""
    names = {a["Value"]: a["Attributes"]["description"] for a in recording["DimensionValueAttributes"]}
    rows = {}
    for result in recording["ResultsByTime"]:
        for group in result["Groups"]:
            keys = tuple(strip_tag(d, k) for d, k in zip(recording["GroupDefinitions"], group["Keys"], strict=True))
            cost, usage = group["Metrics"]["UnblendedCost"], group["Metrics"]["UsageQuantity"]
            row = {
                "estimated": result["Estimated"],
                "unblended_cost": Decimal(cost["Amount"]), "currency": cost["Unit"],
                "usage_quantity": Decimal(usage["Amount"]), "usage_quantity_unit": usage["Unit"],
            }
            if recording["GroupDefinitions"][0]["Key"] == "LINKED_ACCOUNT":
                row["linked_account_name"] = names[keys[0]]
            if rows.setdefault((result["TimePeriod"]["Start"], *keys), row) is not row:
                raise ValueError(f"the recording has {keys} twice")
    return rows


def stored_rows(group, store, table, keys, columns):
    rows = {}
    for row in lake.read_rows(store, table):
        key = (lake.day_of(row).isoformat(), *(row[k] for k in keys))
        group.true(key not in rows, f"{key} is in the table twice")
        rows[key] = {column: row[column] for column in columns}
    return rows


def compare(group, store, table, recording, keys):
    expected = expected_rows(recording)
    columns = list(next(iter(expected.values())))
    stored = stored_rows(group, store, table, keys, columns)
    group.same_mapping(stored, expected, table)
    group.note(f"{len(stored)} rows, unblended_cost {sum(r['unblended_cost'] for r in stored.values()):f}, "
               f"usage_quantity {sum(r['usage_quantity'] for r in stored.values()):f}")


def asked_periods(moto):
    return [(b["TimePeriod"]["Start"], b["TimePeriod"]["End"], b.get("NextPageToken")) for _, b in moto.asked()]


def check(tally, stack):
    if not RECORDINGS.is_dir():
        tally.skip("no recorded answers here (../shared/reference/cost-explorer), so none can be compared")
        return
    moto = stack.enter_context(lake.Moto())
    jobs = lake.temporary("jobs")
    costlake = lake.Costlake(NOW, jobs=jobs, AWS_ENDPOINT_URL_COST_EXPLORER=moto.url)

    for table, file, group_by, keys, cut in CASES:
        recording = json.loads((RECORDINGS / file).read_text())
        (jobs / f"{table}.toml").write_text(job_file(group_by))
        root = lake.temporary(table)
        store = lake.Folder(root)
        october, november = month(recording, "2022-10"), month(recording, "2022-11")
        pages = two_pages(october, *cut) if cut else [october]
        october_asked = [("2022-10-01", "2022-11-01", None)] + ([("2022-10-01", "2022-11-01", "page-two")] if cut else [])
        november_asked = [("2022-11-01", "2022-11-16", None)]
        totals_asked = [("2022-10-01", "2022-11-16", None)]

        moto.forget()
        moto.queue_costs([totals(october, november), *pages, november])
        with tally.group(f"{table}: every amount of the recording, to the last digit" + (", October cut inside a day" if cut else "")) as group:
            costlake.run("run", table, lake=root)
            compare(group, store, table, recording, keys)
        with tally.group(f"{table}: the totals asked once, then once per month, oldest first, as the job says") as group:
            group.equal(asked_periods(moto), totals_asked + october_asked + november_asked, "periods asked")
            for number, (operation, body) in enumerate(moto.asked()):
                group.equal(operation, "GetCostAndUsage", "operation")
                group.equal(body["Granularity"], "DAILY", "granularity asked")
                group.equal(sorted(body["Metrics"]), ["UnblendedCost", "UsageQuantity"], "metrics asked")
                grouping = recording["GroupDefinitions"] if number > 0 else None
                group.equal(body.get("GroupBy"), grouping, "grouping asked")

        with tally.group(f"{table}: the open month read again and found the same, no data object written") as group:
            before, asked = store.marks(table), len(moto.asked())
            moto.queue_costs([totals(november)])
            costlake.run("run", table, lake=root)
            group.equal(asked_periods(moto)[asked:], november_asked * 2, "periods asked by the second run: totals, then rows")
            group.equal(len(before), 2, "data objects")
            group.same_mapping(store.marks(table), before, "data objects")

        with tally.group(f"{table}: one digit of the open month restated, that month alone rewritten") as group:
            restated = copy.deepcopy(recording)
            amount = restated["ResultsByTime"][-1]["Groups"][0]["Metrics"]["UnblendedCost"]
            amount["Amount"] = f"{Decimal(amount['Amount']) + Decimal('0.0000000001'):f}"
            moto.forget()
            restated_november = month(restated, "2022-11")
            moto.queue_costs([totals(restated_november), restated_november])
            costlake.run("run", table, lake=root)
            compare(group, store, table, restated, keys)
            after = store.marks(table)
            changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
            group.equal(changed, [f"{table}/billing_period=2022-11/data.parquet"], "objects written")


lake.main(check)
