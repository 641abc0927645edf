"""What the views must answer, worked out again from the rows as pyarrow reads them, with Python's decimals and dates.

Every function returns (key columns, {key: {column: value}}). Nothing here reads the SQL.
"""

import collections
import datetime
from decimal import Decimal

DAY = datetime.timedelta(days=1)
COSTS = (
    "unblended_cost", "blended_cost", "amortized_cost", "net_unblended_cost", "net_amortized_cost", "billed_cost",
    "contracted_cost", "list_cost", "public_equivalent_billed_cost", "public_on_demand_cost",
)
CATEGORY = {
    "Usage": "Usage", "DiscountedUsage": "Usage", "SavingsPlanCoveredUsage": "Usage", "RIFee": "Purchase",
    "SavingsPlanRecurringFee": "Purchase", "SavingsPlanUpfrontFee": "Purchase", "Tax": "Tax", "Credit": "Credit",
}


def month_of(row):
    return day_of(row).isoformat()[:7]


def day_of(row):
    """The day a row is filed under: an hour's, but not the day that a forecast predicts."""
    value = row["usage_date"] if "usage_date" in row else row["period_start"]
    return value.date() if isinstance(value, datetime.datetime) else value


def month_before(month):
    year, number = int(month[:4]), int(month[5:])
    return f"{year - 1}-12" if number == 1 else f"{year}-{number - 1:02}"


