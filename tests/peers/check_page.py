"""The status page in a real browser: headless Chromium opens what `serve` answers, with and without scripts, on a phone
and in the dark; and a backfill is started from it.

COSTLAKE_PEERS_SCREENSHOTS names a folder for the pictures.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import urllib.error
import urllib.request

import lake

NOW = "2026-11-20T06:00:00Z"
TOKEN = "a-token-of-the-checks-0123456789"
JOBS = {
    "costs": """description = "Cost by <script>alert('team')</script> & service"
[schedule]
cron = "30 6 * * *"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ tag = "team" }, { dimension = "SERVICE" }]
[window]
begin = "2025-11-01"
[limits]
requests_per_second = 1000
""",
    "held": """[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost", "UsageQuantity"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-09-01"
quarantine_share = 0.0001
[limits]
requests_per_second = 1000
""",
    "monthly": """[source]
type = "aws_cost_and_usage"
granularity = "MONTHLY"
metrics = ["UnblendedCost"]
[window]
begin = "2026-01-01"
""",
    "never": """[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
[window]
begin = "2026-09-01"
""",
    "savings": """[source]
type = "datadog_savings"
queries = [{ provider = "aws", product = "ec2" }]
[window]
begin = "2026-08-01"
[limits]
requests_per_second = 1000
""",
    "snapshots": "[source]\ntype = \"datadog_ccm_config\"\n",
}
# The rules that ran, and of each that was broken the first element. Lists of what passes would take minutes to hand over.
AXE_RUN = """async ([tags, dark]) => {
  const rules = {};
  for (const rule of axe.getRules(tags)) if (dark && !rule.tags.includes('cat.color')) rules[rule.ruleId] = { enabled: false };
  const results = await axe.run({ runOnly: tags, rules, resultTypes: ['violations'] });
  const ran = [results.passes, results.violations, results.incomplete, results.inapplicable].flat().map(rule => rule.id);
  return [ran, results.violations.map(rule => `${rule.id}: ${rule.nodes[0].html.slice(0, 200)}`)];
}"""
# How many colours the dark style sheet sets for the whole page, and what else it sets.
DARK_STYLE = """() => {
  let colours = 0;
  const others = [];
  const walk = (rules, dark) => {
    for (const rule of rules) {
      const inside = dark || (rule.media ? rule.media.mediaText : '').includes('prefers-color-scheme');
      for (const name of inside && rule.style ? rule.style : []) {
        const value = rule.style.getPropertyValue(name).trim();
        if (rule.selectorText === ':root' && name.startsWith('--') && CSS.supports('color', value)) colours += 1;
        else others.push(`${rule.selectorText} ${name}: ${value}`);
      }
      if (rule.cssRules) walk(rule.cssRules, inside);
    }
  };
  for (const sheet of document.styleSheets) walk(sheet.cssRules, false);
  return [colours, others];
}"""
# From Chromium's own words for a page that breaks its policy.
BROKEN_POLICY = re.compile("content security policy", re.I)


def serve(costlake, lake_folder, port, *arguments, before=(), **environment):
    command = [*before, lake.binary(), "serve", "--listen", f"127.0.0.1:{port}", "--jobs", costlake.jobs, "--lake", lake_folder]
    return lake.Server("serve", [*command, *arguments], port, costlake.environment | environment, costlake.home)


@contextlib.contextmanager
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            yield chromium
        finally:
            chromium.close()


class Visit:
    """A browser of its own that notes what a page may not do: errors, breaches of its policy, and other hosts."""

    def __init__(self, chromium, url, **settings):
        self.url, self.wrong = url, []
        self.context = chromium.new_context(**settings)
        self.page = self.context.new_page()
        self.page.on("console", lambda said: said.type == "error" and self.wrong.append(said.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda asked: asked.url.startswith(url) or self.wrong.append(f"asked {asked.url}"))
        self.page.on("dialog", lambda dialog: (self.wrong.append("a dialog opened"), dialog.dismiss()))

    def open(self, path):
        answer = self.page.goto(self.url + path)
        return answer.status

    def sign_in(self):
        self.open("/login")
        self.page.fill("#token", TOKEN)
        # Expected before the click: asked for afterwards, it may be over already, or not have begun.
        with self.page.expect_navigation(wait_until="load"):
            self.page.click("button[type=submit]")

    def cells(self):
        """State by day as the calendar's accessible names say it."""
        names = self.page.eval_on_selector_all("table.calendar a.c", "cells => cells.map(cell => cell.getAttribute('aria-label'))")
        return {name.split(":")[0]: name.split(": ")[1].split(",")[0] for name in names}

    def violations(self, *tags, dark=False):
        """What axe finds wrong; in the dark only by its rules of colours, as `only_colours` holds that nothing else differs."""
        from axe_playwright_python.base import AXE_SCRIPT

        self.page.evaluate(AXE_SCRIPT)
        ran, found = self.page.evaluate(AXE_RUN, [tags, dark])
        if "color-contrast" not in ran or (len(ran) < 20) != dark:
            raise RuntimeError(f"axe ran {len(ran)} rules: {ran}")
        return found

    def only_colours(self, group):
        """The dark style sheet sets nothing but colours, and a rule that set something else would be seen."""
        names, others = self.page.evaluate(DARK_STYLE)
        group.true(names > 20, f"{names} colours of the dark")
        group.equal(others, [], "what the dark style sheet sets besides colours")
        self.page.evaluate("document.styleSheets[0].insertRule('@media (prefers-color-scheme: dark) { .panel { --paper: 2px; display: none } }')")
        group.equal(self.page.evaluate(DARK_STYLE)[1], [".panel --paper: 2px", ".panel display: none"], "a rule that hides in the dark")

    def picture(self, name):
        folder = os.environ.get("COSTLAKE_PEERS_SCREENSHOTS")
        if folder:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(pathlib.Path(folder) / f"{name}.png"), full_page=True)

    def fits(self):
        return self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def status(costlake, root):
    """What `status` says; one of the job files is broken, which is its exit code."""
    return json.loads(costlake.run("status", "--output", "json", lake=root, expect=2).out)


def states(costlake, root):
    """State by job and day as `status` says them, in the words of the page."""
    document = status(costlake, root)
    shown = {"settled": "final", "unsettled": "mismatch", "quarantined": "held for review", "out_of_reach": "not available"}
    words = lambda day: "stale" if day["stale"] and day["state"] in ("estimated", "settled") else shown.get(day["state"], day["state"])
    return {table["table"]: {day["day"]: words(day) for day in table["days"]} for table in document["tables"]}


def check_calendars(group, visit, costlake, root):
    for job, days in states(costlake, root).items():
        group.equal(visit.open(f"/jobs/{job}"), 200, f"the page of {job}")
        wanted = {day[:7] if job == "monthly" else day: state for day, state in days.items()}
        group.same_mapping(visit.cells(), wanted, f"the calendar of {job}")
        group.note(f"{job}: {', '.join(sorted(set(wanted.values())))}")


def check_pages(tally, chromium, costlake, root, url):
    with tally.group("the calendars show the states that status tells, for every job") as group:
        visit = Visit(chromium, url, viewport={"width": 1280, "height": 900})
        visit.sign_in()
        group.equal(visit.page.url, url + "/", "where signing in leads to")
        group.equal(visit.page.locator("article.card").count(), len(JOBS), "cards on the overview")
        visit.picture("overview")
        check_calendars(group, visit, costlake, root)
        group.equal(visit.wrong, [], "what the browser complained about")
    with tally.group("a day can be opened, and its exact sums are the ledger's") as group:
        visit.open("/jobs/costs")
        visit.page.click("a.c[aria-label^='2026-10-05']")
        text = visit.page.inner_text("#day")
        document = json.loads(costlake.run("status", "costs", "--output", "json", lake=root).out)
        day = next(day for day in document["tables"][0]["days"] if day["day"] == "2026-10-05")
        whole, _, fraction = day["sums"]["unblended_cost"].partition(".")
        group.true(f"{int(whole):,}.{fraction}" in visit.page.inner_text("main"), f"{day['sums']} in: {text[:200]}")
        visit.picture("job")
        group.equal(visit.wrong, [], "what the browser complained about")
    with tally.group("hostile text is shown, not run") as group:
        group.true("<script>alert('team')</script>" in visit.page.inner_text("main"), "the description as written")
        group.equal(visit.wrong, [], "what the browser complained about")
    with tally.group("no violation of WCAG A or AA that axe can find, light and dark") as group:
        visit.only_colours(group)
        for scheme in ("light", "dark"):
            visit.page.emulate_media(color_scheme=scheme)
            for path in ("/", "/jobs/costs?day=2026-10-05", "/jobs/costs?range=30d&by=week", "/jobs/savings", "/jobs/never"):
                visit.open(path)
                group.equal(visit.violations("wcag2a", "wcag2aa", dark=scheme == "dark"), [], f"{path} in {scheme} mode")
        visit.context.close()


def check_charts(tally, chromium, url):
    with tally.group("a chart shows the value of the point under the pointer, and of the one with the focus") as group:
        visit = Visit(chromium, url, viewport={"width": 1280, "height": 900})
        visit.sign_in()
        visit.open("/jobs/costs?range=90d")
        points = visit.page.locator(".points").first.locator("a.hit")
        shown = lambda point: point.evaluate("point => getComputedStyle(point, '::after').content")
        group.equal(points.count(), 90, "a link for each day")
        group.equal(shown(points.nth(3)), "none", "what an untouched point shows")
        points.nth(3).hover()
        group.true(re.search(r"2026-\d\d-\d\d: [\d,.-]+ USD", shown(points.nth(3))), f"on hover: {shown(points.nth(3))}")
        visit.picture("chart-hover")
        visit.page.mouse.move(0, 0)
        points.last.focus()
        visit.page.keyboard.press("ArrowLeft")
        named = visit.page.evaluate("document.activeElement.getAttribute('aria-label')")
        group.equal(named, points.nth(88).get_attribute("aria-label"), "the point that the left arrow leads to")
        group.true(named in shown(points.nth(88)).replace("\\", ""), f"on focus: {shown(points.nth(88))}")
        visit.page.keyboard.press("Home")
        with visit.page.expect_navigation():
            visit.page.keyboard.press("Enter")
        group.true("day=" in visit.page.url and "range=90d" in visit.page.url, f"a point leads to {visit.page.url}")
        with visit.page.expect_navigation():
            visit.page.click("nav.choices a:text-is('week')")
        group.true("range=90d" in visit.page.url and "by=week" in visit.page.url, f"a choice keeps the others: {visit.page.url}")
        group.true(12 <= visit.page.locator(".points").first.locator("a.hit").count() <= 14, "weeks of 90 days")
        visit.picture("chart-weeks")
        with visit.page.expect_navigation():
            visit.page.locator(".chart .legend a").first.click()
        group.true("Show all" in visit.page.inner_text("main") and "group=" in visit.page.url, f"a group has its days: {visit.page.url}")
        visit.open("/jobs/held?metric=usage_quantity")
        titles = visit.page.locator(".chart figcaption").all_inner_texts()
        group.true(len(titles) > 1 and len(set(titles)) == len(titles), f"a chart for each unit: {titles}")
        visit.picture("chart-units")
        group.equal(visit.open("/jobs/costs?range=5y"), 400, "a range that there is not")
        group.equal([text for text in visit.wrong if "400" not in text], [], "what the browser complained about")
        visit.context.close()


def check_phone(tally, chromium, url):
    with tally.group("at 375 px the proof of a day and the calendar can be read") as group:
        visit = Visit(chromium, url, viewport={"width": 375, "height": 812}, device_scale_factor=2)
        visit.sign_in()
        visit.open("/jobs/costs?day=2026-10-05")
        cells = visit.page.locator("table.proof tbody td")
        group.equal(visit.page.locator("table.proof tbody td").count() % 3, 0, "API total, rows and difference")
        for index in range(cells.count()):
            box = cells.nth(index).bounding_box()
            group.true(box["x"] >= 0 and box["x"] + box["width"] <= 375, f"a number of the proof at {box}")
        label = visit.page.evaluate("getComputedStyle(document.querySelector('table.proof td'), '::before').content")
        group.equal(label, '"API total"', "what a number of the proof is called")
        widths = visit.page.eval_on_selector_all("table.calendar a.c", "cells => cells.map(cell => cell.getBoundingClientRect().width)")
        group.true(min(widths) >= 16, f"the narrowest cell: {min(widths)} px")
        group.true(visit.fits(), "the page is no wider than the screen")
        visit.picture("phone-day")
        visit.context.close()


def check_held(tally, chromium, costlake, root, url):
    held = lambda: [day for day, state in states(costlake, root)["held"].items() if state == "held for review"]
    (day,) = held()
    path = f"/jobs/held?day={day}"
    with tally.group("a held day shows why and by how much, and nothing on it violates WCAG A or AA") as group:
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 375)):
            visit = Visit(chromium, url, viewport={"width": width, "height": 900}, color_scheme=scheme)
            visit.sign_in()
            visit.open(path)
            text = visit.page.inner_text("section.held")
            for word in ("of the settled month 2026-09 was", "In the lake", "Refused", "Difference", "Accept 1 day of 2026-09"):
                group.true(word.lower() in text.lower() or width == 375 and word in ("In the lake", "Refused", "Difference"), f"{word} in: {text}")
            group.equal(visit.violations("wcag2a", "wcag2aa", dark=scheme == "dark"), [], f"{scheme}, {width} px")
            group.true(visit.fits(), f"it fits {width} px")
            visit.picture(f"held-{scheme}-{width}")
            visit.context.close()
    with tally.group("accepting it ends with the month accepted") as group:
        visit = Visit(chromium, url, viewport={"width": 1280, "height": 900})
        visit.sign_in()
        visit.open(path)
        with visit.page.expect_navigation():
            visit.page.click("form[action='/accept/plan'] button")
        plan = visit.page.inner_text("main")
        group.true("Accept 1 held day of 2026-09" in plan and "USD" in plan, plan[:400])
        visit.picture("accept")
        visit.page.click("form[action='/accept'] button[type=submit]")
        lake.wait_for(lambda: not held(), 60, "the month to be accepted")
        group.true(any("is accepted" in note for record in run_records(root, "held", "run") for note in record["notes"]), "the run's note")
        group.equal(visit.wrong, [], "what the browser complained about")
        visit.context.close()


