"""Cases of `check_outside.py` in which the words count: denials, keys, profiles, hosts, certificates, places and buckets."""

import os
import shutil
import subprocess
import time
from decimal import Decimal

import lake
import world
from meeting import SAVINGS, Meeting, case

# ------------------------------------------------------------------------------------------------- words and advice


def denied(stack, words, **job):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10", **job)
    told = {"__type": "AccessDeniedException", "message": words}
    met.world.before = lambda question, number: (400, {"x-amzn-ErrorType": "AccessDeniedException"}, told)
    return met.run("run"), met


@case("hourly data that nobody opted in to")
def not_opted_in(group, stack):
    words = "Hourly data granularity is an opt-in only feature. You can enable it from the payer's settings."
    done, met = denied(stack, words, granularity="HOURLY")
    group.equal(met.world.count("costs"), 1, "requests")
    return done


@case("a service control policy that denies")
def policy_denies(group, stack):
    role = "arn:aws:sts::210987654321:assumed-role/nightly/i-0abc"
    what = "ce:GetCostAndUsage on resource: * with an explicit deny in a service control policy"
    done, _ = denied(stack, f"User: {role} is not authorized to perform: {what}")
    group.true("210987654321:assumed-role" not in done.err, "the identity is told")
    return done


@case("a denial in words that nobody knows")
def denied_otherwise(group, stack):
    return denied(stack, "The organisation's trial has lapsed.")[0]


@case("an access key with a character that no header holds")
def odd_key(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIA\tEXAMPLE"), ("AWS_ACCESS_KEY_ID", "AKIAÖ"), ("AWS_SESSION_TOKEN", "a\rb"), ("AWS_SECRET_ACCESS_KEY", "s\n\nx"),
    ):
        for root in (met.root, "s3://bills/x"):
            done = met.run("run", root=root, AWS_ENDPOINT_URL_S3=met.world.url, **{name: value})
            group.equal(done.code, 3, f"{name} {value!r}, {root}: {done.err[-600:]}")
            group.true(name in done.err and value not in done.err, f"{name} {value!r}: {done.err[-600:]}")
    group.equal(met.world.asked, [], "asked")
    return met.run("run", AWS_ACCESS_KEY_ID="AKIA\nEXAMPLE")


