"""The pictures of the documents: what they show is what the page shows today.

Each is taken in headless Chromium from the sandbox's figures at a set time, and holds a digest of the words and numbers that it
shows. The folder of the lake and the port of the sandbox are others than shown, since checks run beside each other.
COSTLAKE_BLESS=1 takes those pictures anew that say something else by now.
"""

import hashlib
import json
import os
import re
import shutil
import struct
import zlib

import check_page
import lake

IMAGES = lake.REPOSITORY / "docs" / "images"
NIGHTS = ("2026-11-18T06:00:00Z", "2026-11-19T06:00:00Z", "2026-11-20T06:00:00Z")
JOBS = ("aws_cost_by_service", "aws_cost_by_team", "aws_cost_monthly", "aws_savings_plans_coverage", "datadog_cost", "datadog_savings")
HELD = """description = "Daily cost by service, reviewed"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-09-01"
quarantine_share = 0.0001
[limits]
requests_per_second = 1000
"""
# Name, path of the page, and the height that is shown, or the part of the page.
PICTURES = (
    ("table", "/jobs/aws_cost_by_service", 1250),
    ("tables", "/", 1120),
    ("restatements", "/restatements", 720),
    ("held", "/jobs/reviewed?day={day}", "section.held"),
)
# Sets other names for some texts of a page.
RENAME = """names => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode())
    for (const [from, to] of names)
      walk.currentNode.textContent = walk.currentNode.textContent.replaceAll(new RegExp(from, "g"), to);
}"""
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def said(text):
    """The digest of a page's words; how long something took, and the random part of a run's name, are no part of it."""
    text = re.sub(r"\b[0-9.,]+ (ms|s)\b|(?<=Z-)[0-9a-f]{8}\b", "…", text)
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def labelled(png, digest):
    """The picture with the digest in a chunk of text before its end."""
    data = b"page\0" + digest.encode()
    chunk = struct.pack(">I", len(data)) + b"tEXt" + data + struct.pack(">I", zlib.crc32(b"tEXt" + data))
    end = png.rindex(b"IEND") - 4
    return png[:end] + chunk + png[end:]


def label(png):
    """The digest in a picture."""
    found = re.search(rb"tEXtpage\0([0-9a-f]{64})", png)
    return found[1].decode() if found and png.startswith(SIGNATURE) else None


def filled(jobs, root):
    """A lake after three nights, one table of which has a month that waits for a person."""
    for job in JOBS:
        shutil.copy(lake.unpaced_jobs() / f"{job}.toml", jobs)
    (jobs / "reviewed.toml").write_text(HELD)
    before = "2026-10-16T06:00:00Z"
    with lake.sandbox(before) as server:
        lake.Costlake(before, jobs=jobs, **lake.against(server)).run("run", "reviewed", lake=root)
    for night in NIGHTS:
        with lake.sandbox(night) as server:
            lake.Costlake(night, jobs=jobs, **lake.against(server)).run("run", lake=root, expect=1)


def taken(chromium, url, names, path, part):
    visit = check_page.Visit(chromium, url, viewport={"width": 1100, "height": part if isinstance(part, int) else 900})
    visit.open(path)
    visit.page.wait_for_load_state("networkidle")
    visit.page.evaluate(RENAME, names)
    shown = visit.page if isinstance(part, int) else visit.page.locator(part)
    picture = shown.screenshot(animations="disabled")
    text = visit.page.inner_text("body")
    visit.context.close()
    return picture, said(text), visit.wrong


def check(tally, stack):
    jobs, root = lake.temporary("pictured-jobs"), lake.temporary("pictured") / "lake"
    filled(jobs, root)
    server = stack.enter_context(lake.sandbox(NIGHTS[-1]))
    costlake = lake.Costlake(NIGHTS[-1], jobs=jobs, **lake.against(server))
    (port,) = lake.free_ports(1)
    (table,) = json.loads(costlake.run("status", "reviewed", "--output", "json", lake=root).out)["tables"]
    day = next(slot["day"] for slot in table["days"] if slot["state"] == "quarantined")
    names = [[str(root), "/srv/lake"], [str(jobs), "/srv/jobs"], [r"127\.0\.0\.1:\d+", "127.0.0.1:8090"]]
    with check_page.serve(costlake, root, port) as page, check_page.browser() as chromium:
        for name, path, part in PICTURES:
            with tally.group(f"{name}.png shows what the page says") as group:
                picture, digest, wrong = taken(chromium, page.url, names, path.format(day=day), part)
                group.equal(wrong, [], "what the browser complained about")
                file = IMAGES / f"{name}.png"
                if os.environ.get("COSTLAKE_BLESS") and (not file.exists() or label(file.read_bytes()) != digest):
                    file.write_bytes(labelled(picture, digest))
                group.equal(label(file.read_bytes()) if file.exists() else None, digest, "digest of its words (COSTLAKE_BLESS=1 takes it anew)")
    with tally.group("every picture of the documents is one of these, and is shown somewhere") as group:
        names = {f"{name}.png" for name, *_ in PICTURES}
        group.equal({file.name for file in IMAGES.iterdir()}, names, "files in docs/images")
        documents = [lake.REPOSITORY / "README.md", *(lake.REPOSITORY / "docs").rglob("*.md")]
        shown = {match for file in documents for match in re.findall(r"!\[[^\]]*\]\([^)]*images/([^)]+)\)", file.read_text())}
        group.equal(shown, names, "pictures that are shown")
    with tally.group("words that changed are noticed") as group:
        group.true(said("costs 5 in 3 ms") == said("costs  5 in 4.5 s") != said("costs 6 in 3 ms"), "only time may differ")
        group.equal(label(labelled(SIGNATURE + b"\0\0\0\0IEND\xaeB`\x82", said("x"))), said("x"), "the digest in a picture")


if __name__ == "__main__":
    lake.main(check)