def check_small_dark_plain(tally, chromium, url):
    paths = ("/", "/jobs/costs?day=2026-10-05", "/jobs/savings", "/jobs/monthly", "/jobs/snapshots")
    with tally.group("at 375 px nothing is wider than the screen") as group:
        visit = Visit(chromium, url, viewport={"width": 375, "height": 812}, device_scale_factor=2)
        visit.sign_in()
        for path in paths:
            visit.open(path)
            group.true(visit.fits(), path)
        visit.open(paths[1])
        visit.picture("phone")
        visit.context.close()
    with tally.group("in dark mode the page is dark") as group:
        colours = {}
        for scheme in ("light", "dark"):
            visit = Visit(chromium, url, viewport={"width": 1280, "height": 900}, color_scheme=scheme)
            visit.sign_in()
            visit.open(paths[1])
            paint = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
            colours[scheme] = sum(int(part) for part in re.findall(r"\d+", paint)[:3])
            visit.picture(f"job-{scheme}")
            visit.context.close()
        group.true(colours["light"] > 600 and colours["dark"] < 150, f"{colours}")
    with tally.group("without scripts everything is there, and a day can be chosen") as group:
        visit = Visit(chromium, url, java_script_enabled=False)
        visit.sign_in()
        for path in paths:
            group.equal(visit.open(path), 200, path)
            group.true(visit.page.locator("main h1").count() == 1, f"a heading on {path}")
        visit.open("/jobs/costs")
        visit.page.fill("#choose", "2026-03-04")
        visit.page.click("form.choose button")
        group.true("2026-03-04" in visit.page.inner_text("#day"), "the chosen day")
        group.equal(visit.wrong, [], "what the browser complained about")
        visit.context.close()


