"""The sandbox, read by the clients the two vendors ship: what they accept, and whether the figures agree."""

import warnings
from decimal import Decimal

import boto3
from botocore.config import Config
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import NotFoundException
from datadog_api_client.model_utils import UnparsedObject
from datadog_api_client.v2.api.aws_integration_api import AWSIntegrationApi
from datadog_api_client.v2.api.cloud_cost_management_api import CloudCostManagementApi
from datadog_api_client.v2.model.commitments_commitment_type import CommitmentsCommitmentType
from datadog_api_client.v2.model.commitments_provider import CommitmentsProvider

import lake

NOW = "2026-11-16T12:00:00Z"
START, END = "2026-10-01", "2026-11-01"
METRICS = ["UnblendedCost", "AmortizedCost", "UsageQuantity"]
DAY = 86_400
START_S, END_S = 1_790_812_800, 1_793_491_200  # the same month, in seconds


def pages(client, **question):
    """Every page of one question, by hand: this call has no paginator."""
    found, token, tokens = [], None, set()
    while True:
        answer = client.get_cost_and_usage(**question, **({"NextPageToken": token} if token else {}))
        found.append(answer)
        token = answer.get("NextPageToken")
        if not token:
            return found
        if token in tokens or len(found) > 2000:
            raise AssertionError(f"paging does not end: page {len(found)} repeats a token")
        tokens.add(token)


def group_sums(group, found, keys):
    """Per (period, metric): the exact sum over all groups of all pages; no group may be met twice."""
    sums, seen = {}, set()
    for page in found:
        for result in page["ResultsByTime"]:
            period = result["TimePeriod"]["Start"]
            for entry in result["Groups"]:
                key = (period, *entry["Keys"])
                group.true(len(entry["Keys"]) == keys, f"{key} should have {keys} keys")
                group.true(key not in seen, f"{key} was answered twice")
                seen.add(key)
                for metric in METRICS:
                    at = (period, metric)
                    sums[at] = sums.get(at, Decimal(0)) + Decimal(entry["Metrics"][metric]["Amount"])
    return sums, len(seen)


def totals(found):
    return {
        (result["TimePeriod"]["Start"], metric): Decimal(result["Total"][metric]["Amount"])
        for page in found for result in page["ResultsByTime"] for metric in METRICS
    }


