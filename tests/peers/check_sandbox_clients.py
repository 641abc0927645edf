"""The sandbox, read by the clients the two vendors ship: what they accept, and whether the figures agree."""

import datetime
import warnings
from decimal import Decimal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import NotFoundException
from datadog_api_client.model_utils import UnparsedObject
from datadog_api_client.v2.api.aws_integration_api import AWSIntegrationApi
from datadog_api_client.v2.api.cloud_cost_management_api import CloudCostManagementApi
from datadog_api_client.v2.api.metrics_api import MetricsApi
from datadog_api_client.v2.model.commitments_commitment_type import CommitmentsCommitmentType
from datadog_api_client.v2.model.commitments_provider import CommitmentsProvider
from datadog_api_client.v2.model.metrics_aggregator import MetricsAggregator
from datadog_api_client.v2.model.metrics_data_source import MetricsDataSource
from datadog_api_client.v2.model.metrics_scalar_query import MetricsScalarQuery
from datadog_api_client.v2.model.metrics_timeseries_query import MetricsTimeseriesQuery
from datadog_api_client.v2.model.scalar_formula_query_request import ScalarFormulaQueryRequest
from datadog_api_client.v2.model.scalar_formula_request import ScalarFormulaRequest
from datadog_api_client.v2.model.scalar_formula_request_attributes import ScalarFormulaRequestAttributes
from datadog_api_client.v2.model.scalar_formula_request_queries import ScalarFormulaRequestQueries
from datadog_api_client.v2.model.scalar_formula_request_type import ScalarFormulaRequestType
from datadog_api_client.v2.model.timeseries_formula_query_request import TimeseriesFormulaQueryRequest
from datadog_api_client.v2.model.timeseries_formula_request import TimeseriesFormulaRequest
from datadog_api_client.v2.model.timeseries_formula_request_attributes import TimeseriesFormulaRequestAttributes
from datadog_api_client.v2.model.timeseries_formula_request_queries import TimeseriesFormulaRequestQueries
from datadog_api_client.v2.model.timeseries_formula_request_type import TimeseriesFormulaRequestType

import lake

NOW = "2026-11-16T12:00:00Z"
START, END = "2026-10-01", "2026-11-01"
MONTH = {"Start": START, "End": END}
METRICS = ["UnblendedCost", "AmortizedCost", "UsageQuantity"]
DAY = 86_400
START_S, END_S = 1_790_812_800, 1_793_491_200  # the same month, in seconds
WINDOW = dict(start=START_S * 1000, end=END_S * 1000)
# What the client calls "unstable" and refuses unless it is named.
PREVIEWS = [
    "get_aws_account_ccm_config", "get_commitments_commitment_list", "get_commitments_coverage_scalar",
    "get_commitments_coverage_timeseries", "get_commitments_on_demand_hotspots_scalar", "get_commitments_savings_scalar",
    "get_commitments_savings_timeseries", "get_commitments_utilization_scalar", "get_commitments_utilization_timeseries",
    "list_cost_anomalies",
]


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


KEYS = dict(aws_access_key_id="AK", aws_secret_access_key="SK")
# The documented payer accounts of the sandbox; the first one is that of any keys.
PAYERS = ["000123456789", "222233334444", "000033334444"]


def aws_client(server, service, keys=KEYS):
    return boto3.client(
        service, endpoint_url=server.url, region_name="us-east-1", config=Config(retries={"max_attempts": 2}), **keys)


def costs_client(server):
    return aws_client(server, "ce")


def assumed(server, account, role="costs", **more):
    """Temporary keys of a role, as arguments of a client."""
    answer = aws_client(server, "sts").assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName="peers", **more)
    keys = answer["Credentials"]
    return answer, dict(aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
                        aws_session_token=keys["SessionToken"])


def refused(call, **question):
    """The code and the words of a refusal of AWS."""
    try:
        call(**question)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return None, "no refusal"