def many(folder, number):
    """Small jobs of three sources, as a company of many teams has them."""
    dated = lambda source, begin: f"[source]\n{source}\n[window]\nbegin = \"{begin}\"\n"
    kinds = {
        "cost": dated('type = "aws_cost_and_usage"\ngranularity = "DAILY"\nmetrics = ["UnblendedCost"]', "2026-11-01"),
        "month": dated('type = "aws_cost_and_usage"\ngranularity = "MONTHLY"\nmetrics = ["UnblendedCost"]', "2026-09-01"),
        "saved": dated('type = "datadog_savings"\nqueries = [{ provider = "aws", product = "ec2" }]', "2026-11-10"),
        "accounts": '[source]\ntype = "datadog_ccm_config"\n',
    }
    for index in range(number):
        name = f"{list(kinds)[index % 4]}_of_team_{index // 4:02}"
        text = f'description = "Team {index // 4:02} of {number // 4}"\n{kinds[name.split("_")[0]]}[limits]\nrequests_per_second = 1000\n'
        (folder / f"{name}.toml").write_text(text)


def shown(visit):
    return visit.page.eval_on_selector_all("[data-words]", "all => all.filter(one => !one.hidden && !one.closest('[hidden]')).length")


def check_many(tally, chromium, server):
    """An overview of 200 tables; one of them was never read, and some were restated."""
    jobs = lake.temporary("many-jobs")
    many(jobs, 199)
    costlake = lake.Costlake(NOW, jobs=jobs, **lake.against(server))
    root, earlier = costlake.home / "lake", "2026-11-18T06:00:00Z"
    with lake.sandbox(earlier) as before:
        costlake.run("run", lake=root, COSTLAKE_NOW=earlier, **lake.against(before))
    costlake.run("run", lake=root)
    (jobs / "waiting.toml").write_text(JOBS["never"])
    (jobs / "broken.toml").write_text("[source]\ntype = \"nonesuch\"\n")
    (port,) = lake.free_ports(1)
    with serve(costlake, root, port) as page:
        paths = ("/", "/?search=team_07", "/restatements")
        with tally.group("200 tables: what needs a person first, the rest folded by source") as group:
            visit = Visit(chromium, page.url, viewport={"width": 1280, "height": 900})
            # The tables are read from the lake one after the other, while the page answers.
            shows = lambda path, text: visit.open(path) == 200 and text in visit.page.inner_text("main")
            lake.wait_for(lambda: shows("/restatements", "the newest 200 are shown"), 60, "log of all that it shows at most")
            lake.wait_for(lambda: shows("/", "1 table needs attention"), 60, "overview of tables that have been read")
            group.equal(visit.page.locator("li.row").count(), 200, "rows")
            heads = visit.page.locator("main h2").all_inner_texts()
            group.equal(heads, ["1 job file has errors", "1 table needs attention", "aws_cost_and_usage", "datadog_ccm_config", "datadog_savings"], "headings in order")
            group.equal(visit.page.locator("details[open]").count(), 0, "sources that are unfolded")
            visit.picture("overview-200")
            for scheme in ("light", "dark"):
                visit.page.emulate_media(color_scheme=scheme)
                for path in paths:
                    visit.open(path)
                    found = visit.violations("wcag2a", "wcag2aa", "best-practice", dark=scheme == "dark")
                    group.equal(found, [], f"{path} in {scheme} mode")
            visit.picture("restatements-dark")
            group.equal(visit.page.locator("table.log tbody tr").count(), 200, "lines of the log")
            group.equal(visit.wrong, [], "what the browser complained about")
        with tally.group("a search narrows the tables as it is typed, and without scripts") as group:
            visit.open("/")
            visit.page.fill("#search", "TEAM_07 savings")
            group.equal(shown(visit), 1, "tables shown for two words")
            group.equal(visit.page.inner_text("[data-found]"), "1 of 200 tables found.", "what is said")
            visit.page.fill("#search", "")
            group.equal((shown(visit), visit.page.locator("details[open]").count()), (200, 0), "after it")
            visit.open("/?search=team_07")
            group.equal(shown(visit), 4, "tables that the server finds")
            visit.page.fill("#search", "team_08")
            # What the server had left out is fetched first.
            visit.page.locator("#job-cost_of_team_08").wait_for(state="visible")
            group.equal(visit.page.inner_text("[data-found]"), "4 of 200 tables found.", "what is said")
            visit.context.close()
            plain = Visit(chromium, page.url, java_script_enabled=False, viewport={"width": 375, "height": 812})
            plain.open("/")
            plain.page.fill("#search", "team_07")
            plain.page.click("form.search button")
            group.equal(plain.page.locator("li.row").count(), 4, "tables found without scripts")
            for path in paths:
                plain.open(path)
                group.true(plain.fits(), f"{path} fits 375 px")
                plain.picture(f"phone-200-{len(path)}")
            plain.context.close()
        check_polls(tally, chromium, page.url)


