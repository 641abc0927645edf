"""The alerts, the metrics and the dashboard before a real Prometheus that scrapes two real `serve`: one whose tables are well,
and one with tables that are denied, capped, held and broken.

promtool checks and unit-tests the rules as they are. Before the live Prometheus only their `for` is shortened. What the
bill's metrics say is compared, as text and digit for digit, with what DuckDB adds up in the lake.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import lake
import printed
import yaml

NOW = "2026-11-16T12:00:00Z"
SETTLED = "2026-10-16T06:00:00Z"  # a refund comes four days later, which is held
DEPLOY = lake.REPOSITORY / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "costlake.json"

COSTS = """
schedule = { cron = "30 6 * * *" }
[source]
type = "aws_cost_and_usage"
granularity = "%s"
metrics = ["UnblendedCost", "UsageQuantity"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "%s"
[limits]
requests_per_second = 200
%s
"""
CONFIG = '[source]\ntype = "datadog_ccm_config"\n[limits]\nrequests_per_second = 200\n[schedule]\ncron = "0 5 * * *"\n'
ACCOUNTS = '[accounts]\nlist = [{ id = "222233334444" }, { id = "555566667777" }%s]\nrole_arn = "arn:aws:iam::{id}:role/costlake"\n'
DENIED = ', { id = "888899990000", role_arn = "arn:aws:iam::888899990000:role/costlake-denied" }'
WELL = {
    "costs": COSTS % ("DAILY", "2026-10-01", "[budget]\nmax_usd_per_month = 50\n"),
    "hours": COSTS % ("HOURLY", "2026-11-05", ""),
    "months": COSTS % ("MONTHLY", "2026-08-01", ""),
    "fleet": COSTS % ("DAILY", "2026-11-01", ACCOUNTS % ""),
    "config": CONFIG,
}
UNWELL = {
    "denied": COSTS % ("DAILY", "2026-11-01", '[aws]\nrole_arn = "arn:aws:iam::222233334444:role/costlake-denied"\n'),
    "capped": COSTS % ("DAILY", "2026-01-01", "[budget]\nmax_requests_per_run = 1\n"),
    "held": (COSTS % ("DAILY", "2026-09-01", "")).replace("begin =", "settle_day = 1\nquarantine_share = 0.001\nbegin ="),
    "shards": COSTS % ("DAILY", "2026-11-01", ACCOUNTS % DENIED),
    "broken": '[source]\ntype = "nonesuch"\n',
}
BILLED = ("costs", "hours", "months", "fleet")


def names_in(text):
    return set(re.findall(r"\bcostlake_[a-z_]+", text))


def promtool(*arguments, directory=None):
    return subprocess.run(["promtool", *map(str, arguments)], cwd=directory, capture_output=True, text=True, timeout=120)


# ------------------------------------------------------------------------------------------------------------- serve


class Served:
    """`costlake serve` over jobs and a lake of its own, with a token."""

    def __init__(self, server, jobs, listen_name):
        (self.port,) = lake.free_ports(1)
        folder = lake.temporary("jobs")
        for name, text in jobs.items():
            (folder / f"{name}.toml").write_text(text)
        self.costlake = lake.Costlake(NOW, jobs=folder, **lake.against(server), AWS_ENDPOINT_URL_STS=server.url)
        self.root = self.costlake.home / "lake"
        self.token = self.costlake.home / "token"
        self.token.write_text("0123456789abcdef" * 4 + "\n")
        self.token.chmod(0o600)
        self.name = listen_name

    def __enter__(self):
        self.process = self.costlake.start(
            "serve", "--listen", f"127.0.0.1:{self.port}", "--token-file", self.token, lake=self.root)
        try:
            lake.wait_for(lambda: lake.accepts(self.port), 30, "page")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        process, self.process = self.process, None
        if process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            lake.finish(process, timeout=30)

    def metrics(self, token=None):
        headers = {"Authorization": f"Bearer {token or self.token.read_text().strip()}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers=headers)
        return urllib.request.urlopen(request, timeout=30).read().decode()

    def has_run(self, tables):
        text = self.metrics()
        ended = {name for name in tables if re.search(rf'^costlake_last_run_exit_code{{table="{name}"}}', text, re.MULTILINE)}
        running = re.search(r'^costlake_running{[^}]*} [1-9]', text, re.MULTILINE)
        return ended == set(tables) and not running and "costlake_not_looked_at_yet{} 0.0" in text


def samples(text):
    """Name and labels of each sample, with its value as it is written."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(costlake_\w+)(?:{(.*)})? (\S+)", line)
        if match:
            found[match[1], tuple(sorted(re.findall(r'(\w+)="([^"]*)"', match[2] or "")))] = match[3]
    return found