def cost_explorer(tally, server):
    client = boto3.client(
        "ce", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id="AK", aws_secret_access_key="SK",
        config=Config(retries={"max_attempts": 2}),
    )
    question = dict(TimePeriod={"Start": START, "End": END}, Granularity="DAILY", Metrics=METRICS)
    service, usage_type = {"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}
    record_type, account = {"Type": "DIMENSION", "Key": "RECORD_TYPE"}, {"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}

    ungrouped = {}
    with tally.group("boto3 reads the ungrouped totals of a month") as group:
        found = pages(client, **question)
        ungrouped = totals(found)
        group.equal(len(ungrouped), 31 * len(METRICS), "totals")
        group.true(any(ungrouped.values()), "every total is zero")
        group.note("UnblendedCost " + format(sum(v for (_, m), v in ungrouped.items() if m == "UnblendedCost"), "f"))

    with tally.group("boto3 pages through SERVICE x USAGE_TYPE: no group twice, sums equal the totals exactly") as group:
        found = pages(client, **question, GroupBy=[service, usage_type])
        sums, groups = group_sums(group, found, 2)
        group.same_mapping(sums, ungrouped, "sums per day and metric")
        group.true(len(found) > 1, "everything came on one page, so paging was not met")
        days = [sorted({r["TimePeriod"]["Start"] for r in page["ResultsByTime"] if r["Groups"]}) for page in found]
        shared = sum(len(set(a) & set(b)) for a, b in zip(days, days[1:]))
        group.true(shared > 0, "no day is spread over two pages")
        group.note(f"{groups} groups on {len(found)} pages, {shared} page breaks inside a day")

    with tally.group("boto3: LINKED_ACCOUNT x RECORD_TYPE add up to the same totals, and accounts have names") as group:
        found = pages(client, **question, GroupBy=[account, record_type])
        sums, _ = group_sums(group, found, 2)
        group.same_mapping(sums, ungrouped, "sums per day and metric")
        ids = {e["Keys"][0] for p in found for r in p["ResultsByTime"] for e in r["Groups"]}
        named = {a["Value"] for p in found for a in p["DimensionValueAttributes"] if a["Attributes"].get("description")}
        group.equal(ids - named, set(), "accounts without a name")

    with tally.group("boto3: the month as one period equals its days") as group:
        found = pages(client, **question | {"Granularity": "MONTHLY"})
        monthly = totals(found)
        for metric in METRICS:
            days = sum(v for (_, m), v in ungrouped.items() if m == metric)
            group.equal(monthly.get((START, metric)), days, metric)

    with tally.group("boto3: the open month is estimated, the settled one is not") as group:
        flags = {r["TimePeriod"]["Start"]: r["Estimated"]
                 for p in pages(client, **question | {"TimePeriod": {"Start": "2026-09-01", "End": "2026-11-16"}}) for r in p["ResultsByTime"]}
        group.equal(flags.get("2026-11-15"), True, "2026-11-15 estimated")
        group.equal(flags.get("2026-09-15"), False, "2026-09-15 estimated")


def plain(value):
    return value.to_dict() if hasattr(value, "to_dict") else value


def savings(tally, costs, provider, product, window):
    with tally.group(f"Datadog's client reads the savings of {provider} {product}: a point per day, metrics of equal shape") as group:
        answer = costs.get_commitments_savings_timeseries(CommitmentsProvider(provider), product, **window)
        series = {name: plain(getattr(answer, name)) for name in
                  ("actual_cost", "on_demand_equivalent_cost", "realized_savings", "effective_savings_rate")}
        times = [int(t) for t in series["actual_cost"]["times"]]
        times = [t // 1000 if t >= 100_000_000_000 else t for t in times]
        group.equal(times, list(range(START_S, END_S, DAY)), "times")
        keys = set(series["actual_cost"]["series"])
        group.true(keys, "no series")
        for name, metric in series.items():
            group.equal(set(metric["series"]), keys, f"{name}: series keys")
            for key, values in metric["series"].items():
                group.equal(len(values), len(times), f"{name} {key}: points")
        for key in keys:
            rows = zip(times, *(series[n]["series"][key] for n in ("actual_cost", "on_demand_equivalent_cost", "realized_savings")))
            for at, actual, list_price, saved in rows:
                close = abs((list_price - actual) - saved) <= 1e-6 * max(1.0, abs(list_price))
                group.true(close, f"{key} at {at}: {list_price} - {actual} is not the realised {saved}")
        group.note(f"{len(times)} days, series {sorted(keys)}")


def datadog(tally, server):
    configuration = Configuration(api_key={"apiKeyAuth": lake.DATADOG["DD_API_KEY"], "appKeyAuth": lake.DATADOG["DD_APP_KEY"]})
    configuration.host = server.url
    warnings.filterwarnings("ignore", "Using unstable operation")
    for operation in ("get_commitments_commitment_list", "get_commitments_savings_timeseries", "get_aws_account_ccm_config"):
        configuration.unstable_operations[operation] = True
    with ApiClient(configuration) as client:
        costs, accounts = CloudCostManagementApi(client), AWSIntegrationApi(client)
        window = dict(start=START_S * 1000, end=END_S * 1000)

        for query in lake.job("datadog_commitments")["source"]["queries"]:
            provider, product, kind = query["provider"], query["product"], query["commitment_type"]
            with tally.group(f"Datadog's client reads the {kind} commitments of {provider} {product}") as group:
                answer = costs.get_commitments_commitment_list(
                    CommitmentsProvider(provider), product, commitment_type=CommitmentsCommitmentType(kind), **window)
                items = answer.commitments
                group.true(items, "no commitment is listed")
                ids = []
                for item in items:
                    parsed = getattr(item, "_composed_instances", None) or [item]
                    group.true(not any(isinstance(p, UnparsedObject) for p in parsed) and not getattr(item, "_unparsed", False),
                               f"the client could not make a commitment of {plain(item)}")
                    ids.append(plain(item).get("commitment_id"))
                group.true(all(ids), "a commitment has no id")
                group.equal(len(set(ids)), len(ids), "distinct commitment ids")
                group.note(f"{len(ids)} commitments")

        for query in lake.job("datadog_savings")["source"]["queries"]:
            savings(tally, costs, query["provider"], query["product"], window)

        with tally.group("Datadog's client reads the accounts and the cost configuration of each") as group:
            listed = accounts.list_aws_accounts().data
            group.true(listed, "no account is listed")
            configured = missing = 0
            for account in listed:
                try:
                    answer = accounts.get_aws_account_ccm_config(account.id)
                except NotFoundException:
                    missing += 1
                    continue
                configured += 1
                group.equal(plain(answer.data)["id"], account.id, "id of the configuration")
                for export in plain(answer.data)["attributes"]["data_export_configs"]:
                    group.true(export["bucket_name"] and export["report_name"], f"an export without bucket or name: {export}")
            group.true(configured > 0, "no account is configured")
            group.note(f"{len(listed)} accounts, {configured} configured, {missing} not")


def check(tally, stack):
    server = stack.enter_context(lake.sandbox(NOW))
    cost_explorer(tally, server)
    datadog(tally, server)


lake.main(check)