def check_polls(tally, chromium, url):
    with tally.group("one request for all 200 tables, none while the page is hidden") as group:
        visit = Visit(chromium, url)
        visit.page.clock.install()
        asked = []
        visit.page.on("request", lambda request: request.url.endswith(".svg") or asked.append(request.url.removeprefix(url)))
        visit.open("/")
        hide = lambda value: visit.page.evaluate(
            "value => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => value }); document.dispatchEvent(new Event('visibilitychange')); }", value
        )

        def pass_a_minute(is_seen):
            asked.clear()
            for _ in range(4):
                with visit.page.expect_response("**/live") if is_seen else contextlib.nullcontext():
                    visit.page.clock.run_for(15_000)
                visit.page.wait_for_timeout(300)
            return list(asked)

        group.equal(pass_a_minute(True), ["/live"] * 4, "requests of a visible minute")
        hide(True)
        group.equal(pass_a_minute(False), [], "requests of a hidden minute")
        asked.clear()
        with visit.page.expect_response("**/live"):
            hide(False)
        group.equal(asked, ["/live"], "requests when it is seen again")
        group.equal(visit.wrong, [], "what the browser complained about")
        visit.context.close()


def backfill(visit, job, first, last):
    visit.open(f"/jobs/{job}")
    visit.page.fill("#from", first)
    visit.page.fill("#to", last)
    visit.page.click("form[action='/backfill/plan'] button")
    plan = visit.page.inner_text("main")
    visit.page.click("form[action='/backfill'] button[type=submit]")
    return plan