# ------------------------------------------------------------------------------------------------------- Prometheus


class Prometheus(lake.Server):
    def __init__(self, targets):
        (port,) = lake.free_ports(1)
        home = lake.temporary("prometheus")
        config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        (job,) = config["scrape_configs"]
        job["authorization"]["credentials_file"] = str(targets[0].token)
        job["static_configs"] = [{"targets": [f"127.0.0.1:{target.port}"], "labels": {"side": target.name}} for target in targets]
        (home / "prometheus.yml").write_text(yaml.safe_dump(config))
        (home / "alerts.yml").write_text(re.sub(r"(?m)^( +for:) \d+m$", r"\1 2s", RULES.read_text()))
        super().__init__("prometheus", [
            "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn",
            f"--web.listen-address=127.0.0.1:{port}",
        ], port, lake.clean_environment(home), home)

    def is_ready(self):
        with contextlib.suppress(urllib.error.HTTPError):
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=30).status == 200
        return False

    def ask(self, path, **query):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, text):
        return self.ask("query", query=text)["result"]

    def alerts(self, state=None):
        """Name, table and state of what is pending or firing."""
        found = [(a["labels"]["alertname"], a["labels"].get("table", ""), a["state"]) for a in self.ask("alerts")["alerts"]]
        return {(name, table) for name, table, of in found if state in (None, of)}


# ------------------------------------------------------------------------------------------------------------ checks


def rules_alone(tally):
    with tally.group("promtool: the rules are valid, and each fires and does not fire where it should") as group:
        done = promtool("check", "rules", RULES)
        group.equal(done.returncode, 0, f"check rules: {done.stdout} {done.stderr}")
        done = promtool("test", "rules", RULES.with_name("alerts_test.yml"))
        group.equal(done.returncode, 0, f"test rules: {done.stdout} {done.stderr}")
        rules = [rule for part in yaml.safe_load(RULES.read_text())["groups"] for rule in part["rules"]]
        group.note(f"{len(rules)} alerts")
        tests = yaml.safe_load(RULES.with_name("alerts_test.yml").read_text())["tests"]
        tried = [(case["alertname"], bool(case["exp_alerts"])) for test in tests for case in test.get("alert_rule_test", [])]
        group.equal({name for name, fires in tried if fires}, {rule["alert"] for rule in rules}, "alerts with a test that fires")
        for rule in rules:
            said = rule["annotations"]
            group.true(len(said["summary"]) > 10 and len(said["description"]) > 80, f"{rule['alert']} says too little")

    with tally.group("promtool sees a rule that never fires, and one that always does") as group:
        for old, new in (("costlake_lagging > 0", "costlake_lagging > 99"), ("costlake_lagging > 0", "costlake_lagging >= 0")):
            folder = lake.temporary("rules")
            (folder / "alerts.yml").write_text(RULES.read_text().replace(old, new))
            (folder / "alerts_test.yml").write_text(RULES.with_name("alerts_test.yml").read_text())
            group.true(promtool("test", "rules", "alerts_test.yml", directory=folder).returncode != 0, f"{new} passes")

    with tally.group("promtool: the configuration is valid where the commands of the page put it, and not without the token") as group:
        steps = printed.sections("monitoring.md", "Prometheus")
        for name, code in (("token", 0), ("another", 1)):
            etc = lake.temporary("etc")
            (etc / "prometheus").mkdir()
            pairs = [("/etc/prometheus", str(etc / "prometheus")), ("-g prometheus", f"-g {os.getgid()}")]
            pairs += [("install ", "true install ")] if code else []
            home = lake.temporary("clone")
            (home / "deploy").symlink_to(DEPLOY)
            (home / name).write_text("t\n")
            done = printed.play(steps, home, lake.clean_environment(home), pairs, expect={code})
            group.true(code or "SUCCESS" in done.out, f"{done.out} {done.err}")
        return len(rules)
    return None