def month_start(month, later=0):
    index = int(month[:4]) * 12 + int(month[5:]) - 1 + later
    return datetime.datetime(index // 12, index % 12 + 1, 1)


def sums(rows, key, column):
    """As SQL adds up: what is null is left out, and nothing but nulls is null."""
    found = collections.defaultdict(Decimal)
    for row in rows:
        known = found.setdefault(key(row), None)
        if row[column] is not None:
            found[key(row)] = row[column] if known is None else known + row[column]
    return found


def share(part, whole):
    return float(part) / float(whole) if whole else None


def by_month(rows, job):
    group, cost = job.groups[:1], job.cost
    key = lambda r: (month_of(r), *(r[g] for g in group), r["currency"])  # noqa: E731
    costs = sums(rows, key, cost)
    days, estimated, of_key = collections.defaultdict(set), collections.defaultdict(bool), collections.defaultdict(list)
    for row in rows:
        days[month_of(row)].add(day_of(row))
        estimated[month_of(row)] |= row["estimated"]
        of_key[key(row)].append(row)
    found = {}
    for month in days:
        before = month_before(month)
        groups = {key[1:] for key in costs if key[0] in (month, before)}
        for rest in groups:
            now, past = costs.get((month, *rest), Decimal(0)), costs.get((before, *rest), Decimal(0))
            known = before in days
            answer = {
                "cost": now, "previous_cost": past if known else None, "change": now - past if known else None,
                "change_share": share(now - past, past) if known else None, "estimated": estimated[month],
            }
            if job.grain != "MONTHLY":
                answer |= {"days": len(days[month]), "previous_days": len(days[before]) if known else None}
            if job.grain == "DAILY":
                last = max(day.day for day in days[month])
                same = [r[cost] for r in of_key.get((before, *rest), []) if day_of(r).day <= last]
                answer |= {
                    "previous_same_days_cost": sum(same, Decimal(0)) if known else None, "cost_per_day": float(now) / len(days[month]),
                    "previous_cost_per_day": float(past) / len(days[before]) if known else None,
                }
            found[month, *rest] = answer
    return ["billing_period", *group, "currency"], found


def movers(rows, job):
    group = job.groups[0]
    costs = sums(rows, lambda r: (day_of(r), r[group], r["currency"]), job.cost)
    groups = collections.defaultdict(set)
    for day, *rest in costs:
        groups[day].add(tuple(rest))
    found = {}
    for day in list(groups):
        known = day - DAY in groups
        for rest in groups[day] | groups.get(day - DAY, set()):
            now, past = costs.get((day, *rest), Decimal(0)), costs.get((day - DAY, *rest), Decimal(0))
            found[day, *rest] = {"cost": now, "previous_cost": past if known else None, "change": now - past if known else None}
    moved = collections.defaultdict(list)
    for (day, _, currency), answer in found.items():
        moved[day, currency].append(answer["change"])
    for (day, _, currency), answer in found.items():
        others = moved[day, currency] if answer["change"] is not None else []
        answer["movement_rank"] = 1 + sum(abs(o) > abs(answer["change"]) for o in others) if others else None
    return ["usage_date", group, "currency"], found


def unallocated(rows, job):
    column = next(g for g in job.groups if g.startswith(("tag_", "cost_category_")))
    key = lambda r: (month_of(r), r["currency"])  # noqa: E731
    total, without = sums(rows, key, job.cost), sums([r for r in rows if r[column] == ""], key, job.cost)
    answer = lambda k: {"unallocated_cost": without[k], "total_cost": total[k], "unallocated_share": share(without[k], total[k])}  # noqa: E731
    return ["billing_period", "currency"], {k: answer(k) for k in total}


def amortized(rows, job):
    group = job.groups[:1]
    key = lambda r: (month_of(r), *(r[g] for g in group), r["currency"])  # noqa: E731
    charged, used = sums(rows, key, "unblended_cost"), sums(rows, key, "amortized_cost")
    found = {k: {"unblended_cost": charged[k], "amortized_cost": used[k], "difference": used[k] - charged[k]} for k in charged}
    return ["billing_period", *group, "currency"], found


def savings_rate(rows, job):
    group = job.groups[:1]
    key = lambda r: (day_of(r), *(r[g] for g in group), r["currency"])  # noqa: E731
    paid, public = sums(rows, key, "amortized_cost"), sums(rows, key, "public_on_demand_cost")
    found = {}
    for k in paid:
        saved = None if public[k] is None else public[k] - paid[k]
        rate = None if saved is None else share(saved, public[k])
        found[k] = {"amortized_cost": paid[k], "public_on_demand_cost": public[k], "savings": saved, "savings_rate": rate}
    return ["usage_date", *group, "currency"], found


def tokens_per_unit(unit):
    words = (unit or "").lower().split()
    if words in (["token"], ["tokens"]):
        return 1
    return {"1k": 1_000, "1m": 1_000_000}.get(words[0]) if len(words) > 1 and words[-1] == "tokens" else None


def tokens(rows, job):
    groups = [g for g in job.groups if g.startswith("product_attribute_")]
    parts = collections.defaultdict(list)
    for row in rows:
        parts[month_of(row), *(row[g] for g in groups), row["currency"]].append(row)
    found = {}
    for key, part in parts.items():
        counted = [(r[job.cost], r["usage_quantity"] * factor) for r in part if (factor := tokens_per_unit(r["usage_quantity_unit"]))]
        cost, count = (sum(column, Decimal(0)) for column in zip(*counted, strict=True)) if counted else (None, None)
        rate = share(cost, count)
        found[key] = {
            "cost": sum(r[job.cost] for r in part), "token_cost": cost, "tokens": count,
            "cost_per_million_tokens": None if rate is None else rate * 1e6,
        }
    return ["billing_period", *groups, "currency"], found


def focus(rows, job):
    names = {
        "unblended_cost": "BilledCost", "amortized_cost": "EffectiveCost", "currency": "BillingCurrency", "service": "ServiceName",
        "linked_account": "SubAccountId", "linked_account_name": "SubAccountName", "payer_account": "BillingAccountId",
    }
    own = lambda c: names.get(c) or "x_" + "".join(word.capitalize() for word in c.split("_"))  # noqa: E731
    found = {}
    for row in rows:
        start = row.get("period_start") or datetime.datetime.combine(row["usage_date"], datetime.time())
        month = month_of(row)
        end = {"MONTHLY": month_start(month, 1), "DAILY": start + DAY, "HOURLY": start + datetime.timedelta(hours=1)}[job.grain]
        answer = {
            "ChargePeriodEnd": end, "BillingPeriodStart": month_start(month), "BillingPeriodEnd": month_start(month, 1),
        } | {own(c): v for c, v in row.items() if c not in ("usage_date", "period_start")}
        if "region" in row:
            answer["RegionId"] = None if row["region"] in ("NoRegion", "global", "") else row["region"]
        if "az" in row:
            answer["AvailabilityZone"] = None if row["az"] in ("NoAZ", "") else row["az"]
        if "record_type" in row:
            answer["ChargeCategory"] = CATEGORY.get(row["record_type"])
        keys = ["ChargePeriodStart", *map(own, job.groups)]
        found[start, *(answer.pop(k) for k in keys[1:])] = answer
    return keys, found


def read_date(text):
    try:
        return datetime.date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def expiring(rows, _job):
    newest = max((r["usage_date"] for r in rows), default=None)
    found = {}
    for row in rows:
        expires = read_date(row["expiration_date"])
        left = (expires - newest).days if expires else None
        if row["usage_date"] == newest and (left is None or 0 <= left <= 90):
            key = (row["provider"], row["product"], row["commitment_type"], row["commitment_id"])
            found[key] = {
                "usage_date": newest, "expiration_date": row["expiration_date"], "expires": expires, "days_left": left,
                "utilization": row["utilization"],
            }
    return ["provider", "product", "commitment_type", "commitment_id"], found


def weighted(rows, weight):
    known = [r for r in rows if r["utilization"] is not None and r[weight] is not None]
    total = sum(r[weight] for r in known)
    return sum(r["utilization"] * r[weight] for r in known) / total if total else None


def commitments_and_savings(commitments, savings):
    used = collections.defaultdict(list)
    for row in commitments:
        used[row["usage_date"], row["provider"], row["product"]].append(row)
    saved = {(r["usage_date"], r["provider"], r["product"], r["series"]): r for r in savings}
    kept = [
        "actual_cost", "on_demand_equivalent_cost", "realized_savings", "effective_savings_rate", "actual_cost_unit",
        "on_demand_equivalent_cost_unit", "realized_savings_unit",
    ]
    found = {}
    for key in saved.keys() | {(*k, None) for k in used.keys() - {k[:3] for k in saved}}:
        rows, saving = used.get(key[:3], []), saved.get(key, {})
        rates = [r["utilization"] for r in rows if r["utilization"] is not None]
        one_unit = len({r["committed_spend_unit"] for r in rows} - {None}) <= 1
        found[key] = {
            "commitments": len(rows) or None, "utilization": sum(rates) / len(rates) if rates else None,
            "utilization_by_spend": weighted(rows, "committed_spend_per_hour") if one_unit else None,
            "utilization_by_units": weighted(rows, "number_of_nfus"),
        } | {column: saving.get(column) for column in kept}
    return ["usage_date", "provider", "product", "series"], found


SCALES = {"cent": 0.01, "cents": 0.01, "¢": 0.01, "millidollar": 1e-3, "microdollar": 1e-6, "nanodollar": 1e-9}
DOLLARS = {"dollar", "dollars", "$", *SCALES}


def scaled(row):
    """Amount and unit on one scale: cents and hundredths of dollars are dollars."""
    factor, _, name = (row["value_unit"] or "").rpartition(" ")
    if name not in DOLLARS:
        return row["value"], row["value_unit"]
    return row["value"] * float(factor or 1) * SCALES.get(name, 1.0), "dollar"


def told_by_datadog(told, kind, key):
    """Key -> used and unused amounts, and their units, of AWS's commitments of a kind."""
    found = collections.defaultdict(lambda: {"used": [], "unused": [], "units": set()})
    for row in told:
        is_wanted = row["provider"].lower() == "aws" and row["commitment_type"].lower() == kind and row["series"] in ("used", "unused")
        if is_wanted and row["value"] is not None:
            amount, unit = scaled(row)
            found[key(row)]["units"] |= {unit} - {None}
            found[key(row)][row["series"]].append(amount)
    return found


def side_by_side(own, told, word):
    """Key -> the figures of AWS, of Datadog, and how far they are apart."""
    found = {}
    for key in own.keys() | told.keys():
        others = told.get(key, {"used": [], "unused": [], "units": set()})
        known = len(others["units"]) <= 1
        answer = {"datadog_unit": next(iter(others["units"]), None) if known else None}
        for part in ("used", "unused"):
            mine = own.get(key, {}).get(part)
            theirs = sum(others[part]) if known and others[part] else None
            apart = None if mine is None or theirs is None else round(float(mine) - theirs, 6)
            answer |= {f"{part}_{word}": mine, f"datadog_{part}": theirs, f"{part}_difference": apart}
        found[key] = answer
    return found


def plans_on_both_sides(plans, told):
    own = {(r["usage_date"],): {part: r[f"{part}_commitment"] for part in ("used", "unused")} for r in plans}
    found = told_by_datadog(told, "sp", lambda row: (row["usage_date"],))
    return ["usage_date"], side_by_side(own, found, "commitment")


PRODUCTS = {
    "Amazon Elastic Compute Cloud - Compute": "ec2", "Amazon Relational Database Service": "rds", "Amazon ElastiCache": "elasticache",
}


def reservations_on_both_sides(reservations, told):
    own = {}
    for r in reservations:
        fee, unused = r["total_amortized_fee"], r["ri_cost_for_unused_hours"]
        used = None if fee is None or unused is None else fee - unused
        own[r["usage_date"], PRODUCTS.get(r["service"], r["service"].lower())] = {"used": used, "unused": unused}
    found = told_by_datadog(told, "ri", lambda row: (row["usage_date"], row["product"].lower()))
    return ["usage_date", "product"], side_by_side(own, found, "fee")


def unused_commitment(plans, reservations):
    committed = [(r["usage_date"], "savings plan", "", r["unused_commitment"], r["total_commitment"]) for r in plans]
    committed += [
        (r["usage_date"], "reservation", r["service"], r["ri_cost_for_unused_hours"], r["total_amortized_fee"]) for r in reservations
    ]
    found = {}
    for *key, unused, all_of_it in committed:
        rate = share(unused, all_of_it) if unused is not None else None
        found[tuple(key)] = {"unused_amount": unused, "committed_amount": all_of_it, "unused_share": rate}
    return ["usage_date", "kind", "service"], found


def coverage_gap(plans, reservations):
    found = {}
    for r in plans:
        found[r["usage_date"], "savings plan", ""] = {
            "covered_cost": r["spend_covered_by_savings_plans"], "covered_hours": None, "uncovered_hours": None,
            "uncovered_cost": r["on_demand_cost"], "coverage_percentage": r["coverage_percentage"],
        }
    for r in reservations:
        found[r["usage_date"], "reservation", r["service"]] = {
            "covered_cost": None, "covered_hours": r["reserved_hours"], "uncovered_hours": r["on_demand_hours"],
            "uncovered_cost": r["on_demand_cost"], "coverage_percentage": r["coverage_hours_percentage"],
        }
    return ["usage_date", "kind", "service"], found


def against_actual(rows, _job):
    """Budgets of the newest day."""
    newest = max((r["usage_date"] for r in rows), default=None)
    found = {}
    for r in rows:
        if r["usage_date"] != newest:
            continue
        forecasts = [r[c] for c in ("custom_forecast", "forecast", "ootb_forecast") if r[c] is not None]
        answer = {c: r[c] for c in ("usage_date", "name", "unit", "amount", "actual")} | {"forecast": next(iter(forecasts), None)}
        for column, of, over in (("actual", "used_share", "is_over"), ("forecast", "forecast_share", "will_be_over")):
            known = answer[column] is not None and r["amount"] is not None
            answer |= {of: answer[column] / r["amount"] if known and r["amount"] else None, over: answer[column] > r["amount"] if known else None}
        found[r["budget_id"], r["month"], r["tag_filters"]] = answer
    return ["budget_id", "month", "tag_filters"], found


def between(value, low, high):
    """As SQL has it: one bound can be enough to say no."""
    if value is None:
        return None
    sides = [None if low is None else value >= low, None if high is None else value <= high]
    return False if False in sides else None if None in sides else True


def forecast(predictions, costs, cost):
    """Two views: by day and predicted day, and by days ahead."""
    totals = sums(costs, lambda r: (day_of(r), r["currency"]), cost)
    newest = max((r["usage_date"] for r in [*predictions, *costs]), default=None)
    found, ahead = {}, collections.defaultdict(list)
    for r in predictions:
        day = r["period_start"]
        actual = totals.get((day, r["currency"])) if day < newest and r["currency"] is not None else None
        error = None if actual is None or r["mean"] is None else actual - r["mean"]
        answer = {c: r[c] for c in ("currency", "level", "mean", "lower_bound", "upper_bound")} | {
            "horizon_days": (day - r["usage_date"]).days, "actual": actual, "error": error,
            "within_bounds": between(actual, r["lower_bound"], r["upper_bound"]),
        }
        found[r["usage_date"], day] = answer
        if error is not None:
            ahead[answer["horizon_days"], r["currency"]].append(answer)
    by_horizon = {}
    for key, answers in ahead.items():
        bounded = [a["within_bounds"] for a in answers if a["within_bounds"] is not None]
        by_horizon[key] = {
            "days": len(answers), "mean_absolute_error": float(sum(abs(a["error"]) for a in answers)) / len(answers),
            "mean_error": float(sum(a["error"] for a in answers)) / len(answers),
            "within_share": sum(bounded) / len(bounded) if bounded else None,
        }
    return (["usage_date", "period_start"], found), (["horizon_days", "currency"], by_horizon)


def agreement(tables):
    """`tables`: [(job, rows)] of one account and filter, by name."""
    found = {}
    for metric in COSTS:
        having = [(job, rows) for job, rows in tables if metric in job.costs]
        if len(having) < 2:
            continue
        totals = [(job.name, sums(rows, day_of, metric), rows) for job, rows in having]
        for day in set().union(*(t.keys() for _, t, _ in totals)):
            there = [t[day] for _, t, _ in totals if day in t]
            absent = [name for name, t, _ in totals if day not in t]
            of_day = [r for _, _, rows in totals for r in rows if day_of(r) == day] if len({*there}) > 1 else []
            spread = max(there) - min(there)
            if absent and (min(there) or max(there)):
                reason = "not read in " + ", ".join(absent)
            elif not spread:
                reason = "agree"
            elif spread <= (len(of_day) + len(having)) * Decimal("1e-10"):
                reason = "rounding of groups"
            elif any(r["estimated"] for r in of_day):
                reason = "an estimate read at different moments"
            else:
                reason = "read at different moments: run the jobs again"
            found[day, metric] = {
                "currency": "USD", "least_total": min(there), "greatest_total": max(there), "spread": spread, "reason": reason,
                "tables": ", ".join(name for name, _, _ in totals), "account": None, "filter": None,
            }
    return ["usage_date", "metric"], found


def api_spend(records):
    found = collections.defaultdict(lambda: {"runs": 0, "requests": 0, "pages": 0, "charged_pages": 0, "usd": Decimal(0)})
    for record in records:
        answer = found[record["started_at"][:7], record["job"], record.get("account")]
        answer["runs"] += 1
        for column in ("requests", "pages", "charged_pages"):
            answer[column] += record["asked"][column]
        answer["usd"] += Decimal(record["usd"])
    return ["run_month", "job", "account"], dict(found)
