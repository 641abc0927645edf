"""Recorded Datadog answers (accounts, and the cost configuration of each) replayed to a snapshot job."""

import http.server
import json
import re
import threading

import yaml

import lake

NOW = "2026-05-21T19:00:00Z"
RECORDINGS = lake.REFERENCE / "datadog" / "cassettes"
TABLE = "recorded_ccm_config"
ACCOUNTS_PATH = "/api/v2/integration/aws/accounts"
CONFIG_PATH = re.compile(ACCOUNTS_PATH + r"/([^/]+)/ccm_config$")

JOB = """description = "Recorded accounts"
[schedule]
cron = "0 7 * * *"
timezone = "UTC"
[source]
type = "datadog_ccm_config"
"""


def vcr(name):
    """The first answer of a recording of the Rust client: (status, content type, body as recorded)."""
    entry = json.loads((RECORDINGS / "aws_integration" / name).read_text())["http_interactions"][0]["response"]
    return entry["status"]["code"], entry["headers"]["Content-Type"][0], entry["body"]["string"]


def load():
    """The recorded answers, put together: accounts list, and path id -> configuration answer.

    Three recordings meet here. The account the Terraform recording configured is added to the recorded list (its own
    recorded answer, unchanged), so one id has its recorded 200; the TypeScript client's 200 is answered for one account
    of the list, with that account's id in the place of the recorded one; every other id gets the recorded 404.
    """
    _, accounts_type, accounts = vcr("List-all-AWS-integrations-returns-AWS-Accounts-List-object-response.json")
    not_found = vcr("Get-AWS-CCM-config-returns-Not-Found-response.json")
    terraform = yaml.safe_load((RECORDINGS / "terraform" / "TestAccIntegrationAwsAccountCcmConfigBasic.yaml").read_text())
    answers = [
        (i["request"]["url"], i["response"]) for i in terraform["interactions"]
        if i["request"]["method"] == "GET" and i["response"]["code"] == 200
    ]
    config = next(r for url, r in answers if url.endswith("/ccm_config"))
    account = next(r for url, r in answers if not url.endswith("/ccm_config"))
    (har,) = (RECORDINGS / "typescript").glob("*.har")
    entry = json.loads(har.read_text())["log"]["entries"][0]["response"]

    merged = accounts.rstrip()
    if not merged.endswith("]}"):
        raise ValueError("the recorded accounts list does not end with its data")
    merged = merged[:-2] + "," + json.dumps(json.loads(account["body"])["data"]) + "]}"
    listed = json.loads(merged)["data"]
    configs = {json.loads(config["body"])["data"]["id"]: (200, config["headers"]["Content-Type"][0], config["body"])}
    text, second = entry["content"]["text"], listed[1]["id"]
    configs[second] = (200, entry["content"]["mimeType"], text.replace(json.loads(text)["data"]["id"], second))
    return (200, accounts_type, merged), configs, not_found


class Replay:
    """Answers GETs with what was recorded, and remembers what it could not answer and which keys it was shown."""

    def __init__(self, accounts, configs, not_found):
        replay = self
        self.unknown, self.keys, self.asked = [], set(), []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.partition("?")[0]
                replay.asked.append(path)
                replay.keys.add((self.headers.get("DD-API-KEY"), self.headers.get("DD-APPLICATION-KEY")))
                match = CONFIG_PATH.match(path)
                if self.path == ACCOUNTS_PATH:
                    status, kind, body = accounts
                elif match:
                    status, kind, body = configs.get(match.group(1), not_found)
                else:
                    replay.unknown.append(self.path)
                    status, kind, body = 400, "application/json", '{"errors":["this was never recorded"]}'
                data = body.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def expected_rows(accounts, configs):
    rows = {}
    for account in json.loads(accounts[2])["data"]:
        answer = configs.get(account["id"])
        exports = json.loads(answer[2])["data"]["attributes"]["data_export_configs"] if answer else [None]
        for export in exports:
            export = export or {}
            key = (account["id"], export.get("report_name"))
            rows[key] = {"usage_date": NOW[:10], "aws_account_id": account["attributes"]["aws_account_id"], "configured": answer is not None}
            rows[key] |= {c: export.get(c) for c in ("report_name", "report_prefix", "report_type", "bucket_name", "bucket_region")}
    return rows


