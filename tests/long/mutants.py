#!/usr/bin/env python3
"""Mutation testing with one build: see mutants.sh.

The mutants are those of cargo-mutants. They are woven into a copy of the tree (weave/), which is built once; a file then says
which of them a process is to be. What the compiler refuses is left out.
"""
import collections, hashlib, itertools, json, os, re, resource, shutil, signal, subprocess, sys, threading, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "target/long/mutants"
TREE, CHOICE, OMITTED = PLACE / "tree", PLACE / "choice", PLACE / "omitted"
TARGET, REACHED, TEMPORARY = PLACE / "target", PLACE / "reached", PLACE / "tmp"

# Tests of style and layout, and of what is not written.
LEFT_OUT = re.compile("conventions::|sql::|page::|sim::guards")
# A schedule, a death or a race says as much about a mutant as a thousand of them.
ENVIRONMENT = {"COSTLAKE_SIM_SCHEDULES": "400", "COSTLAKE_FUZZED_INPUTS": "100", "COSTLAKE_CRASH_SEEDS": "2",
               "COSTLAKE_RACE_ROUNDS": "20"}
# Every mutant has tests for so many seconds first. Those that are left have all the others after that.
FIRST = 20
# Fewer steps of a kind are a module; the order is that of the table.
MODULES = [
    ("plan", r"src/plan/"),
    ("verify", r"src/pipeline/(verify|repair)"),
    ("publish", r"src/pipeline/publish"),
    ("ledger", r"src/ledger"),
    ("fetch", r"src/pipeline/(fetch|renew|control|totals)"),
    ("lake", r"src/lake/"),
]


def said(text):
    print(text, file=sys.stderr, flush=True)


def module_of(name):
    return next(module for module, pattern in MODULES if re.match(pattern, name))


def cargo(arguments, **more):
    environment = dict(os.environ, CARGO_TARGET_DIR=str(TARGET), CARGO_INCREMENTAL="0")
    return subprocess.run(["cargo", *arguments], cwd=TREE, env=environment, stdin=subprocess.DEVNULL, **more)