def unknown_names(text, metrics):
    known = set(re.findall(r"^# TYPE (costlake_\w+)", metrics, re.MULTILINE))
    counters = set(re.findall(r"^# TYPE (costlake_\w+) counter", metrics, re.MULTILINE))
    known = (known - counters) | {f"{name}_total" for name in counters}
    return sorted(names_in(text) - known)


def same_names(tally, well, unwell):
    with tally.group("every metric that alerts, their tests and the dashboard name is one of /metrics") as group:
        metrics = well.metrics() + unwell.metrics()  # only metrics with a value are named
        files = [RULES, RULES.with_name("alerts_test.yml"), DASHBOARD]
        for file in files:
            named = names_in(file.read_text())
            group.true(len(named) > 5, f"{file.name} names {sorted(named)}")
            group.equal(unknown_names(file.read_text(), metrics), [], f"{file.name} names what serve does not give")
        renamed = metrics.replace("costlake_lagging", "costlake_lags")
        group.equal(unknown_names(RULES.read_text(), renamed), ["costlake_lagging"], "a metric that was renamed")
        with contextlib.suppress(urllib.error.HTTPError):
            well.metrics(token="another")
            group.true(False, "the metrics need no token")


def strict(tally, well):
    with tally.group("the strict reader of OpenMetrics takes /metrics, and not without its end") as group:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families

        text = well.metrics()
        group.true(len(list(text_string_to_metric_families(text))) > 25, "families")
        for worse in (text.replace("# EOF\n", ""), text.replace("costlake_cost_newest_day{", "costlake_cost_newest_day{{", 1)):
            try:
                list(text_string_to_metric_families(worse))
                group.true(False, "what is broken is taken")
            except ValueError:
                pass


def expected_bill(root, table):
    """Currency: (newest day, cost of it, cost of its month up to it), as DuckDB adds it up; a month's day is its first."""
    import duckdb

    day = {"hours": "CAST(timezone('UTC', period_start) AS DATE)"}.get(table, "usage_date")
    with duckdb.connect() as db:
        db.sql(f"""CREATE VIEW bill AS SELECT {day} AS day, currency, unblended_cost AS cost
            FROM read_parquet('{root}/{table}/**/*.parquet', hive_partitioning = false)""")
        return {currency: rest for currency, *rest in db.sql("""
            SELECT currency, epoch(newest)::BIGINT, sum(cost) FILTER (day = newest), sum(cost),
                   epoch(date_trunc('month', newest))::BIGINT
            FROM bill, (SELECT max(day) AS newest FROM bill)
            WHERE day >= date_trunc('month', newest) AND day <= newest GROUP BY ALL""").fetchall()}


