"""Every page of docs/explanations/ and docs/upgrading.md, executed as printed against the sandbox that each of them starts.

`pages.py` says what a block may be. COSTLAKE_BLESS=1 writes the answers anew.
"""

import concurrent.futures

import lake
import pages

DOCS = lake.REPOSITORY / "docs"
SANDBOX = "127.0.0.1:8090"
TOGETHER = 2


def played(document):
    """A page as it is played, and what is wrong with it."""
    group = lake.Group()
    home = lake.temporary("explanation")
    (port,) = lake.free_ports(1)
    page = pages.check_page(group, document, home, pages.environment(home), addresses=[(SANDBOX, f"127.0.0.1:{port}")])
    return page, group


def check(tally, stack):
    documents = [*sorted((DOCS / "explanations").glob("*.md")), DOCS / "upgrading.md"]
    with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
        for document, (page, found) in zip(documents, pool.map(played, documents), strict=True):
            blocks = sum(step.played for step in page.steps)
            with tally.group(f"{document.name}: every block does what is printed ({blocks} blocks)") as group:
                group.compared += found.compared
                group.differences += found.differences


if __name__ == "__main__":
    lake.main(check)
