"""Every recipe of docs/recipes/, executed as printed against the sandbox and, for buckets, moto.

The reader's commands are those for real accounts: what tells the program to ask the sandbox, and what time it is, is in
the environment. docs/recipes/ is played page by page, each in a folder and with a sandbox of its own; `pages.py` says
what a block may be. COSTLAKE_BLESS=1 writes the answers anew.
"""

import concurrent.futures
import os
import re
import shutil

import lake
import pages

NOW = "2026-11-20T12:00:00Z"
FOLDER = lake.REPOSITORY / "docs" / "recipes"
SANDBOX, LISTENER, PAGE = "127.0.0.1:8090", "127.0.0.1:9099", "127.0.0.1:9098"
BUCKETS = ("my-bucket", "other-bucket")
TOGETHER = 4


def settings(home, sandbox, store):
    """The environment of a page: both APIs are the sandbox, S3 is moto, and the clock stands still."""
    keys = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_REGION": "us-east-1"}
    asked = lake.against(sandbox) | {"AWS_ENDPOINT_URL_STS": sandbox.url, "AWS_ENDPOINT_URL_S3": store.url}
    base = {k: v for k, v in pages.environment(home).items() if k not in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    return base | keys | {"DD_API_KEY": "sandbox", "DD_APP_KEY": "sandbox", "COSTLAKE_NOW": NOW} | asked


def buckets(store, page):
    """Buckets that no other page sees: names of the page, in the place of the printed ones."""
    import boto3

    client = boto3.client("s3", endpoint_url=store.url, region_name="us-east-1", aws_access_key_id="AK", aws_secret_access_key="SK")
    names = [(f"s3://{bucket}/", f"s3://{page.replace('_', '-')}-{bucket}/") for bucket in BUCKETS]
    for _, name in names:
        client.create_bucket(Bucket=name.removeprefix("s3://").removesuffix("/"))
    return names


def played(document, store, name=None):
    """A page as it is played, and what is wrong with it."""
    group = lake.Group()
    home = lake.temporary("recipe")
    listener, status_page = (f"127.0.0.1:{port}" for port in lake.free_ports(2))
    with lake.sandbox(NOW) as sandbox:
        places = [(SANDBOX, sandbox.url.removeprefix("http://")), (LISTENER, listener), (PAGE, status_page)]
        places += buckets(store, name or document.stem)
        page = pages.check_page(group, document, home, settings(home, sandbox, store), sandbox=sandbox.url, addresses=places)
    return page, group


def broken(document):
    """A copy of a page with another answer, a block that nobody plays and a command that fails."""
    step = next(step for step in pages.Page(document.read_text()).steps if step.answer)
    text = document.read_text()
    start, end = step.match.span("answer")
    copy = lake.temporary("broken") / document.name
    copy.write_text(text[:start] + "an answer that nobody gave\n" + text[end:] + "\n```fortran\nSTOP\n```\n\n```sh\nfalse\n```\n")
    return copy


def awscli():
    """The folder of the AWS command line, or nothing."""
    given = os.environ.get("COSTLAKE_PEERS_AWSCLI")
    if given and os.path.exists(os.path.join(given, "aws")):
        return given
    found = shutil.which("aws")
    return os.path.dirname(found) if found else None


def check(tally, stack):
    documents = [page for page in sorted(FOLDER.glob("*.md")) if page.name != "index.md"]
    folder = awscli()
    if folder:
        os.environ["PATH"] += f":{folder}"
    else:
        tally.skip("the AWS command line is not there: pages that call it are not played")
        documents = [page for page in documents if "\naws " not in page.read_text()]
    store = stack.enter_context(lake.Moto())
    with tally.group("the list of recipes names every page, and no other") as group:
        listed = re.findall(r"^\* \[[^]]+\]\(([^)]+)\)", (FOLDER / "index.md").read_text(), re.MULTILINE)
        group.equal(sorted(listed), sorted(page.name for page in FOLDER.glob("*.md") if page.name != "index.md"), "pages")
    with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
        copy = pool.submit(lambda: None if pages.blessing() else played(broken(documents[0]), store, "broken"))
        results = pool.map(lambda document: played(document, store), documents)
        left = []
        for document, (page, found) in zip(documents, results, strict=True):
            left += [f"{document.name}: {why}" for why in page.left()]
            with tally.group(f"{document.name}: every block does what is printed ({sum(s.played for s in page.steps)} blocks)") as group:
                group.compared += found.compared
                group.differences += found.differences
        copied = copy.result()
    print(f"     recipes: {len(left)} blocks are not run", *left, sep="\n       ", flush=True)
    if copied:
        with tally.group("a page with three mistakes is seen to have them") as group:
            said = "\n".join(copied[1].differences)
            for part in ("exit code of the shell", "nothing plays this block: fortran", "an answer that nobody gave"):
                group.true(part in said, f"not noticed: {part}: {said[:2000]}")


if __name__ == "__main__":
    lake.main(check)