def bills(tally, well, prometheus):
    with tally.group("the bill in /metrics is what DuckDB adds up, digit for digit, and Prometheus has its nearest double") as group:
        found, said = samples(well.metrics()), 0
        for table in BILLED:
            for currency, (day, cost, month, first) in expected_bill(well.root, table).items():
                labels = tuple(sorted({"table": table, "currency": currency, "metric": "unblended_cost"}.items()))
                of_table = (("table", table),)
                expected = {"cost_month_to_date": (labels, month), "cost_month_timestamp_seconds": (of_table, first)}
                if table != "months":
                    expected |= {"cost_newest_day": (labels, cost), "cost_newest_day_timestamp_seconds": (of_table, day)}
                for name, (key, value) in expected.items():
                    text = found.pop((f"costlake_{name}", key), None)
                    group.equal(text, plain(value), f"{table} {name}")
                    selector = ",".join(f'{label}="{text}"' for label, text in key)
                    (sample,) = prometheus.query(f"costlake_{name}{{{selector}}}")
                    group.equal(float(sample["value"][1]), float(value), f"{table} {name} in Prometheus")
                    said += 1
        group.true(said >= 14, f"only {said} samples")
        left = sorted(key for key in found if key[0].startswith("costlake_cost_") and "left_out" not in key[0])
        group.equal(left, [], "other samples of the bill")
        group.note(f"{said} samples")
        return said
    return None


def plain(value):
    return format(lake.Decimal(value).normalize(), "f")


def what_fires(tally, well, unwell, prometheus):
    expected = {
        ("CostlakeRunFailed", "denied"), ("CostlakeTableStale", "denied"),
        ("CostlakeBudgetReached", "capped"), ("CostlakeTableStale", "capped"),
        ("CostlakeFiguresHeld", "held"), ("CostlakeRunFailed", "held"), ("CostlakeTableStale", "held"),
        ("CostlakeRunFailed", "shards"), ("CostlakeTableStale", "shards"), ("CostlakeJobFileBroken", ""),
    }
    with tally.group("alerts fire for tables that are denied, capped and held, and for no other") as group:
        with contextlib.suppress(TimeoutError):
            lake.wait_for(lambda: prometheus.alerts("firing") >= expected, 60, "alerts")
        group.equal(prometheus.alerts("firing"), expected, "what fires")
        (left_out,) = [v for (name, key), v in samples(unwell.metrics()).items()
                       if name == "costlake_cost_accounts_left_out" and ("table", "shards") in key]
        group.equal(left_out, "1", "accounts of shards that are not in its bill")
        group.note(", ".join(sorted({name for name, _ in prometheus.alerts("firing")})))
        return len(expected)
    return None


def silence(tally, served, prometheus):
    with tally.group("an alert fires when costlake is silent") as group:
        for one in served:
            one.__exit__()
        lake.wait_for(lambda: ("CostlakeSilent", "") in prometheus.alerts("firing"), 60, "alert")
        group.equal(prometheus.alerts(), {("CostlakeSilent", "")}, "what fires")


# --------------------------------------------------------------------------------------------------------- dashboard


def panels_of(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def overlapping(panels):
    places = [(p["title"], p["gridPos"]) for p in panels]
    beyond = [title for title, g in places if g["x"] + g["w"] > 24 or g["w"] < 1 or g["h"] < 1]
    apart = lambda a, b: a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]  # noqa: E731
    return beyond + [(a, b) for i, (a, g) in enumerate(places) for b, h in places[:i] if not apart(g, h)]


def dashboard_alone(tally):
    dashboard = json.loads(DASHBOARD.read_text())
    panels = list(panels_of(dashboard))
    with tally.group("the dashboard has what Grafana 10 and 11 need of one") as group:
        group.equal(dashboard["uid"], "costlake", "uid")
        group.true(dashboard["id"] is None and 36 <= dashboard["schemaVersion"] <= 39, "id and schemaVersion")
        ids = [panel["id"] for panel in panels]
        group.equal(len(set(ids)), len(ids), "different ids")
        group.equal(overlapping(panels), [], "panels that overlap or are too wide")
        group.true(overlapping([*panels, panels[1] | {"title": "twice"}]), "an overlap is not seen")
        variables = {v["name"]: v for v in dashboard["templating"]["list"]}
        group.equal({name: v["type"] for name, v in variables.items()}, {"datasource": "datasource", "table": "query"}, "variables")
        source = {"type": "prometheus", "uid": "${datasource}"}
        for panel in panels:
            if panel["type"] == "row":
                continue
            group.true(panel["title"] and panel["description"] and panel["targets"], f"{panel['title']}: title, description, targets")
            group.equal([t["datasource"] for t in (panel, *panel["targets"])], [source] * (1 + len(panel["targets"])), panel["title"])
            refs = [target["refId"] for target in panel["targets"]]
            group.equal(len(set(refs)), len(refs), f"{panel['title']}: refIds")
        group.note(f"{len(panels)} panels")


