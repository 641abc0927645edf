"""The Terraform module: read as Terraform reads it, every name in it defined, its policies those that were tried, its findings
explained, and the tables of its catalog taken by Glue as moto has it.

There is no AWS here, and no provider: `plan` and `apply` are not tried.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

import lake
import printed

MODULE = lake.REPOSITORY / "deploy" / "terraform"
NOW = "2026-11-16T12:00:00Z"
BUCKET, PREFIX = "example-bills", "finance/bills"
TYPES = {"boolean", "int", "bigint", "double", "string", "date", "timestamp", "decimal(38,12)"}


def read(folder):
    import hcl2

    return {file.name: hcl2.loads(file.read_text()) for file in sorted(folder.glob("*.tf"))}


def bare(text):
    return text.strip('"') if isinstance(text, str) else text


def texts(node):
    """Every expression of a parsed file."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name != "__comments__":
                yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


def blocks(files, kind):
    return [block for document in files.values() for block in document.get(kind, [])]


def defined(files):
    """What the module defines, by the words that refer to it."""
    names = {f"var.{bare(name)}" for block in blocks(files, "variable") for name in block}
    names |= {f"local.{name}" for block in blocks(files, "locals") for name in block if not name.startswith("__")}
    for kind, before in (("resource", ""), ("data", "data.")):
        names |= {f"{before}{bare(of)}.{bare(name)}" for block in blocks(files, kind) for of, named in block.items() for name in named}
    return names


def referred(files):
    found = set()
    for text in texts(list(files.values())):
        found |= {f"{kind}.{name}" for kind, name in re.findall(r"(?<![\w.\"])(var|local)\.(\w+)", text)}
        found |= {f"{data}{of}.{name}" for data, of, name in re.findall(r"(?<![\w.\"])(data\.)?(aws_\w+)\.(\w+)", text)}
    return found


def resource(files, kind, name):
    (found,) = [block[f'"{kind}"'][f'"{name}"'] for block in blocks(files, "resource") if f'"{name}"' in block.get(f'"{kind}"', {})]
    return found


def wrong_in(files):
    """What bucket or container lack. checkov does not read what jsonencode makes."""
    (rule,) = resource(files, "aws_s3_bucket_lifecycle_configuration", "lake")["rule"]
    wrong = ["expiration"] if [set(one) for one in rule["expiration"]] != [{"expired_object_delete_marker", "__is_block__"}] else []
    wrong += ["transition"] if "transition" in rule or not rule["noncurrent_version_expiration"] else []
    access = resource(files, "aws_s3_bucket_public_access_block", "lake")
    closed = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    wrong += [name for name in closed if access[name] is not True]
    (container,) = [" ".join(text.split()) for text in texts(resource(files, "aws_ecs_task_definition", "this")) if "jsonencode" in text]
    wanted = ('user = "65532:65532"', "readonlyRootFilesystem = true", "privileged = false", 'capabilities = {drop = ["ALL"]}')
    return wrong + [part for part in wanted if part not in container]


