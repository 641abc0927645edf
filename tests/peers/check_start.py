"""What a newcomer reads first: every command of the README and of the pages that it begins with, executed as printed.

Some are played on the lake that `costlake demo` leaves on two days; the sandbox is in the place of both APIs. `pages.py` says what a
block may be. COSTLAKE_BLESS=1 writes the answers anew.
"""

import lake
import pages

DAYS = ("2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z")
SANDBOX = "127.0.0.1:8090"
ON_THE_DEMO = ("README.md", "docs/reference/show.md")
ON_NOTHING = ("docs/install.md", "docs/first-job.md", "docs/reference/sandbox.md", "docs/deployment/serve.md")


def settings(home, sandbox):
    """The environment of a page: both APIs are the sandbox, and the clock stands still."""
    asked = lake.against(sandbox) | {"AWS_ENDPOINT_URL_STS": sandbox.url}
    keys = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_REGION": "us-east-1"}
    keys |= {"DD_API_KEY": "sandbox", "DD_APP_KEY": "sandbox", "COSTLAKE_NOW": DAYS[1], "COSTLAKE_LAKE": "demo-lake"}
    return pages.environment(home) | keys | asked


def check(tally, stack):
    left = []
    for name in ON_THE_DEMO + ON_NOTHING:
        with lake.sandbox(DAYS[1]) as sandbox, tally.group(f"{name}: every block does what is printed") as group:
            home = lake.temporary("page")
            for day in DAYS if name in ON_THE_DEMO else ():
                lake.Costlake(day).run("demo", lake=home / "demo-lake")
            (port,) = lake.free_ports(1)
            page = pages.check_page(
                group, lake.REPOSITORY / name, home, settings(home, sandbox), sandbox=sandbox.url, addresses=[(SANDBOX, f"127.0.0.1:{port}")]
            )
            left += [f"{name}: {why}" for why in page.left()]
    print(f"     start: {len(left)} blocks are not run", *left, sep="\n       ", flush=True)


if __name__ == "__main__":
    lake.main(check)