def dashboard_asked(tally, prometheus):
    dashboard = json.loads(DASHBOARD.read_text())
    with tally.group("each query of the dashboard answers with series") as group:
        (found,) = re.findall(r"^label_values\((\w+), *table\)$", next(
            v["query"]["query"] for v in dashboard["templating"]["list"] if v["name"] == "table"))
        tables = {series["metric"]["table"] for series in prometheus.query(found)}
        group.true(tables >= {*WELL, "denied", "capped", "held", "shards"}, f"tables to choose from: {sorted(tables)}")
        asked = 0
        for panel in panels_of(dashboard):
            for target in panel.get("targets", []):
                text = target["expr"].replace("$__range", "1m").replace("$__rate_interval", "1m")
                group.true("$" not in text.replace("$table", ""), f"{panel['title']}: a variable that is not known: {text}")
                answer = prometheus.query(text.replace("$table", "|".join(sorted(tables))))
                group.true(answer, f"{panel['title']}: no series of {text}")
                of_table = prometheus.query(text.replace("$table", "costs|capped|held|shards|fleet"))
                others = {s["metric"].get("table") for s in of_table} - {None, "costs", "capped", "held", "shards", "fleet"}
                group.equal(others, set(), f"{panel['title']}: tables that were not chosen")
                legend = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
                missing = [label for label in legend if not all(label in series["metric"] for series in answer)]
                group.equal(missing, [], f"{panel['title']}: labels of the legend that series lack")
                asked += 1
        group.note(f"{asked} queries")
        return asked
    return None


def check(tally, stack):
    missing = [program for program in ("prometheus", "promtool") if not shutil.which(program)]
    if missing:
        tally.skip(f"{' and '.join(missing)}: not installed, see tests/peers/run.sh", "prometheus")
        return
    rules = rules_alone(tally)
    dashboard_alone(tally)
    server = stack.enter_context(lake.sandbox(NOW))
    well, unwell = Served(server, WELL, "well"), Served(server, UNWELL, "unwell")
    with lake.sandbox(SETTLED) as settled:
        unwell.costlake.run("run", "held", lake=unwell.root, COSTLAKE_NOW=SETTLED, **lake.against(settled))
    for served in (well, unwell):
        stack.enter_context(served)
    lake.wait_for(lambda: well.has_run(WELL), 120, "first runs")
    lake.wait_for(lambda: unwell.has_run(UNWELL.keys() - {"broken"}), 120, "first runs of what is not well")
    same_names(tally, well, unwell)
    strict(tally, well)
    prometheus = stack.enter_context(Prometheus([well, unwell]))
    lake.wait_for(prometheus.is_ready, 60, "Prometheus that is ready")
    lake.wait_for(lambda: len(prometheus.query("costlake_build_info")) == 2, 30, "scrapes")
    equal, fire = bills(tally, well, prometheus), what_fires(tally, well, unwell, prometheus)
    queries = dashboard_asked(tally, prometheus)
    silence(tally, (well, unwell), prometheus)
    tally.figure("prometheus", f"{rules} rules; {fire} alerts fire over two `serve`; {equal} figures of the bill as in DuckDB; "
                 f"{queries} queries of the dashboard")


lake.main(check)
