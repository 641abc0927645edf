"""A job, a lake and the program before a scripted world, and the list that cases of `check_outside.py` enter themselves in."""

import json
from decimal import Decimal

import lake
import world

# A source of Datadog's savings.
SAVINGS = 'type = "datadog_savings"\nqueries = [{ provider = "azure", product = "vm" }]'
# The cases by the first cell of their row in the table.
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