def payers(tally, server):
    account = [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}]
    question = dict(TimePeriod=MONTH, Granularity="MONTHLY", Metrics=METRICS)
    with tally.group("boto3 assumes a role of each payer, and reads another bill with other accounts") as group:
        costs, seen = {}, set()
        for payer in PAYERS:
            answer, keys = assumed(server, payer)
            left = answer["Credentials"]["Expiration"] - datetime.datetime.now(datetime.UTC)
            group.true(3_500 < left.total_seconds() <= 3_600, f"{payer}: the keys expire in {left}")
            identity = aws_client(server, "sts", keys).get_caller_identity()
            group.equal(identity["Account"], payer, "account")
            group.equal(identity["Arn"], f"arn:aws:sts::{payer}:assumed-role/costs/peers", "ARN")
            client = aws_client(server, "ce", keys)
            costs[payer] = totals(pages(client, **question))
            found = pages(client, **question, GroupBy=account)
            group.same_mapping(group_sums(group, found, 1)[0], costs[payer], f"{payer}: sums over accounts")
            ids = {entry["Keys"][0] for page in found for result in page["ResultsByTime"] for entry in result["Groups"]}
            group.true(payer in ids and not ids & seen, f"{payer}: accounts {ids}, known {seen}")
            seen |= ids
        group.equal(len({tuple(of.values()) for of in costs.values()}), len(PAYERS), "different bills")
        group.equal(costs[PAYERS[0]], totals(pages(costs_client(server), **question)), "the bill of any keys")

    with tally.group("boto3 is denied a role as AWS denies it, and keys without their session token") as group:
        arn = f"arn:aws:iam::{PAYERS[1]}:role/costlake-denied"
        words = f"User: arn:aws:iam::{PAYERS[0]}:user/sandbox is not authorized to perform: sts:AssumeRole on resource: {arn}"
        token_service = aws_client(server, "sts")
        asked = dict(RoleArn=arn, RoleSessionName="peers")
        group.equal(refused(token_service.assume_role, **asked), ("AccessDenied", words), "refusal")
        external = dict(RoleArn=f"arn:aws:iam::{PAYERS[1]}:role/costs-external", RoleSessionName="peers")
        group.equal(refused(token_service.assume_role, **external)[0], "AccessDenied", "without an external id")
        group.equal(refused(token_service.assume_role, **external, ExternalId="other")[0], "AccessDenied", "another one")
        assumed(server, PAYERS[1], "costs-external", ExternalId="sandbox-external-id")
        _, keys = assumed(server, PAYERS[1])
        keys = {name: value for name, value in keys.items() if name != "aws_session_token"}
        code, _ = refused(aws_client(server, "ce", keys).get_cost_and_usage, **question)
        group.equal(code, "UnrecognizedClientException", "without the token")


def cost_explorer(tally, client):
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


def only(key, *values):
    return {"Dimensions": {"Key": key, "Values": list(values)}}


def billed(client, metric, **question):
    """The exact sum of one metric over the month, without groups."""
    found = pages(client, TimePeriod=MONTH, Granularity="MONTHLY", Metrics=[metric], **question)
    return sum(Decimal(r["Total"][metric]["Amount"]) for page in found for r in page["ResultsByTime"])


def every_page(call, member, token, **question):
    """The items of all pages of an operation, and its first answer."""
    first = answer = call(**question)
    items = list(answer[member])
    while answer.get(token):
        answer = call(**question, **{token: answer[token]})
        items += answer[member]
    return items, first