@case("the same in a file of profiles")
def odd_key_in_file(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    return profile(met, credentials=KEYS.replace("AKIAEXAMPLE", "AKIA\vX")).run("run")


@case("errors beside a good status of Datadog")
def errors_beside(group, stack):
    met = Meeting(stack, "2026-08-12").of_datadog(SAVINGS, "2026-08-01")
    met.world.datadog = lambda path, query: world.savings(query) | {"errors": ["quota of this organisation is used up"]}
    done = met.run("run")
    group.true(not met.root.joinpath("bill").exists(), "something was written")
    return done


# ------------------------------------------------------------------------------- hosts, profiles, certificates, proxies

KEYS = "[nightly]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = s\n"
CONFIG = "[profile nightly]\nregion = eu-west-1\n"
ADDRESSES = ("AWS_ENDPOINT_URL_COST_EXPLORER", "AWS_ENDPOINT_URL_STS")


def profile(met, config=CONFIG, credentials=KEYS):
    """Both files of the profile, and nothing in the environment that comes before them."""
    met.without(*lake.AWS)
    for name, text in (("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", credentials)):
        path = met.folder / name.lower()
        path.write_bytes(text.encode())
        met.costlake.environment[name] = str(path)
    met.costlake.environment["AWS_PROFILE"] = "nightly"
    return met


def hosts(met, lake_root, **environment):
    """The hosts that a proxy was asked for."""
    met.world.asked.clear()
    met.without(*ADDRESSES)
    done = met.run("status", root=lake_root, HTTPS_PROXY=met.world.url, **environment)
    return sorted({host for who, host in met.world.asked if who == "proxy"}), done


@case("a bucket in another partition")
def partitions(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.world.proxy_says = 407
    for region, more, expected in (
        ("eu-north-1", {}, "s3.eu-north-1.amazonaws.com:443"),
        ("cn-northwest-1", {}, "bills.s3.cn-northwest-1.amazonaws.com.cn:443"),
        ("cn-north-1", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "bills.s3.dualstack.cn-north-1.amazonaws.com.cn:443"),
        ("us-gov-east-1", {"AWS_USE_FIPS_ENDPOINT": "true"}, "bills.s3-fips.us-gov-east-1.amazonaws.com:443"),
        ("ca-central-1", {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
         "bills.s3-fips.dualstack.ca-central-1.amazonaws.com:443"),
        ("eusc-de-east-1", {}, "bills.s3.eusc-de-east-1.amazonaws.eu:443"),
    ):
        found, done = hosts(met, "s3://bills/x", AWS_REGION=region, **more)
        group.equal(found, [expected], f"{region} {more}: {done.err[-600:]}")
    return hosts(met, "s3://bills/x", AWS_REGION="cn-northwest-1")[1]


@case("a profile with addresses of its own")
def profile_addresses(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.without(*ADDRESSES)
    services = "".join(f"{name} =\n  endpoint_url = {met.world.url}\n" for name in ("s3", "cost_explorer", "sts"))
    for form in (f"endpoint_url = {met.world.url}\n", f"services = here\n[services here]\n{services}"):
        profile(met, CONFIG + form)
        met.world.objects, met.world.asked[:] = {}, []
        done = met.run("run", root="s3://bills/x", HTTPS_PROXY=met.world.url)
        group.equal(done.code, 0, f"{form}: {done.err[-800:]}")
        group.equal(met.world.count("proxy"), 0, "hosts of AWS that were asked")
        group.true("x/bill/billing_period=2026-05/data.parquet" in met.world.objects, f"objects: {sorted(met.world.objects)}")
        script = met.run("connect", root="s3://bills/x").out
        group.true(met.world.address in script, "connect names another address")
    return done


@case("addresses that are to be ignored")
def ignored_addresses(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.world.proxy_says = 407
    more = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    found, done = hosts(met, "s3://bills/x", AWS_REGION="eu-west-3", **more)
    group.equal(found, ["s3.eu-west-3.amazonaws.com:443"], "hosts")
    return done


def of_profile(stack, config=CONFIG, credentials=KEYS, **environment):
    return profile(Meeting(stack, "2026-05-18").job(begin="2026-05-10"), config, credentials).run("run", **environment)


@case("a profile that is not there")
def no_profile(group, stack):
    return of_profile(stack, AWS_PROFILE="nihgtly")


@case("a file of profiles that does not parse")
def broken_profiles(group, stack):
    for line, config in ((1, "\ufeff[profile nightly]\nregion = eu-west-1\n"), (4, CONFIG + "[profile other]\n output = json\n")):
        done = of_profile(stack, config)
        group.equal(done.code, 3, f"{config!r}: {done.err[-800:]}")
        group.true(f"aws_config_file on line {line}" in done.err, f"{config!r}: {done.err[-800:]}")
    return of_profile(stack, credentials="[nightly\naws_access_key_id = AKIAEXAMPLE\n")


@case("an empty AWS_REGION")
def empty_region(group, stack):
    return of_profile(stack, AWS_REGION="")


@case("a region that is none in a profile")
def odd_region(group, stack):
    done = of_profile(stack, AWS_REGION="eu-west-1\r\n")
    group.equal(done.code, 0, f"a line end after it: {done.err[-800:]}")
    return of_profile(stack, CONFIG.replace("-", "_"))


@case("profiles as people write them")
def profiles_as_written(group, stack):
    commented, spaced = "[profile nightly] # by finance\nregion=eu-west-1\n", "[profile  nightly ]\n\nregion = eu-west-1 \n; end\n"
    for text in (CONFIG.replace("\n", "\r\n"), commented, spaced):
        done = of_profile(stack, text)
        group.equal(done.code, 0, f"{text!r}: {done.err[-800:]}")
    return done


@case("a certificate of the company's own")
def untrusted(group, stack):
    folder, certificate = world.authority()
    met = Meeting(stack, "2026-05-18", certificate).job(begin="2026-05-10")
    began = time.monotonic()
    done = met.run("run")
    group.true(time.monotonic() - began < 10, f"it took {time.monotonic() - began:.0f} s")
    group.equal(met.run("status", root="s3://bills/x", AWS_ENDPOINT_URL_S3=met.world.url).code, 2, "the bucket")
    trusted = {"AWS_CA_BUNDLE": str(folder / "ca.pem")}
    for root in (met.root, "s3://bills/x"):
        good = met.run("run", root=root, AWS_ENDPOINT_URL_S3=met.world.url, **trusted)
        group.equal(good.code, 0, f"AWS_CA_BUNDLE, {root}: {good.err[-800:]}")
    (folder / "config").write_text(f"[default]\nregion = eu-west-1\nca_bundle = {folder}/ca.pem\n")
    good = met.run("run", root=met.folder / "second", AWS_CONFIG_FILE=str(folder / "config"))
    group.equal(good.code, 0, f"ca_bundle: {good.err[-800:]}")
    met.of_datadog(SAVINGS, "2026-05-10").world.datadog = lambda path, query: world.savings(query)
    group.equal(met.run("run", root=met.folder / "third").code, 2, "Datadog, untrusted")
    good = met.run("run", root=met.folder / "third", **trusted)
    group.equal(good.code, 0, f"Datadog: {good.err[-800:]}")
    return done


@case("a bundle that is not there")
def no_bundle(group, stack):
    return Meeting(stack, "2026-05-18").job().run("run", AWS_CA_BUNDLE="/nowhere/corporate.pem")


@case("a proxy that asks for a password")
def proxy_refuses(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.world.proxy_says = 407
    met.without(*ADDRESSES)
    began = time.monotonic()
    done = met.run("run", HTTPS_PROXY=f"http://someone:hush@{met.world.address}")
    group.true(met.world.address in done.err, f"the proxy is not named: {done.err}")
    group.true("hush" not in done.err, "the password is told")
    group.true(time.monotonic() - began < 10, f"it took {time.monotonic() - began:.0f} s")
    return done


@case("a proxy that nobody understands")
def odd_proxy(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    for value in ("http://bad host:3128", f"http://someone:hush#1@{met.world.address}", f"http://{met.world.address}\n"):
        for root in (met.root, "s3://bills/x"):
            done = met.run("run", root=root, AWS_ENDPOINT_URL_S3=met.world.url, HTTPS_PROXY=value)
            group.equal(done.code, 2, f"{value!r}, {root}: {done.err[-600:]}")
            group.true("HTTPS_PROXY" in done.err and "hush" not in done.err, f"{value!r}, {root}: {done.err[-600:]}")
    done = met.run("run", HTTPS_PROXY="::::")
    group.equal(met.world.asked, [], "asked")
    return done


# ------------------------------------------------------------------------------------------------- places, job files


@case("a folder below names of columns and patterns")
def odd_folder(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-04-20")
    met.root = met.folder / "service=none" / "billing_period=2019-01" / "[a-z]*" / "lake"
    done = met.run("run")
    import duckdb

    with duckdb.connect() as db:
        db.execute(met.run("connect").out)
        found = db.sql("SELECT billing_period, count(*), count(DISTINCT service), sum(unblended_cost) FROM bill GROUP BY 1 ORDER BY 1").fetchall()
    group.equal(found, [("2026-04", 33, 3, Decimal(110)), ("2026-05", 51, 3, Decimal(170))], "the view")
    return done


@case("a lake that only a shell would understand")
def no_folder(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    before = sorted(os.listdir(met.costlake.home))
    shells = ("~/bills", "~ops/bills", "$BILLS/lake", "data/${STAGE}/lake")
    addresses = ("s3:/bills/x", "S3://bills/x", "s3//bills/x", "s3n://bills", "https://bills.example/x", "c:/bills", " s3://bills")
    for text in shells + addresses:
        for command in ("plan", "run"):
            done = met.run(command, root=text)
            group.equal(done.code, 2, f"{command} {text}: {done.err[-400:]}")
    group.equal(met.world.asked, [], "asked")
    group.equal(sorted(os.listdir(met.costlake.home)), before, "folders beside the program")
    good = met.run("run", root="./~bills")
    group.equal(good.code, 0, f"./~bills: {good.err[-400:]}")
    return met.run("run", COSTLAKE_LAKE="unused", root="$HOME/bills")


@case("a lake that is a file")
def lake_is_file(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.root.write_text("not a folder")
    done = met.run("run")
    group.equal(met.root.read_text(), "not a folder", "the file")
    return done


@case("a lake that cannot be written")
def lake_not_writable(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.root.mkdir(mode=0o555)
    for folder in (met.folder, met.jobs, met.costlake.home, lake.work()):
        os.chmod(folder, 0o755)
    program = shutil.copy(lake.binary(), met.folder)  # where another user finds it, too
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    command = [*user, str(program), "run", "--jobs", str(met.jobs), "--lake", str(met.root)]
    done = subprocess.run(command, cwd=met.costlake.home, env=met.costlake.environment, capture_output=True, text=True, timeout=60)
    group.equal(os.listdir(met.root), [], "what was written")
    return lake.Done(command, done.returncode, done.stdout, done.stderr)


def printing_to(met, stdout, *arguments):
    where = () if arguments == ("--help",) else ("--jobs", met.jobs, "--lake", met.root)
    command = [str(part) for part in (lake.binary(), *arguments, *where)]
    done = subprocess.run(command, cwd=met.costlake.home, env=met.costlake.environment, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60)
    return lake.Done(command, done.returncode, "", done.stderr)


@case("a full disk behind stdout")
def full_disk(group, stack):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    met.nights(group, "2026-05-18")
    read, gone = os.pipe()
    os.close(read)
    done = printing_to(met, gone, "connect")
    os.close(gone)
    group.equal(done.code, 0, f"a reader that went away: {done.err[-400:]}")
    with open("/dev/full", "wb") as full:
        for command in ("--help", "connect", "ddl --dialect spark", "run --output json", "status"):
            done = printing_to(met, full, *command.split())
            group.equal(done.code, 1, f"{command}: {done.err[-400:]}")
    return done


@case("a grouping for a column that is there")
def column_twice(group, stack):
    met = Meeting(stack, "2026-05-18")
    for name in ("BILLING_PERIOD", "USAGE_DATE", "CURRENCY", "ESTIMATED"):
        done = met.job(grouping=f'{{ dimension = "{name}" }}').run("check")
        group.equal(done.code, 2, f"{name}: {done.err[-400:]}")
    group.equal(met.job(grouping='{ tag = "currency" }').run("check").code, 0, "a tag of that name")
    return met.job(grouping='{ dimension = "LINKED_ACCOUNT" }, { dimension = "LINKED_ACCOUNT_NAME" }').run("check")


@case("a nightly run without credentials")
def without_credentials(group, stack):
    met = Meeting(stack, "2026-04-10").job(begin="2026-04-01")
    met.nights(group, "2026-04-10")
    keys = {name: met.costlake.environment.pop(name, None) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    group.equal(met.run("run", night="2026-04-11", AWS_EC2_METADATA_DISABLED="true").code, 3, "the night")
    done = met.run("status", "--check", night="2026-04-11")
    met.costlake.environment.update({name: key for name, key in keys.items() if key})
    met.nights(group, "2026-04-11")
    group.equal(met.run("status", "--check", night="2026-04-11").code, 0, "status --check after a good run")
    return done


@case("a job file that asks for another table")
def another_table(group, stack):
    met = Meeting(stack, "2026-04-10").job(begin="2026-04-01")
    met.nights(group, "2026-04-10")
    group.equal(met.run("status", "--check").code, 0, "status --check before the edit")
    met.job(begin="2026-04-01", grouping='{ dimension = "REGION" }')
    done = met.run("status", "--check")
    group.equal((met.run("plan").code, met.run("run").code), (2, 2), "plan and run")
    met.job(begin="2026-04-01")
    met.nights(group, "2026-04-10")
    group.equal(met.run("status", "--check").code, 0, "status --check when it is changed back")
    return done


@case("a budget below the smallest step")
def small_budget(group, stack):
    met = Meeting(stack, "2026-04-10").job(begin="2026-04-01", extra="[budget]\nmax_requests_per_run = 1")
    done = met.run("plan")
    group.equal(met.run("check", "--online").code, 4, "check --online")
    group.equal(met.world.count("costs"), 0, "requests of plan and check --online")
    group.equal((met.run("run").code, met.world.count("costs")), (4, 1), "a run, and its probe")
    return done


@case("a dimension that is misspelt")
def unknown_dimension(group, stack):
    return Meeting(stack, "2026-05-18").job(grouping='{ dimension = "USAGE_TYP" }').run("check")


# ---------------------------------------------------------------------------------------------- buckets with rules


def in_bucket(stack, **rules):
    met = Meeting(stack, "2026-05-18").job(begin="2026-05-10")
    for name, rule in rules.items():
        setattr(met.world, name, rule)
    met.costlake.environment["AWS_ENDPOINT_URL_S3"] = met.world.url
    return met.run("run", root="s3://bills/x"), met


@case("a bucket that demands encryption")
def encryption(group, stack):
    done, met = in_bucket(stack, encryption="aws:kms")
    group.equal(met.world.objects, {}, "objects")
    met.costlake.environment |= {"COSTLAKE_LAKE_SSE": "aws:kms", "COSTLAKE_LAKE_KMS_KEY_ID": "alias/bills"}
    group.equal(met.run("run", root="s3://bills/x").code, 0, "with the header")
    group.equal(set(met.world.keys_named), {"alias/bills"}, "the key of each write")
    group.true([key for key in met.world.objects if key.endswith(".parquet")], "an object was written")
    met.without("COSTLAKE_LAKE_SSE", "COSTLAKE_LAKE_KMS_KEY_ID")
    met.world.objects, met.world.keys_named = {}, []
    met.job(begin="2026-05-10", extra='[lake]\nsse = "aws:kms"\nkms_key_id = "alias/own"')
    for command in (("run",), ("rebuild", "bill"), ("verify", "--repair")):
        met.run(*command, root="s3://bills/x")
    group.equal(set(met.world.keys_named), {"alias/own"}, "the key of each write of a job with its own")
    return done


@case("a bucket of another region")
def other_region(group, stack):
    return in_bucket(stack, region="sa-east-1")[0]


@case("a bucket that ignores conditions")
def unconditional(group, stack):
    done, met = in_bucket(stack, conditional=False)
    group.true(not [key for key in met.world.objects if key.endswith(".parquet")], "an object was written")
    return done
