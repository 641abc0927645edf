"""The usual script: boto3 asks, pyarrow writes an exact Parquet file per day.

    boto3_pyarrow.py URL FIRST LAST FOLDER [daily|hourly]      (LAST is left out)

Amounts are decimal.Decimal and land as decimal128(38, 12), the columns are costlake's. boto3 has no paginator for
get_cost_and_usage, so the loop over NextPageToken is written by hand, as everybody does.
"""

import os
import sys
from datetime import date, datetime, timezone
from decimal import Decimal

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

METRICS = {
    "UnblendedCost": "unblended_cost",
    "BlendedCost": "blended_cost",
    "AmortizedCost": "amortized_cost",
    "NetUnblendedCost": "net_unblended_cost",
    "UsageQuantity": "usage_quantity",
}


def schema(hourly):
    time = pa.field("period_start", pa.timestamp("ms", "UTC")) if hourly else pa.field("usage_date", pa.date32())
    texts = [pa.field(name, pa.string()) for name in ("service", "usage_type")]
    amounts = [pa.field(name, pa.decimal128(38, 12)) for name in METRICS.values()]
    units = [pa.field(name, pa.string()) for name in ("currency", "usage_quantity_unit")]
    return pa.schema([time, pa.field("estimated", pa.bool_()), *texts, *amounts, *units])


def write(folder, day, rows, fields):
    folder = os.path.join(folder, f"usage_date={day}")
    os.makedirs(folder, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=fields)
    pq.write_table(table, os.path.join(folder, "data.parquet"), compression="zstd")


def main(url, first, last, folder, grain="daily"):
    hourly = grain == "hourly"
    client = boto3.client(
        "ce", endpoint_url=url, region_name="us-east-1", aws_access_key_id="made", aws_secret_access_key="up"
    )
    stamp = "T00:00:00Z" if hourly else ""
    question = {
        "TimePeriod": {"Start": first + stamp, "End": last + stamp},
        "Granularity": grain.upper(),
        "Metrics": list(METRICS),
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
    }
    fields = schema(hourly)
    current, rows = None, []
    while True:
        answer = client.get_cost_and_usage(**question)
        for result in answer["ResultsByTime"]:
            start = result["TimePeriod"]["Start"]
            if start[:10] != current:
                if rows:
                    write(folder, current, rows, fields)
                current, rows = start[:10], []
            if hourly:
                time = {"period_start": datetime.strptime(start, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)}
            else:
                time = {"usage_date": date.fromisoformat(start)}
            for group in result["Groups"]:
                metrics = group["Metrics"]
                row = {
                    **time,
                    "estimated": result["Estimated"],
                    "service": group["Keys"][0],
                    "usage_type": group["Keys"][1],
                    "currency": metrics["UnblendedCost"]["Unit"],
                    "usage_quantity_unit": metrics["UsageQuantity"]["Unit"],
                }
                for name, column in METRICS.items():
                    row[column] = Decimal(metrics[name]["Amount"])
                rows.append(row)
        token = answer.get("NextPageToken")
        if not token:
            break
        question["NextPageToken"] = token
    if rows:
        write(folder, current, rows, fields)


if __name__ == "__main__":
    main(*sys.argv[1:])