def newest_metrics(tally, client):
    with tally.group("boto3 reads the newest metrics: billed is net, its public equivalent is unblended, list is largest") as group:
        names = ["BilledCost", "ContractedCost", "ListCost", "PublicEquivalentBilledCost", "PublicOnDemandCost"]
        of = {name: billed(client, name) for name in names}
        group.equal(of["BilledCost"], billed(client, "NetUnblendedCost"), "BilledCost")
        group.equal(of["PublicEquivalentBilledCost"], billed(client, "UnblendedCost"), "PublicEquivalentBilledCost")
        group.true(of["ListCost"] > of["ContractedCost"] > of["BilledCost"], f"the order of {of}")
        covered = {"Filter": only("RECORD_TYPE", "SavingsPlanCoveredUsage", "DiscountedUsage")}
        public, paid = billed(client, "PublicOnDemandCost", **covered), billed(client, "AmortizedCost", **covered)
        group.true(public > paid > 0, f"committed usage: {public} at public prices, {paid} amortized")

    with tally.group("boto3 groups by product attribute: models and kinds of tokens add up to Amazon Bedrock") as group:
        kinds = [{"Type": "PRODUCT_ATTRIBUTE", "Key": key} for key in ("model", "inferenceType")]
        found = pages(client, TimePeriod=MONTH, Granularity="DAILY", Metrics=METRICS, GroupBy=kinds)
        sums, groups = group_sums(group, found, 2)
        bedrock = totals(pages(client, TimePeriod=MONTH, Granularity="DAILY", Metrics=METRICS, Filter=only("SERVICE", "Amazon Bedrock")))
        group.same_mapping(sums, bedrock, "sums per day and metric")
        keys = {tuple(e["Keys"]) for p in found for r in p["ResultsByTime"] for e in r["Groups"]}
        group.true(("model$Claude Sonnet 5", "inferenceType$Output tokens") in keys, f"{sorted(keys)}")
        group.true(("model$", "inferenceType$") in keys, "no line is without a model")
        absent = {"ProductAttributes": {"Key": "model", "MatchOptions": ["ABSENT"]}}
        group.true(0 < billed(client, "UnblendedCost", Filter=absent) < billed(client, "UnblendedCost"), "lines without a model")
        group.note(f"{groups} groups, {len(keys)} kinds")

    with tally.group("boto3 asks for product attributes before they began: there is no data") as group:
        try:
            client.get_cost_and_usage(TimePeriod={"Start": "2026-08-31", "End": END}, Granularity="DAILY", Metrics=METRICS, GroupBy=kinds)
            group.true(False, "it was answered")
        except client.exceptions.DataUnavailableException as error:
            group.true("2026-09-01" in str(error), str(error))


def commitments(tally, client):
    plan_fee, covered = only("RECORD_TYPE", "SavingsPlanRecurringFee"), only("RECORD_TYPE", "SavingsPlanCoveredUsage")
    with tally.group("boto3 reads the utilization of the savings plans: it agrees with the bill") as group:
        answer = client.get_savings_plans_utilization(TimePeriod=MONTH, Granularity="DAILY")
        days, total = answer["SavingsPlansUtilizationsByTime"], answer["Total"]
        group.equal(len(days), 31, "days")
        used, unused = billed(client, "AmortizedCost", Filter=covered), billed(client, "AmortizedCost", Filter=plan_fee)
        group.equal(Decimal(total["Utilization"]["UsedCommitment"]), used, "UsedCommitment")
        group.equal(Decimal(total["Utilization"]["UnusedCommitment"]), unused, "UnusedCommitment")
        group.equal(sum(Decimal(d["AmortizedCommitment"]["TotalAmortizedCommitment"]) for d in days), used + unused, "days")
        public = billed(client, "PublicOnDemandCost", Filter=covered)
        group.equal(Decimal(total["Savings"]["NetSavings"]), public - used - unused, "NetSavings")
        group.note("utilization " + total["Utilization"]["UtilizationPercentage"] + " %")

    with tally.group("boto3 pages through the coverage of the savings plans, by day and by service") as group:
        call = client.get_savings_plans_coverage
        days, first = every_page(call, "SavingsPlansCoverages", "NextToken", TimePeriod=MONTH, Granularity="DAILY")
        group.equal((len(first["SavingsPlansCoverages"]), len(days)), (20, 31), "rows of the first page, and all")
        services, _ = every_page(call, "SavingsPlansCoverages", "NextToken", TimePeriod=MONTH,
                                 GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}])
        for name in ("SpendCoveredBySavingsPlans", "OnDemandCost", "TotalCost"):
            of = [sum(Decimal(row["Coverage"][name]) for row in rows) for rows in (days, services)]
            group.equal(of[0], of[1], name)
        group.true(len({row["Attributes"]["SERVICE"] for row in services}) > 1, "one service only")

    machines = "Amazon Elastic Compute Cloud - Compute"
    for service in (machines, "Amazon Relational Database Service", "Amazon ElastiCache"):
        with tally.group(f"boto3 reads the reservations of {service}: they agree with the bill") as group:
            question = dict(TimePeriod=MONTH, Filter=only("SERVICE", service))
            days, first = every_page(client.get_reservation_utilization, "UtilizationsByTime", "NextPageToken", Granularity="DAILY", **question)
            group.equal(len(days), 31, "days")
            discounted = {"And": [only("SERVICE", service), only("RECORD_TYPE", "DiscountedUsage")]}
            hours = billed(client, "UsageQuantity", Filter=discounted)
            group.equal(Decimal(first["Total"]["TotalActualHours"]), hours, "TotalActualHours")
            fees = {"And": [only("SERVICE", service), only("RECORD_TYPE", "DiscountedUsage", "RIFee")]}
            group.equal(Decimal(first["Total"]["TotalAmortizedFee"]), billed(client, "AmortizedCost", Filter=fees), "TotalAmortizedFee")
            groups = client.get_reservation_utilization(GroupBy=[{"Type": "DIMENSION", "Key": "SUBSCRIPTION_ID"}], **question)
            shares = groups["UtilizationsByTime"][0]["Groups"]
            group.equal(sum(Decimal(g["Utilization"]["TotalActualHours"]) for g in shares), hours, "hours of the reservations")
            group.true(all(g["Attributes"]["accountName"] for g in shares), "a reservation without an account")
            coverage = client.get_reservation_coverage(Granularity="MONTHLY", Metrics=["Hour", "Unit", "Cost"], **question)
            group.equal(Decimal(coverage["Total"]["CoverageHours"]["ReservedHours"]), hours, "ReservedHours")
            group.note(f"{len(shares)} reservations")

    with tally.group("boto3: without a service it is machines, and a window into today has no data") as group:
        whole, of_machines = (client.get_reservation_utilization(TimePeriod=MONTH, Granularity="DAILY", **filtered)["Total"]
                              for filtered in ({}, {"Filter": only("SERVICE", machines)}))
        group.equal(whole, of_machines, "machines")
        for call in (client.get_savings_plans_utilization, client.get_savings_plans_coverage,
                     client.get_reservation_utilization, client.get_reservation_coverage):
            try:
                call(TimePeriod={"Start": "2026-11-01", "End": "2026-11-17"}, Granularity="DAILY")
                group.true(False, f"{call.__name__} was answered")
            except client.exceptions.DataUnavailableException as error:
                group.true("Data is not available" in str(error), str(error))