def names_are_defined(tally):
    defining = 0
    with tally.group("python-hcl2 reads the module, and every name in it is defined and used") as group:
        files = read(MODULE)
        names, used = defined(files), referred(files)
        defining = len(names)
        group.equal(sorted(used - names), [], "names that nothing defines")
        unused = {name for name in names - used if name.startswith(("var.", "local.", "data."))}
        group.equal(sorted(unused), [], "what nothing uses")
        for block in blocks(files, "variable") + blocks(files, "output"):
            for name, of in block.items():
                group.true(len(bare(of.get("description", ""))) > 10, f"{name} has no description")
        group.true(all("type" in of for block in blocks(files, "variable") for of in block.values()), "a variable without type")
        broken = lake.copied(MODULE, "module")
        (broken / "outputs.tf").write_text((MODULE / "outputs.tf").read_text().replace("aws_s3_bucket.lake.arn", "aws_s3_bucket.lakes.arn"))
        files = read(broken)
        group.equal(referred(files) - defined(files), {"aws_s3_bucket.lakes"}, "a name that nothing defines is not seen")
        group.note(f"{len(names)} names")

    with tally.group("the bucket expires no current object and is closed; the container is no root, writes nothing, has no capability") as group:
        group.equal(wrong_in(read(MODULE)), [], "what is wrong")
        for name, old, new, seen in (
            ("bucket.tf", "expired_object_delete_marker = true", "days = 30", "expiration"),
            ("bucket.tf", "restrict_public_buckets = true", "restrict_public_buckets = false", "restrict_public_buckets"),
            ("task.tf", "readonlyRootFilesystem = true", "readonlyRootFilesystem = false", "readonlyRootFilesystem = true"),
            ("task.tf", 'user                   = "65532:65532"', 'user                   = "0"', 'user = "65532:65532"'),
        ):
            worse = lake.copied(MODULE, "module")
            text = (worse / name).read_text()
            group.true(old in text, f"{name} has no {old}")
            (worse / name).write_text(text.replace(old, new))
            group.equal(wrong_in(read(worse)), [seen], f"what is wrong with {new}")

    with tally.group("README of the module: what its example sets is what there is, and what it has to set is set") as group:
        import hcl2

        variables = {bare(name): of for block in blocks(read(MODULE), "variable") for name, of in block.items()}
        needed = {name for name, of in variables.items() if "default" not in of}
        for page in (MODULE / "README.md", lake.REPOSITORY / "docs" / "deployment" / "ecs.md"):
            examples = re.findall(r"^```hcl\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
            group.equal(len(examples), 1, f"examples in {page.name}")
            (example,) = (of for block in hcl2.loads(examples[0])["module"] for of in block.values())
            given = {name for name in example if not name.startswith("__")} - {"source"}
            group.equal((sorted(given - variables.keys()), sorted(needed - given)), ([], []), f"{page.name}: unknown, missing")
    return defining


def rendered(name):
    """A policy as policies.tf makes it for a bucket and a prefix: its replacements, in their order."""
    text = (MODULE / "policies" / f"{name}.json").read_text()
    code = (MODULE / "policies.tf").read_text()
    steps = (("my-bucket/bills/", f"my-bucket/{PREFIX}/"), ('"bills/*"', f'"{PREFIX}/*"'), ("arn:aws:s3:::my-bucket", f"arn:aws-cn:s3:::{BUCKET}"))
    places = [code.find(json.dumps(old)) for old, _ in steps]
    if min(places) < 0 or places != sorted(places) or re.search(r'"/[^"]*/"', code):
        raise ValueError("policies.tf replaces something else, in another order, or by a regular expression")
    for old, new in steps:
        text = text.replace(old, new)
    return text


def by_terraform(tally):
    """The replacements by Terraform itself, where it is: they need no provider."""
    program = shutil.which("terraform") or shutil.which("tofu")
    if not program:
        tally.skip("terraform: neither Terraform nor OpenTofu is there")
        return
    code = (MODULE / "policies.tf").read_text()
    block = re.search(r"^locals \{\n.*?^\}\n", code, re.MULTILINE | re.DOTALL)[0]
    block = block.replace("${data.aws_partition.current.partition}", "aws-cn")
    for bucket, prefix in ((BUCKET, PREFIX), ("example-bills", "bills"), ("my-bucket", "my-bucket"), ("acme-costs", "lake/of.costs")):
        with tally.group(f"Terraform makes the policies of s3://{bucket}/{prefix}") as group:
            home = lake.copied(MODULE / "policies", "policies")
            (home / "policies").mkdir()
            for file in home.glob("*.json"):
                file.rename(home / "policies" / file.name)
            variables = "".join(f'variable "{name}" {{\n  default = "{value}"\n}}\n' for name, value in (("bucket_name", bucket), ("prefix", prefix)))
            (home / "main.tf").write_text(f'{variables}{block}output "policies" {{\n  value = local.policies\n}}\n')
            run = lambda *command: subprocess.run(  # noqa: E731
                [program, *command], cwd=home, env=lake.clean_environment(home) | {"CHECKPOINT_DISABLE": "1", "PATH": os.environ["PATH"]},
                capture_output=True, text=True, timeout=120, check=True).stdout
            run("init", "-input=false", "-no-color")
            run("apply", "-auto-approve", "-input=false", "-no-color")
            made = json.loads(run("output", "-json", "-no-color"))["policies"]["value"]
            below = [f"arn:aws-cn:s3:::{bucket}/{prefix}/{end}" for end in ("*", "_costlake/*/ledger/*", "_costlake/*/history/*")]
            for name in ("lake", "reader"):
                statements = json.loads(made[name])["Statement"]
                named = [one for s in statements for one in ([s["Resource"]] if isinstance(s["Resource"], str) else s["Resource"])]
                group.equal(set(named) - set(below), {f"arn:aws-cn:s3:::{bucket}"}, f"{name}: resources")
                group.equal([s["Condition"]["StringLike"]["s3:prefix"] for s in statements if "Condition" in s], [f"{prefix}/*"], f"{name}: condition")


def policies(tally):
    with tally.group("each policy is for the bucket and the prefix that are given, and for nothing else") as group:
        for name in ("costs", "lake", "reader"):
            text = rendered(name)
            for statement in json.loads(text)["Statement"]:
                resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
                for one in resources:
                    ours = one == "*" if name == "costs" else one.startswith(f"arn:aws-cn:s3:::{BUCKET}")
                    below = name == "costs" or "ListBucket" in statement["Action"] or one.startswith(f"arn:aws-cn:s3:::{BUCKET}/{PREFIX}/")
                    group.true(ours and below, f"{name}: {one}")
                if "Condition" in statement:
                    group.equal(statement["Condition"], {"StringLike": {"s3:prefix": f"{PREFIX}/*"}}, f"{name}: condition")
            group.true("my-bucket" not in text and '"bills' not in text, f"{name}: {text}")


def checkov(folder):
    """What checkov finds: passed, failed and skipped checks."""
    program = pathlib.Path(os.environ["COSTLAKE_PEERS_CHECKOV"]) / "checkov"
    home = lake.temporary("checkov")
    done = subprocess.run(
        [program, "--directory", folder, "--framework", "terraform", "--output", "json", "--skip-download",
         "--download-external-modules", "false"],
        cwd=home, env=lake.clean_environment(home) | {"LOG_LEVEL": "ERROR"}, capture_output=True, text=True, timeout=300)
    try:
        document = json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"checkov: exit {done.returncode}: {done.stdout[-500:]} {done.stderr[-1500:]}") from error
    return {state: [(c["check_id"], c["resource"], c["check_result"].get("suppress_comment")) for c in document["results"][f"{state}_checks"]]
            for state in ("passed", "failed", "skipped")} | {"unread": document["results"]["parsing_errors"]}