def run_records(root, job, command):
    records = [json.loads(path.read_text()) for path in (pathlib.Path(root) / "_costlake" / job / "runs").glob("*/*-????????.json")]
    return [record for record in records if record["command"] == command]


def check_backfill(tally, chromium, root, url):
    with tally.group("a backfill is planned, confirmed, watched and finishes") as group:
        visit = Visit(chromium, url, viewport={"width": 1280, "height": 900})
        visit.sign_in()
        plan = backfill(visit, "costs", "2026-02-01", "2026-03-31")
        group.true("59 days" in plan and "USD" in plan, plan[:300])
        visit.picture("plan")
        lake.wait_for(lambda: run_records(root, "costs", "backfill"), 60, "record of the backfill")
        (record,) = run_records(root, "costs", "backfill")
        group.equal([fetch["partition"] for fetch in record["fetches"]], ["2026-02", "2026-03"], "what was read")
        group.equal(record["exit_code"], 0, "its exit code")
        shows = lambda: visit.open("/jobs/costs") == 200 and "backfill, " in visit.page.inner_text("main")
        lake.wait_for(shows, 10, "line of the backfill among the runs")
        group.equal(visit.wrong, [], "what the browser complained about")
        visit.context.close()
    with tally.group("without scripts, too") as group:
        visit = Visit(chromium, url, java_script_enabled=False)
        visit.sign_in()
        backfill(visit, "savings", "2026-08-01", "2026-08-31")
        lake.wait_for(lambda: run_records(root, "savings", "backfill"), 60, "record of the backfill")
        group.equal(run_records(root, "savings", "backfill")[0]["exit_code"], 0, "its exit code")
        visit.context.close()