def outlook(tally, client):
    today, month = NOW[:10], {"Start": "2026-12-01", "End": "2027-01-01"}
    with tally.group("boto3 reads the forecast: days add up, bounds enclose the mean") as group:
        question = dict(TimePeriod=month, Metric="UNBLENDED_COST", PredictionIntervalLevel=80)
        days = client.get_cost_forecast(Granularity="DAILY", **question)
        whole = client.get_cost_forecast(Granularity="MONTHLY", **question)
        rows = days["ForecastResultsByTime"]
        group.equal(len(rows), 31, "days")
        group.equal(sum(Decimal(row["MeanValue"]) for row in rows), Decimal(whole["Total"]["Amount"]), "the month")
        for row in rows:
            low, mean, high = (Decimal(row[name]) for name in
                               ("PredictionIntervalLowerBound", "MeanValue", "PredictionIntervalUpperBound"))
            group.true(low < mean < high, f"{row}")
        recent = billed(client, "UnblendedCost")
        group.true(abs(Decimal(whole["Total"]["Amount"]) - recent) < recent / 5, "far from the level of October")

    with tally.group("boto3 reads the anomalies: figures are doubles, pages hold each once") as group:
        since = {"StartDate": (datetime.date.fromisoformat(today) - datetime.timedelta(days=90)).isoformat()}
        found, _ = every_page(client.get_anomalies, "Anomalies", "NextPageToken", DateInterval=since, MaxResults=2)
        group.equal(len({a["AnomalyId"] for a in found}), len(found), "identifiers")
        for anomaly in found:
            group.true(isinstance(anomaly["Impact"]["TotalImpact"], float), f"{anomaly['Impact']}")
            group.true(anomaly["RootCauses"][0]["LinkedAccountName"], "a cause without an account")
        group.note(f"{len(found)} anomalies")

    with tally.group("boto3 reads values of dimensions, tags and cost categories") as group:
        services = client.get_dimension_values(TimePeriod=MONTH, Dimension="SERVICE")
        group.equal(services["TotalSize"], len(services["DimensionValues"]), "services")
        named = client.get_dimension_values(TimePeriod=MONTH, Dimension="LINKED_ACCOUNT")["DimensionValues"]
        group.true(all(value["Attributes"]["description"] for value in named), "an account without a name")
        models = client.get_dimension_values(TimePeriod=MONTH, Dimension="PRODUCT_ATTRIBUTE", DimensionKey="model")
        group.true({"Value": "Nova Pro", "Attributes": {}} in models["DimensionValues"], f"{models['DimensionValues']}")
        group.equal(client.get_tags(TimePeriod=MONTH)["Tags"], ["env", "team"], "tags")
        group.true("web" in client.get_tags(TimePeriod=MONTH, TagKey="team")["Tags"], "the team web")
        group.equal(client.get_cost_categories(TimePeriod=MONTH)["CostCategoryNames"], ["Product"], "categories")
        products = client.get_cost_categories(TimePeriod=MONTH, CostCategoryName="Product")
        group.true("Storefront" in products["CostCategoryValues"], f"{products['CostCategoryValues']}")


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