def findings(tally):
    if not os.environ.get("COSTLAKE_PEERS_CHECKOV") or not (pathlib.Path(os.environ["COSTLAKE_PEERS_CHECKOV"]) / "checkov").exists():
        tally.skip("checkov: it is not installed, see tests/peers/run.sh", "terraform")
        return None
    with tally.group("checkov finds nothing in the module but what is explained beside it") as group:
        found = checkov(MODULE)
        group.equal((found["failed"], found["unread"]), ([], []), "findings, and files that were not read")
        group.true(len(found["passed"]) > 50, f"only {len(found['passed'])} checks passed")
        group.true(all(reason and len(reason) > 30 for _, _, reason in found["skipped"]), f"without a reason: {found['skipped']}")
        explained = set(re.findall(r"#checkov:skip=(\w+):", "".join(file.read_text() for file in MODULE.glob("*.tf"))))
        group.equal({check for check, _, _ in found["skipped"]}, explained, "what is explained, and what there is to explain")
        group.note(f"{len(found['passed'])} passed, {len(found['skipped'])} explained")
    with tally.group("checkov sees a module that is worse, and each explanation is needed") as group:
        worse, made = lake.copied(MODULE, "module"), {"CKV2_AWS_6"}  # of public access, as CKV_AWS_53 is
        for name, old, new, check in (
            ("bucket.tf", "block_public_acls       = true", "block_public_acls       = false", "CKV_AWS_53"),
            ("task.tf", 'value = "enabled"', 'value = "disabled"', "CKV_AWS_65"),
            ("bucket.tf", 'status = "Enabled"\n  }\n}', 'status = "Suspended"\n  }\n}', "CKV_AWS_21"),
        ):
            text = (worse / name).read_text()
            group.true(old in text, f"{name} has no {old}")
            (worse / name).write_text(text.replace(old, new))
            made.add(check)
        for file in worse.glob("*.tf"):
            file.write_text(re.sub(r"(?m)^ *#checkov:skip=.*\n", "", file.read_text()))
        group.equal({check for check, _, _ in checkov(worse)["failed"]}, made | explained, "what is found then")
        return f"{len(found['passed'])} passed, {len(found['skipped'])} explained"
    return None