def secrets(accounts):
    found = set()
    for account in json.loads(accounts[2])["data"]:
        auth = account["attributes"]["auth_config"]
        found |= {auth[k] for k in ("external_id", "access_key_id", "secret_access_key") if auth.get(k)}
    return found


def check(tally, stack):
    if not RECORDINGS.is_dir():
        tally.skip("no recorded answers here (../shared/reference/datadog), so none can be compared")
        return
    accounts, configs, not_found = load()
    replay = stack.enter_context(Replay(accounts, configs, not_found))
    jobs, root = lake.temporary("jobs"), lake.temporary(TABLE)
    (jobs / f"{TABLE}.toml").write_text(JOB)
    costlake = lake.Costlake(NOW, jobs=jobs, COSTLAKE_DATADOG_URL=replay.url)
    store = lake.Folder(root)
    expected = expected_rows(accounts, configs)
    outputs = []

    with tally.group("one row per recorded account, configured or not, as recorded") as group:
        done = costlake.run("run", TABLE, lake=root)
        outputs.append(done.out + done.err)
        rows = lake.read_rows(store, TABLE)
        columns = list(next(iter(expected.values())))
        stored = {}
        for row in rows:
            row["usage_date"] = row["usage_date"].isoformat()
            key = (row["aws_account_config_id"], row["report_name"])
            group.true(key not in stored, f"{key} is in the table twice")
            stored[key] = {c: row[c] for c in columns}
        group.same_mapping(stored, expected, TABLE)
        configured = [r for r in rows if r["configured"]]
        group.equal(len(configured), len(configs), "configured accounts")
        for row in rows:
            if row["configured"]:
                prefix = f"s3://{row['bucket_name']}/{row['report_prefix']}/{row['report_name']}"
                group.true((row["export_uri"] or "").startswith(prefix), f"export_uri {row['export_uri']!r} does not start with {prefix!r}")
            else:
                group.equal(row["export_uri"], None, "export_uri of an account without configuration")
        group.note(f"{len(rows)} rows, {len(configured)} configured")

    with tally.group("every account asked once, with the keys, and nothing that was never recorded") as group:
        wanted = sorted([ACCOUNTS_PATH] + [f"{ACCOUNTS_PATH}/{a['id']}/ccm_config" for a in json.loads(accounts[2])["data"]])
        group.equal(sorted(replay.asked), wanted, "requests")
        group.equal(replay.unknown, [], "requests that were never recorded")
        group.equal(replay.keys, {(lake.DATADOG["DD_API_KEY"], lake.DATADOG["DD_APP_KEY"])}, "keys sent")

    with tally.group("the same day again writes no data object") as group:
        before, asked = store.marks(TABLE), len(replay.asked)
        done = costlake.run("run", TABLE, lake=root)
        outputs.append(done.out + done.err)
        group.true(len(replay.asked) > asked, "the second run asked nothing, so it proves nothing")
        group.equal(list(before), [f"{TABLE}/billing_period=2026-05/data.parquet"], "data objects")
        group.same_mapping(store.marks(TABLE), before, "data objects")

    with tally.group("no secret of the recordings, and no key, anywhere under the lake or in the output") as group:
        hidden = secrets(accounts) | set(lake.DATADOG.values())
        group.true(len(hidden) > 20, f"only {len(hidden)} secrets are known to look for")
        files = [p for p in root.rglob("*") if p.is_file()]
        contents = {p.relative_to(root).as_posix(): lake.searchable(p) for p in files}
        shown = next(iter(expected.values()))["aws_account_id"].encode()
        seen = [name for name, content in contents.items() if shown in content]
        group.true(any(name.startswith(TABLE + "/") for name in seen), "the search does not even find an account id in the table")
        raw = [name for name in contents if f"_costlake/{TABLE}/raw/" in name]
        group.true(raw, "kept raw answers were expected (the default for Datadog), and none are there to be searched")
        if raw:
            group.true(set(raw) & set(seen), "no account id is found in any kept raw answer, so its form is not understood here")
        for secret in sorted(hidden):
            for name, content in contents.items():
                group.true(secret.encode() not in content, f"{name} holds a secret ({secret[:4]}...)")
            group.true(not any(secret in text for text in outputs), f"the output holds a secret ({secret[:4]}...)")
        group.note(f"{len(hidden)} values in {len(files)} files, {len(raw)} of them raw answers")


lake.main(check)
