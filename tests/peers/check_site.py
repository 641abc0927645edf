"""The documents as a site: built strictly, every link followed, and opened in a real browser on a desk and on a phone."""

import functools
import http.server
import os
import pathlib
import re
import subprocess
import threading

import check_page
import lake

MKDOCS = pathlib.Path(os.environ["COSTLAKE_PEERS_SITE"]) / "mkdocs"
SEEN = ("index.html", "tutorial.html", "reference/keys.html", "explanations/commit-protocol.html", "recipes/cost-by-team.html")


def built(site):
    # The theme tells of its successor unless it is told not to.
    environment = os.environ | {"PATH": f"{MKDOCS.parent}:{os.environ['PATH']}", "NO_MKDOCS_2_WARNING": "1"}
    command = [MKDOCS, "build", "--strict", "--quiet", "--config-file", lake.REPOSITORY / "mkdocs.yml", "--site-dir", site]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def served(site, stack):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}/"


def broken_links(site):
    """Links of the built pages to files or anchors that are not there."""
    pages = {page.relative_to(site).as_posix(): page.read_text() for page in site.rglob("*.html") if page.name != "404.html"}
    anchors = {name: set(re.findall(r'\bid="([^"]+)"', text)) for name, text in pages.items()}
    found = []
    for name, text in pages.items():
        for link in re.findall(r'(?:href|src)="([^"]*)"', text):
            if re.match(r"[a-z]+:|//|data:", link):
                continue
            path, _, anchor = link.partition("#")
            target = os.path.normpath((site / name).parent / path.partition("?")[0]) if path else str(site / name)
            inner = os.path.relpath(target, site)
            if not os.path.exists(target) or (anchor and inner in anchors and anchor not in anchors[inner]):
                found.append(f"{name}: {link}")
    return found


def check(tally, stack):
    site = lake.temporary("site")
    with tally.group("it is built strictly, and every link leads somewhere") as group:
        done = built(site)
        group.equal((done.returncode, done.stderr.strip()), (0, ""), "mkdocs build --strict")
        pages = [page for page in site.rglob("*.html")]
        group.true(len(pages) > 40, f"{len(pages)} pages")
        group.equal(broken_links(site)[:20], [], "broken links")
        (site / "extra.html").write_text('<a href="nowhere.html">x</a><a href="index.html#no-such-place">y</a>')
        group.equal(len(broken_links(site)), 2, "broken links that were put in")
        (site / "extra.html").unlink()
    url = served(site, stack)
    with tally.group("a browser shows it, on a desk and on a phone, and asks nobody else for anything") as group, check_page.browser() as chromium:
        for width in (1280, 375):
            visit = check_page.Visit(chromium, url, viewport={"width": width, "height": 900})
            for page in SEEN:
                group.equal(visit.open(page), 200, page)
                visit.page.wait_for_load_state("networkidle")
                group.true(visit.page.inner_text("h1").strip(), f"{page}: no heading")
                group.true(visit.fits(), f"{page} does not fit {width} px")
                visit.picture(f"site-{page.replace('/', '-')}-{width}")
            group.equal(visit.wrong, [], f"what the browser complained about at {width} px")
            visit.context.close()
    with tally.group("its search finds a key") as group, check_page.browser() as chromium:
        visit = check_page.Visit(chromium, url, viewport={"width": 1280, "height": 900})
        visit.open("index.html")
        visit.page.click(".md-search__input")
        visit.page.fill(".md-search__input", "quarantine_share")
        visit.page.wait_for_selector(".md-search-result__item", timeout=30_000)
        group.true("quarantine_share" in visit.page.inner_text(".md-search-result"), "the key among the results")
        visit.context.close()


if __name__ == "__main__":
    lake.main(check)