def check_refusals(tally, url):
    def answer(path, method="GET", body=None, **headers):
        request = urllib.request.Request(url + path, method=method, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        with contextlib.suppress(urllib.error.HTTPError):
            return urllib.request.urlopen(request, timeout=10).status
        try:
            urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as error:
            return error.code

    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with tally.group("who is let in") as group:
        group.equal(answer("/healthz"), 200, "/healthz without a token")
        group.equal(answer("/readyz"), 200, "/readyz without a token")
        for path in ("/", "/jobs/costs", "/metrics", "/api/status"):
            group.equal(answer(path), 401, f"{path} without the token")
            group.equal(answer(path, **bearer), 200, f"{path} with it")
            group.true(answer(path, Host="evil.example", **bearer) in (403, 421), f"{path} by another name")
        form = b"job=costs&from=2026-02-01&to=2026-02-02"
        cross = {"Sec_Fetch_Site": "cross-site", **bearer}
        group.equal(answer("/backfill", "POST", form, **cross), 403, "a form of another site")
        group.equal(answer("/backfill", "POST", b"x" * 20_000, Sec_Fetch_Site="same-origin", **bearer), 413, "a large body")
        group.equal(answer("/backfill", **bearer), 405, "a GET of what changes things")


def check_documents(tally, costlake, root, url):
    def get(path):
        request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {TOKEN}"})
        return urllib.request.urlopen(request, timeout=30).read().decode()

    with tally.group("/api/status is what `status` prints, and /metrics is readable") as group:
        from prometheus_client.parser import text_string_to_metric_families

        group.equal(json.loads(get("/api/status")), status(costlake, root), "/api/status")
        names = {family.name: family for family in text_string_to_metric_families(get("/metrics"))}
        group.note(f"{len(names)} metrics")
        group.true(len(names) >= 10, f"{sorted(names)}")


def check(tally, stack):
    jobs = lake.temporary("page-jobs")
    for name, text in JOBS.items():
        (jobs / f"{name}.toml").write_text(text)
    (jobs / "broken.toml").write_text("[source]\ntype = \"nonesuch\"\n")
    server = stack.enter_context(lake.sandbox(NOW))
    costlake = lake.Costlake(NOW, jobs=jobs, **lake.against(server))
    root = costlake.home / "lake"
    earlier = costlake.environment | {"COSTLAKE_NOW": "2026-11-14T06:00:00Z"}
    costlake.run("run", "savings", lake=root, COSTLAKE_NOW=earlier["COSTLAKE_NOW"])
    # September has settled; a refund of one of its days comes four days later and is held.
    before = "2026-10-16T06:00:00Z"
    with lake.sandbox(before) as settled:
        costlake.run("run", "held", lake=root, COSTLAKE_NOW=before, **lake.against(settled))
    costlake.run("run", "held", lake=root, expect=1)
    for job in ("costs", "monthly", "snapshots"):
        costlake.run("run", job, lake=root)
    token = costlake.home / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    (port,) = lake.free_ports(1)
    arguments = ("--token-file", token, "--allow-actions")
    with serve(costlake, root, port, *arguments) as page, browser() as chromium:
        check_pages(tally, chromium, costlake, root, page.url)
        check_charts(tally, chromium, page.url)
        check_phone(tally, chromium, page.url)
        check_small_dark_plain(tally, chromium, page.url)
        check_refusals(tally, page.url)
        check_documents(tally, costlake, root, page.url)
        check_backfill(tally, chromium, root, page.url)
        check_held(tally, chromium, costlake, root, page.url)
        check_many(tally, chromium, server)


if __name__ == "__main__":
    lake.main(check)
