"""Two writers of one window at once, in S3: on Ceph's object gateway and on moto, again and again on each of five tables.

Three clocks make three states of the same days. The table holds one of them, and the programs of the other two write
at once: each commits a generation of its own or is superseded and says so. COSTLAKE_WRITERS_ROUNDS sets how often.
"""

import collections
import concurrent.futures
import json
import os
import random
import time

import lake

CLOCKS = ("2026-11-01T06:00:00Z", "2026-11-02T06:00:00Z", "2026-11-03T06:00:00Z")
TABLE, KEY = "raced", "raced/billing_period=2026-10/data.parquet"
JOB = """source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
window = { begin = "2026-10-30" }
limits = { requests_per_second = 500 }
lake = { keep_history = true }
"""
ARGUMENTS = ("backfill", TABLE, "--from", "2026-10-30", "--to", "2026-10-31", "--yes", "--output", "json")
ROUNDS = {"Ceph": 250, "moto": 50}
LANES = 5


class Ended:
    """How one writer ended, as its own report says it."""

    def __init__(self, done):
        self.code, self.text = done.code, done.out[-1500:] + done.err[-1500:]
        fetch = json.loads(done.out)["jobs"][0]["fetches"][0]
        self.epoch = fetch.get("epoch") if fetch["outcome"] == "committed" else None
        self.superseded = done.code == 5 and (fetch.get("failure") or {}).get("kind") == "superseded"


class Lane:
    """One table, raced for in turn; it remembers the generation and the state it holds."""

    def __init__(self, bucket, programs, sums, environment, seed):
        self.bucket, self.programs, self.sums, self.environment = bucket, programs, sums, environment
        self.random, self.epoch, self.holds = random.Random(seed), 0, None
        self.counted, self.problems = collections.Counter(), []

    def need(self, condition, what):
        if not condition:
            self.problems.append(what)

    def race(self, number):
        pair = [clock for clock in range(len(CLOCKS)) if clock != self.holds]
        self.random.shuffle(pair)
        pair = pair[:2]
        started = []
        for writer in pair:
            started.append(self.programs[writer].start(*ARGUMENTS, lake=self.bucket.lake, **self.environment))
            if self.random.random() < 0.25:
                time.sleep(self.random.random() * 0.15)
        ended = [Ended(lake.finish(process, expect={0, 5})) for process in started]
        commits = sorted((e.epoch, writer) for e, writer in zip(ended, pair, strict=True) if e.epoch)
        what = f"{self.bucket.lake}, race {number}, writers {pair}"
        self.need([epoch for epoch, _ in commits] == list(range(self.epoch + 1, self.epoch + 1 + len(commits))),
                  f"{what}: commits {commits} on generation {self.epoch}")
        for e in ended:
            self.need(e.epoch or e.superseded, f"{what}: exit {e.code}: {e.text}")
        self.need(commits, f"{what}: nobody committed")
        self.epoch, self.holds = commits[-1]
        got = lake.exact_sums(lake.read_rows(self.bucket, TABLE))
        self.need(got == self.sums[self.holds], f"{what}: sums {got}, expected {self.sums[self.holds]}")
        self.counted["superseded" if len(commits) == 1 else "one after the other"] += 1

    def run(self, rounds):
        for number in range(rounds):
            self.race(number)
            if self.problems:
                return
        kept = [name.rsplit("/", 1)[-1] for name in self.bucket.objects(f"_costlake/{TABLE}/history/2026-10")]
        self.need(sorted(kept) == [f"{epoch:020}.parquet" for epoch in range(1, self.epoch)], f"kept generations: {kept}")


def on_store(tally, name, url, programs, sums):
    rounds = int(os.environ.get("COSTLAKE_WRITERS_ROUNDS") or ROUNDS[name])
    begun, environment = time.monotonic(), {"AWS_ENDPOINT_URL_S3": url}
    with tally.group(f"{name}: {rounds} races of two writers of one window: one commit for each generation, sums exact") as group:
        lanes = [Lane(lake.Bucket(url, "writers", f"lane{n}"), programs, sums, environment, n) for n in range(LANES)]
        lanes[0].bucket.client.create_bucket(Bucket="writers")
        with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
            for future in [pool.submit(each.run, rounds // LANES) for each in lanes]:
                future.result()
        counted = sum((each.counted for each in lanes), collections.Counter())
        group.equal([problem for each in lanes for problem in each.problems], [], "problems")
        group.equal(sum(counted.values()), rounds // LANES * LANES, "races")
        group.true(counted["superseded"] > 0, f"nobody was ever superseded: {dict(counted)}")
        for each in lanes:
            done = programs[2].run("verify", TABLE, "--full", lake=each.bucket.lake, **environment)
            group.equal(done.code, 0, f"verify --full: {done.out[-600:]}")
        group.note(f"{dict(counted)}, {time.monotonic() - begun:.1f} s")
        in_turn = counted["one after the other"]
        return f"{name}: {sum(counted.values())} races, {counted['superseded']} superseded, {in_turn} in turn"
    return None


def check(tally, stack):
    jobs = lake.temporary("jobs")
    (jobs / f"{TABLE}.toml").write_text(JOB)
    servers = [stack.enter_context(lake.sandbox(now)) for now in CLOCKS]
    programs = [lake.Costlake(now, jobs=jobs, **lake.against(s)) for now, s in zip(CLOCKS, servers, strict=True)]
    sums = []
    with tally.group("the three states differ") as group:
        for program in programs:
            root = lake.temporary("alone")
            program.run(*ARGUMENTS, lake=root)
            sums.append(lake.exact_sums(lake.read_rows(lake.Folder(root), TABLE)))
        group.equal(len({repr(state) for state in sums}), len(CLOCKS), "states")
    found = []
    for name, peer in (("Ceph", lake.Ceph), ("moto", lake.Moto)):
        try:
            started = stack.enter_context(peer())
        except Exception as error:
            with tally.group(f"{name} starts") as group:
                group.true(False, str(error))
            continue
        found.append(on_store(tally, name, started.url, programs, sums))
    tally.figure("writers", "; ".join(map(str, found)))


lake.main(check)
