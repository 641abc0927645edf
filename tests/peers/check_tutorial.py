"""docs/tutorial.md, executed as printed in one shell, from top to bottom; a `text` block behind commands is what they print.

The ports are others than printed, since checks run beside each other. COSTLAKE_BLESS=1 writes the answers anew.
"""

import lake
import pages

DOCUMENT = lake.REPOSITORY / "docs" / "tutorial.md"
PRINTED = "127.0.0.1:8090"


def check(tally, stack):
    (port,) = lake.free_ports(1)
    home = lake.temporary("tutorial")
    blocks = DOCUMENT.read_text().count("```sh\n")
    with tally.group(f"every command does what is printed ({blocks} blocks)") as group:
        page = pages.check_page(group, DOCUMENT, home, pages.environment(home), addresses=[(PRINTED, f"127.0.0.1:{port}")])
        group.equal(sum(step.played for step in page.steps), blocks, "blocks that were played")


if __name__ == "__main__":
    lake.main(check)