def near(a, b):
    return abs(a - b) < 0.005


def covered(tally, costs, provider, product):
    commitments = CommitmentsProvider(provider), product
    with tally.group(f"Datadog's client reads the use and coverage of {provider} {product}: they agree with the savings") as group:
        spent, used = [0.0] * 31, {}
        for kind in ("ri", "sp"):
            answer = plain(costs.get_commitments_utilization_timeseries(
                *commitments, **WINDOW, commitment_type=CommitmentsCommitmentType(kind)))
            used[kind] = answer["series"].get("used", [0.0] * 31)
            for day, value in enumerate(map(sum, zip(*answer["series"].values()))):
                spent[day] += value
        actual = plain(costs.get_commitments_savings_timeseries(*commitments, **WINDOW).actual_cost)["series"]["total"]
        group.true(all(map(near, spent, actual)), f"used and unused spend {spent} is not the actual cost {actual}")
        coverage = plain(costs.get_commitments_coverage_timeseries(*commitments, **WINDOW))
        for metric in ("cost", "hours"):
            group.equal(coverage[metric]["times"], list(range(START_S, END_S, DAY)), f"times of {metric}")
            group.equal(set(coverage[metric]["series"]), {"on_demand_only", "ri", "sp", "spot_only"}, f"series of {metric}")
        series = coverage["cost"]["series"]
        for kind, values in used.items():
            group.true(all(map(near, values, series[kind])), f"{kind}: {values} used, {series[kind]} covered")
        spots = plain(costs.get_commitments_on_demand_hotspots_scalar(*commitments, **WINDOW))
        if provider == "aws":
            (total,) = (column["values"][0] for column in spots["total"])
            group.true(near(total, sum(series["on_demand_only"])), f"hot spots of {total}, {sum(series['on_demand_only'])} on demand")
            group.true(near(total, sum(spots["columns"][-1]["values"])), "the hot spots do not add up to their total")
        for scalar in (costs.get_commitments_coverage_scalar, costs.get_commitments_savings_scalar,
                       costs.get_commitments_utilization_scalar):
            group.true(plain(scalar(*commitments, **WINDOW))["columns"], f"{scalar.__name__} has no columns")


def cost_by_day(metrics, text):
    """Costs by day and the values of the group tags."""
    answer = metrics.query_timeseries_data(TimeseriesFormulaQueryRequest(data=TimeseriesFormulaRequest(
        type=TimeseriesFormulaRequestType("timeseries_request"),
        attributes=TimeseriesFormulaRequestAttributes(
            _from=WINDOW["start"], to=WINDOW["end"], interval=DAY * 1000,
            queries=TimeseriesFormulaRequestQueries(
                [MetricsTimeseriesQuery(data_source=MetricsDataSource.CLOUD_COST, query=text)])))))
    attributes = plain(answer.data)["attributes"]
    days = [datetime.datetime.fromtimestamp(t / 1000, datetime.UTC).date().isoformat() for t in plain(attributes["times"])]
    return {
        (day, *(tag.partition(":")[2] for tag in plain(series["group_tags"]))): value
        for series, values in zip(plain(attributes["series"]), plain(attributes["values"]))
        for day, value in zip(days, plain(values)) if value is not None
    }


def billed_by(client, *group_by, metric="UnblendedCost", granularity="DAILY"):
    """The same month of Cost Explorer, as the nearest doubles."""
    question = dict(TimePeriod={"Start": START, "End": END}, Granularity=granularity, Metrics=[metric])
    found = pages(client, **question, GroupBy=[{"Type": "DIMENSION", "Key": key} for key in group_by])
    return {
        (result["TimePeriod"]["Start"], *entry["Keys"]): float(entry["Metrics"][metric]["Amount"])
        for page in found for result in page["ResultsByTime"] for entry in result["Groups"]
    }


