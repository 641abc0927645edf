"""The script of somebody who has profiled it: urllib3 asks, orjson reads, pyarrow casts columns and writes.

    tuned_python.py URL FIRST LAST FOLDER [daily|hourly]      (LAST is left out)

No SDK, no row dictionaries, no Decimal objects: amounts go as text into Arrow, which casts whole columns. It does not
sign its requests, so the real service would refuse it: signing costs next to nothing beside the rest.
"""

import os
import sys

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import urllib3

METRICS = {
    "UnblendedCost": "unblended_cost",
    "BlendedCost": "blended_cost",
    "AmortizedCost": "amortized_cost",
    "NetUnblendedCost": "net_unblended_cost",
    "UsageQuantity": "usage_quantity",
}
NAMES = list(METRICS)


class Day:
    def __init__(self, name):
        self.name = name
        self.starts, self.counts, self.estimated = [], [], []
        self.services, self.usage_types, self.groups = [], [], []

    def take(self, result):
        groups = result["Groups"]
        self.starts.append(result["TimePeriod"]["Start"])
        self.counts.append(len(groups))
        self.estimated.append(result["Estimated"])
        keys = [group["Keys"] for group in groups]
        self.services += [key[0] for key in keys]
        self.usage_types += [key[1] for key in keys]
        self.groups += [group["Metrics"] for group in groups]

    def write(self, folder, hourly):
        rows = len(self.groups)
        spread = [index for index, count in enumerate(self.counts) for _ in range(count)]
        starts = pa.array(self.starts).take(pa.array(spread, pa.int32()))
        if hourly:
            time = pc.strptime(starts, "%Y-%m-%dT%H:%M:%SZ", "s").cast(pa.timestamp("ms")).cast(pa.timestamp("ms", "UTC"))
        else:
            time = pc.strptime(starts, "%Y-%m-%d", "s").cast(pa.date32())
        columns = {
            "period_start" if hourly else "usage_date": time,
            "estimated": pa.array(self.estimated).take(pa.array(spread, pa.int32())),
            "service": pa.array(self.services),
            "usage_type": pa.array(self.usage_types),
        }
        for name in NAMES:
            text = pa.array([metrics[name]["Amount"] for metrics in self.groups])
            columns[METRICS[name]] = text.cast(pa.decimal128(38, 12))
        columns["currency"] = pa.array([self.groups[0]["UnblendedCost"]["Unit"]] * rows)
        columns["usage_quantity_unit"] = pa.array([metrics["UsageQuantity"]["Unit"] for metrics in self.groups])
        folder = os.path.join(folder, f"usage_date={self.name}")
        os.makedirs(folder, exist_ok=True)
        pq.write_table(pa.table(columns), os.path.join(folder, "data.parquet"), compression="zstd")


def main(url, first, last, folder, grain="daily"):
    hourly = grain == "hourly"
    stamp = "T00:00:00Z" if hourly else ""
    question = {
        "TimePeriod": {"Start": first + stamp, "End": last + stamp},
        "Granularity": grain.upper(),
        "Metrics": NAMES,
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
    }
    pool = urllib3.PoolManager()
    day = None
    while True:
        answer = orjson.loads(pool.request("POST", url + "/", body=orjson.dumps(question)).data)
        for result in answer["ResultsByTime"]:
            name = result["TimePeriod"]["Start"][:10]
            if day is None or day.name != name:
                if day:
                    day.write(folder, hourly)
                day = Day(name)
            day.take(result)
        token = answer.get("NextPageToken")
        if not token:
            break
        question["NextPageToken"] = token
    if day:
        day.write(folder, hourly)


if __name__ == "__main__":
    main(*sys.argv[1:])
