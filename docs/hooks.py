"""What the site has beside the pages of docs/: the changelog, and the files of the repository that pages link to.

A link such as `../deploy/airflow/costlake_nightly.py` works where the repository is browsed. The site has no repository around it, so
each file that is linked becomes part of it, below `repository/`; of a folder, a page that lists its files.
"""

import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]*)(#[^)\s]*)?(\))")


def on_files(files, config):
    text = (ROOT / "CHANGELOG.md").read_text()
    files.append(File.generated(config, "changelog.md", content=re.sub(r"\]\(docs/", "](", text)))
    for page in list(files.documentation_pages()):
        for match in LINK.finditer(page.content_string):
            target = beyond_docs(page.src_uri, match[2])
            if target and not files.get_file_from_path(shown_as(target)):
                files.append(shown(config, target))
    return files


def on_page_markdown(markdown, page, config, files):
    def inside(match):
        target = beyond_docs(page.file.src_uri, match[2])
        if not target:
            return match[0]
        link = posixpath.relpath(shown_as(target), posixpath.dirname(page.file.src_uri) or ".")
        return f"{match[1]}{link}{match[3] or ''}{match[4]}"

    return LINK.sub(inside, markdown)


def beyond_docs(page, link):
    """The path in the repository of a link that leaves docs/; None of any other."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return None if path.startswith("docs/") or path.startswith("..") else path


def shown_as(target):
    """Where the site has a file or folder of the repository. Pages among them are shown as text."""
    if target == "CHANGELOG.md":
        return "changelog.md"
    if (ROOT / target).is_dir():
        return f"repository/{target}/index.md"
    return f"repository/{target}{'.txt' if target.endswith('.md') else ''}"


def shown(config, target):
    path = ROOT / target
    if not path.is_dir():
        return File.generated(config, shown_as(target), content=path.read_bytes())
    names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    text = f"# {target}\n\nThe files of this folder in the repository:\n\n" + "".join(f"- `{name}`\n" for name in names)
    return File.generated(config, shown_as(target), content=text)