def cost_queries(tally, costs, metrics, client):
    for metric, name, tags, keys in (
        ("aws.cost.unblended", "UnblendedCost", ["servicename"], ["SERVICE"]),
        ("aws.cost.amortized", "AmortizedCost", ["subaccountid", "aws_cost_type"], ["LINKED_ACCOUNT", "RECORD_TYPE"]),
    ):
        with tally.group(f"Datadog's client reads {metric} by {', '.join(tags)}: Cost Explorer's {name}, day by day") as group:
            found = cost_by_day(metrics, f"sum:{metric}{{*}} by {{{','.join(tags)}}}.rollup(sum, daily)")
            group.same_mapping(found, billed_by(client, *keys, metric=name), "costs")

    with tally.group("Datadog's client lists the tag keys, and a query by each adds up to the same total") as group:
        keys = [plain(key)["id"] for key in costs.list_cost_tag_keys(filter_metric="aws.cost.unblended").data]
        whole = sum(cost_by_day(metrics, "sum:aws.cost.unblended{*}.rollup(sum, daily)").values())
        for key in keys:
            parts = sum(cost_by_day(metrics, f"sum:aws.cost.unblended{{*}} by {{{key}}}.rollup(sum, daily)").values())
            group.true(near(parts, whole), f"{key}: {parts} of {whole}")
        group.note(f"{len(keys)} keys")

    with tally.group("Datadog's client reads a scalar: Cost Explorer's month") as group:
        text = "sum:aws.cost.unblended{*} by {servicename}"
        query = MetricsScalarQuery(
            data_source=MetricsDataSource.CLOUD_COST, query=text, name="a", aggregator=MetricsAggregator.SUM)
        answer = metrics.query_scalar_data(ScalarFormulaQueryRequest(data=ScalarFormulaRequest(
            type=ScalarFormulaRequestType("scalar_request"),
            attributes=ScalarFormulaRequestAttributes(
                _from=WINDOW["start"], to=WINDOW["end"], queries=ScalarFormulaRequestQueries([query])))))
        names, sums = (plain(column)["values"] for column in plain(answer.data)["attributes"]["columns"])
        found = {(START, name): value for (name,), value in zip(names, sums)}
        group.same_mapping(found, billed_by(client, "SERVICE", granularity="MONTHLY"), "sums")


def budgets(tally, costs, client):
    with tally.group("Datadog's client reads the budgets: October's costs are the bill's, and only open months have a forecast") as group:
        listed = [plain(budget) for budget in costs.list_budgets().data]
        group.true(len(listed) > 2, f"{len(listed)} budgets")
        for budget in listed:
            answer = plain(costs.get_budget(budget["id"], actual=True, forecast=True).data)["attributes"]
            group.equal(answer["total_amount"], budget["attributes"]["total_amount"], "total amount")
            for entry in answer["entries"]:
                figures = entry["costs"]
                group.equal(figures["forecast"] is None, entry["month"] < 202611, f"{entry['month']} has no forecast")
                group.equal(figures["actual"] is None, entry["month"] > 202611, f"{entry['month']} has no costs")
            if answer["metrics_query"] == "aws.cost.unblended{*}":
                (october,) = (entry["costs"]["actual"] for entry in answer["entries"] if entry["month"] == 202610)
                found = pages(client, TimePeriod={"Start": START, "End": END}, Granularity="MONTHLY", Metrics=METRICS)
                group.equal(october, float(totals(found)[START, "UnblendedCost"]), "costs of October")
        try:
            costs.get_budget("00000000-0000-4000-a000-000000000000")
            group.true(False, "an unknown budget is answered")
        except NotFoundException:
            group.true(True, "")