def copy_tree():
    """The files that git knows, or would take; those that did not change keep their times."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    shutil.rmtree(TREE, ignore_errors=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name)


def warm():
    """What `cargo test` has built of other crates is linked to, not built again."""
    built = ROOT / "target/debug"
    if TARGET.exists() or not built.exists():
        return
    TARGET.mkdir(parents=True)
    subprocess.run(["cp", "-al", str(built), str(TARGET / "debug")], check=True)
    own = "costlake-* libcostlake-* it-* model-*".split()
    for pattern in own:
        for folder in ["deps", ".fingerprint", "build", "incremental"]:
            for found in (TARGET / "debug" / folder).glob(pattern):
                shutil.rmtree(found) if found.is_dir() else found.unlink()
    for found in (TARGET / "debug").glob("costlake*"):
        found.unlink()


def weave():
    copy_tree()
    tool = [str(PLACE / "weave/debug/costlake-weave"), str(TREE), str(CHOICE), str(PLACE / "list.json"), str(OMITTED)]
    woven = subprocess.run(tool, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {int(number): name for number, name in (line.split("\t") for line in woven.splitlines())}


def blamed(message):
    """The mutants that a compiler error is about: the last one named before its place, or the first one after it, or the arms
    without which a match is not whole."""
    found = {int(number) for number in re.findall(r"if !crate::mutated\((\d+)\) && true", message["rendered"])}
    for span in message["spans"]:
        while span.get("expansion"):
            span = span["expansion"]["span"]
        path = TREE / span["file_name"]
        if not path.exists() or found:
            continue
        lines = path.read_text().splitlines()
        line = lines[span["line_start"] - 1]
        if (message["code"] or {}).get("code") == "E0004":
            arms = itertools.takewhile(lambda arm: not re.match(r" *}[;)]*$", arm), lines[span["line_start"] :])
            found.update(int(number) for arm in arms for number in re.findall(r"if !crate::mutated\((\d+)\) &&", arm))
            continue
        before = re.findall(r"mutated\((\d+)\)", line[: span["column_start"]])
        after = re.findall(r"mutated\((\d+)\)", line[span["column_start"] - 1 :])
        found.update(int(number) for number in (before[-1:] or after[:1]))
    return found


def viable():
    """Weaves and leaves out what the compiler refuses, until it refuses nothing."""
    OMITTED.write_text("")
    for _ in range(12):
        woven = weave()
        check = cargo(["check", "--locked", "--lib", "--message-format=json"], stdout=subprocess.PIPE,
                      stderr=subprocess.DEVNULL, text=True)
        if check.returncode == 0:
            return woven
        wrong = {}
        for line in check.stdout.splitlines():
            message = json.loads(line).get("message") if line.startswith("{") else None
            if message and message.get("level") == "error":
                wrong.update({number: message["message"] for number in blamed(message)})
                if not blamed(message) and message["spans"]:
                    said(f"nobody is to blame: {message['rendered']}")
        if not wrong:
            sys.exit("the woven tree does not compile, and no mutant is to blame")
        said(f"mutants: {len(wrong)} are refused by the compiler")
        with OMITTED.open("a") as out:
            out.writelines(f"{number} {text}\n" for number, text in sorted(wrong.items()))
    sys.exit("the compiler refuses the woven tree again and again")


def build():
    """The test programs."""
    built = cargo(["test", "--locked", "--lib", "--test", "it", "--no-run", "--message-format=json"],
                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if built.returncode != 0:
        sys.exit("the woven tests do not compile")
    programs = {}
    for line in built.stdout.splitlines():
        artifact = json.loads(line) if line.startswith("{") else {}
        if artifact.get("executable") and artifact["profile"]["test"]:
            programs["lib" if "lib" in artifact["target"]["kind"] else "it"] = artifact["executable"]
    return programs


def run(program, tests, seconds):
    """`passed`, `timeout`, or the first test that failed, of tests that take so many seconds without a mutant. The limit is of
    processor time, so that a busy machine makes no timeout; what waits for ever without working is ended later."""
    limit = 20 + int(4 * seconds)
    TEMPORARY.mkdir(exist_ok=True)
    environment = dict(os.environ, CARGO_MANIFEST_DIR=str(TREE), TMPDIR=str(TEMPORARY), **ENVIRONMENT)

    def bounds():
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))

    process = subprocess.Popen([program, "--exact", *tests], cwd=TREE, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
                               preexec_fn=bounds)
    late = threading.Event()

    def end():
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            pass

    timer = threading.Timer(60 + 10 * seconds, lambda: (late.set(), end()))
    timer.start()
    failed = None
    for line in process.stdout:
        if re.match(r"test .* \.\.\. FAILED", line):
            failed = line.split()[1]
            break
    if failed:
        end()
    process.stdout.close()
    code = process.wait()
    timer.cancel()
    end()
    shutil.rmtree(TEMPORARY, ignore_errors=True)
    if failed:
        return failed
    if late.is_set() or code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "timeout"
    return "passed" if code == 0 else f"exit code {code}"


def reached(programs):
    """For each mutant the tests that come to its place, as seconds, program and name: each test runs once by itself, and the
    woven places write down that they were reached."""
    known = PLACE / "reached.json"
    if known.exists() and all(known.stat().st_mtime > os.stat(program).st_mtime for program in programs.values()):
        return {int(number): tests for number, tests in json.loads(known.read_text()).items()}
    by_mutant = collections.defaultdict(list)
    for kind, program in programs.items():
        listed = subprocess.run([program, "--list", "--format", "terse"], cwd=TREE, check=True, stdout=subprocess.PIPE, text=True)
        for test in re.findall(r"^(\S+): test$", listed.stdout, re.M):
            if LEFT_OUT.match(test):
                continue
            REACHED.write_text("")
            CHOICE.write_text(f"reached {REACHED}")
            start = time.monotonic()
            verdict = run(program, [test], 300)
            seconds = time.monotonic() - start
            if verdict != "passed":
                said(f"mutants: without any, {test}: {verdict}; it is left out")
                continue
            for number in set(REACHED.read_text().split()):
                by_mutant[int(number)].append((round(seconds, 3), kind, test))
    CHOICE.write_text("0")
    known.write_text(json.dumps(by_mutant))
    return by_mutant


def placeless(name):
    """The name of a mutant without the line and the column, which change with the file."""
    return re.sub(r":\d+:\d+:", ":", name)


def caught_before(woven):
    """The mutants that an earlier run told as caught, with what it told of them."""
    lines = [line.split("\t") for line in (PLACE / "results").read_text().splitlines()]
    others = {placeless(name) for kind, name, _ in lines if kind != "caught"}
    caught = {placeless(name): verdict for kind, name, verdict in lines if kind == "caught" and placeless(name) not in others}
    return {name: caught[placeless(name)] for name in woven.values() if placeless(name) in caught}


def ordered(woven, shard, known):
    """One mutant of each module after the other; within a module by the digest of its name, which spreads them evenly."""
    part, parts = (int(number) for number in shard.split("/")) if "/" in shard else (1, 1)
    groups = collections.defaultdict(list)
    for number, name in woven.items():
        if name in known:
            continue
        groups[module_of(name)].append((hashlib.sha256(name.encode()).hexdigest(), number, name))
    taken = {module: sorted(all_of)[part - 1 :: parts] for module, all_of in groups.items()}
    while any(taken.values()):
        for module, _ in MODULES:
            if taken.get(module):
                yield taken[module].pop(0)[1:]


def groups(tests):
    """The tests, the quick ones first, in groups of which each takes about four times as long as the one before it."""
    group, limit = [], 1
    for test in sorted(tests):
        group.append(test)
        if sum(seconds for seconds, _, _ in group) > limit:
            yield group
            group, limit = [], 4 * limit
    yield group


def judged(programs, number, tests):
    """What the tests say of a mutant. One that fails must pass without it."""
    for group in groups(tests):
        for kind, program in programs.items():
            left = {name: seconds for seconds, of, name in group if of == kind}
            while left:
                CHOICE.write_text(str(number))
                verdict = run(program, list(left), sum(left.values()))
                CHOICE.write_text("0")
                if verdict == "passed":
                    break
                if verdict not in left or run(program, [verdict], left[verdict]) == "passed":
                    return verdict
                said(f"mutants: {verdict} fails without a mutant too")
                del left[verdict]
    return "passed"


def cut(tests):
    """The quick tests, together not longer than [`FIRST`] but for the last of them, and the others."""
    tests, spent = sorted(tests), itertools.accumulate(seconds for seconds, _, _ in sorted(tests))
    count = sum(1 for seconds in spent if seconds <= FIRST) + 1
    return tests[:count], tests[count:]


def tried(programs, mutants, seconds, known):
    """How many of each module were caught, ran out of time or were missed, and how long that took; the known ones were
    caught by an earlier run."""
    counts = collections.defaultdict(collections.Counter)
    tests = reached(programs)
    started, left = time.monotonic(), []

    def late():
        return seconds and time.monotonic() - started > seconds

    with (PLACE / "results").open("w") as results:
        def note(name, verdict):
            kind = {"passed": "missed", "unreached": "missed", "timeout": "timeout"}.get(verdict, "caught")
            counts[module_of(name)][kind] += 1
            print(f"{kind}\t{name}\t{verdict}", file=results, flush=True)
            if kind != "caught":
                said(f"{kind}: {name}")

        for name, verdict in known.items():
            note(name, verdict)
        for number, name in mutants:
            if late():
                break
            quick, others = cut(tests.get(number, []))
            verdict = judged(programs, number, quick) if quick else "unreached"
            if verdict == "passed" and others:
                left.append((number, name, others))
            else:
                note(name, verdict)
        said(f"mutants: {len(left)} are left for the slower tests after {time.monotonic() - started:.0f} s")
        for number, name, others in left:
            if late():
                break
            note(name, judged(programs, number, others))
    return counts, time.monotonic() - started


def main():
    shard = sys.argv[1] if len(sys.argv) > 1 else ""
    minutes = float(os.environ.get("COSTLAKE_MUTANT_MINUTES", "0"))
    PLACE.mkdir(parents=True, exist_ok=True)
    CHOICE.write_text("0")
    begun = time.monotonic()
    with (PLACE / "list.json").open("w") as out:
        subprocess.run(["cargo", "mutants", "--list", "--json"], cwd=ROOT, check=True, stdout=out)
    listed = len(json.loads((PLACE / "list.json").read_text()))
    manifest = str(ROOT / "tests/long/weave/Cargo.toml")
    tool = ["cargo", "build", "--locked", "--quiet", "--manifest-path", manifest, "--target-dir", str(PLACE / "weave")]
    subprocess.run(tool, check=True)
    warm()
    woven = viable()
    programs = build()
    said(f"mutants: {listed} listed, {len(woven)} woven; built in {time.monotonic() - begun:.0f} s")
    known = caught_before(woven) if shard == "again" else {}
    counts, seconds = tried(programs, list(ordered(woven, shard, known)), 60 * minutes, known)
    CHOICE.write_text("0")
    total = collections.Counter()
    print(f"{'module':<10} {'caught':>7} {'timeout':>8} {'missed':>7}")
    for module, _ in MODULES:
        total.update(counts[module])
        print(f"{module:<10} {counts[module]['caught']:>7} {counts[module]['timeout']:>8} {counts[module]['missed']:>7}")
    count = sum(total.values())
    print(f"mutants: {count} of {listed} tried, {listed - len(woven)} not woven or refused by the compiler; {total['caught']} caught, "
          f"{total['timeout']} timed out, {total['missed']} missed; {seconds:.0f} s, {seconds / max(count, 1):.1f} s each")
    sys.exit(total["missed"] * 20 > count)


main()