def catalog(tally, stack):
    import boto3

    moto = stack.enter_context(lake.Moto())
    costlake = lake.Costlake(NOW, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")
    done = costlake.run("ddl", "--dialect", "athena", "--output", "json", lake=f"s3://{BUCKET}/{PREFIX}")
    document = json.loads(done.out)
    with tally.group("the command of the page makes the same file for its own bucket") as group:
        environment = costlake.environment | {"COSTLAKE_JOBS": str(lake.JOBS)}
        printed.play(printed.sections("ecs.md", "Athena"), costlake.home, environment)
        made = (costlake.home / "tables.json").read_text()
        group.equal(made.replace("s3://example-bills/bills", f"s3://{BUCKET}/{PREFIX}"), done.out, "tables.json")
    with tally.group("the tables of the catalog fit Glue, and are those of the jobs") as group:
        group.equal(document["lake"], f"s3://{BUCKET}/{PREFIX}", "lake")
        tables = {table["name"]: table for table in document["tables"]}
        group.equal(sorted(tables), sorted(file.stem for file in lake.JOBS.glob("*.toml")), "tables")
        glue = boto3.client("glue", endpoint_url=moto.url, region_name="us-east-1", aws_access_key_id="AK", aws_secret_access_key="SK")
        glue.create_database(DatabaseInput={"Name": "costlake"})
        for name, table in tables.items():
            columns = [{"Name": c["name"], "Type": c["type"], "Comment": c["comment"]} for c in table["columns"]]
            keys = [{"Name": c["name"], "Type": c["type"]} for c in table["partition_keys"]]
            for column in columns:
                group.true(len(column["Comment"].encode()) <= 255 and column["Type"] in TYPES, f"{name}: {column}")
            group.true(table["location"] == f"s3://{BUCKET}/{PREFIX}/{name}/", table["location"])
            template = table["parameters"]["storage.location.template"]
            group.equal(template, table["location"] + "".join(f"{k['Name']}=${{{k['Name']}}}/" for k in keys), f"{name}: template")
            for key in keys:
                group.true(f"projection.{key['Name']}.type" in table["parameters"], f"{name}: {key} is not projected")
            glue.create_table(DatabaseName="costlake", TableInput={
                "Name": name, "TableType": "EXTERNAL_TABLE", "PartitionKeys": keys,
                "Parameters": table["parameters"] | {"EXTERNAL": "TRUE", "comment": table["comment"]},
                "StorageDescriptor": {"Columns": columns, "Location": table["location"]}})
        kept = {t["Name"]: t for t in glue.get_tables(DatabaseName="costlake")["TableList"]}
        group.equal(sorted(kept), sorted(tables), "tables of the catalog")
        used = set(re.findall(r"each\.value\.(\w+)", (MODULE / "catalog.tf").read_text()))
        members = {name for table in tables.values() for name in table}
        group.equal(members - used - {"name"}, set(), "members that the module does not use")
        group.equal(used - members, set(), "members that the document does not have")
        group.note(f"{len(tables)} tables")
        return len(tables)
    return None


def check(tally, stack):
    names = names_are_defined(tally)
    policies(tally)
    by_terraform(tally)
    checked, tables = findings(tally), catalog(tally, stack)
    if checked:
        tally.figure("terraform", f"{names} names defined and used; checkov: {checked}; {tables} tables in moto's Glue")


lake.main(check)