def anomalies(tally, costs):
    with tally.group("Datadog's client pages through the anomalies, and reads who dismissed one") as group:
        window = dict(start=(START_S - 90 * DAY) * 1000, end=END_S * 1000)
        order = dict(order_by="start_date", order="asc")
        whole = plain(costs.list_cost_anomalies(**window, **order).data)["attributes"]
        found = []
        while len(found) < whole["total_count"]:
            page = plain(costs.list_cost_anomalies(**window, **order, limit=2, offset=len(found)).data)["attributes"]
            group.equal(page["total_count"], whole["total_count"], "total count")
            group.true(page["anomalies"], "a page is empty")
            found += page["anomalies"] or whole["anomalies"]
        group.equal([a["uuid"] for a in found], [a["uuid"] for a in whole["anomalies"]], "anomalies of all pages")
        dismissed = plain(costs.list_cost_anomalies(**window, dismissal_cause="all").data)["attributes"]["anomalies"]
        group.true(dismissed and all("@" in a["dismissal"]["updated_by"] for a in dismissed), "no one dismissed one")
        group.note(f"{len(found)} open, {len(dismissed)} dismissed")


def cost_accounts(tally, costs):
    with tally.group("Datadog's client reads the cloud accounts and the configurations of each cloud") as group:
        accounts = [plain(account) for account in costs.list_cost_cloud_accounts_v2(filter_cloud="aws_cur2").data]
        group.true(all(account["attributes"]["status"] in ("active", "warn") for account in accounts), f"{accounts}")
        group.equal(len(costs.list_cost_awscur_configs().data), 1, "old exports")
        (pair,) = (plain(pair) for pair in costs.list_cost_azure_uc_configs().data)
        group.equal([c["dataset_type"] for c in pair["attributes"]["configs"]], ["actual", "amortized"], "Azure's exports")
        group.equal(costs.list_cost_gcp_usage_cost_configs().data, [], "Google's exports")
        group.note(f"{len(accounts)} accounts")


def datadog_configuration(server, api_key):
    configuration = Configuration(api_key={"apiKeyAuth": api_key, "appKeyAuth": lake.DATADOG["DD_APP_KEY"]})
    configuration.host = server.url
    return configuration


def organisations(tally, server):
    with tally.group("Datadog's client reads other budgets and costs with the key of another organisation") as group:
        found = {}
        for key in ("sandbox", "sandbox-web", "sandbox-" + PAYERS[1]):
            with ApiClient(datadog_configuration(server, key)) as client:
                budgets = [plain(budget) for budget in CloudCostManagementApi(client).list_budgets().data]
                days = cost_by_day(MetricsApi(client), "sum:aws.cost.unblended{*}.rollup(sum, daily)")
            group.true(budgets and days, f"{key}: nothing")
            found[key] = ({b["id"] for b in budgets}, {b["attributes"]["org_id"] for b in budgets},
                          tuple(b["attributes"]["total_amount"] for b in budgets), sum(days.values()))
        for what, values in zip(("ids", "organisation ids", "budgets", "costs"), zip(*found.values())):
            group.true(all(a != b for i, a in enumerate(values) for b in values[:i]), f"equal {what}: {values}")
        _, keys = assumed(server, PAYERS[1])
        billed_there = billed(aws_client(server, "ce", keys), "UnblendedCost")
        group.true(near(found["sandbox-" + PAYERS[1]][3], float(billed_there)), "an organisation named after a payer has its bill")


def datadog(tally, server):
    configuration = datadog_configuration(server, lake.DATADOG["DD_API_KEY"])
    warnings.filterwarnings("ignore", "Using unstable operation")
    for operation in PREVIEWS:
        configuration.unstable_operations[operation] = True
    with ApiClient(configuration) as client:
        costs, accounts, aws = CloudCostManagementApi(client), AWSIntegrationApi(client), costs_client(server)

        for query in lake.job("datadog_commitments")["source"]["queries"]:
            provider, product, kind = query["provider"], query["product"], query["commitment_type"]
            with tally.group(f"Datadog's client reads the {kind} commitments of {provider} {product}") as group:
                answer = costs.get_commitments_commitment_list(
                    CommitmentsProvider(provider), product, commitment_type=CommitmentsCommitmentType(kind), **WINDOW)
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
            savings(tally, costs, query["provider"], query["product"], WINDOW)
            covered(tally, costs, query["provider"], query["product"])
        covered(tally, costs, "azure", "virtualmachines")

        cost_queries(tally, costs, MetricsApi(client), aws)
        budgets(tally, costs, aws)
        anomalies(tally, costs)
        cost_accounts(tally, costs)

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
    client = costs_client(server)
    for part in (cost_explorer, newest_metrics, commitments, outlook):
        part(tally, client)
    payers(tally, server)
    datadog(tally, server)
    organisations(tally, server)


lake.main(check)
