//! Every relative link of a document leads to a file, and its anchor to a heading: by GitHub's rules and by MkDocs'.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::blocks::documents;
use super::source::root;

/// The lines outside of code blocks, each with its number.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        inside ^= is_fence;
        (!inside && !is_fence).then_some((index + 1, line))
    })
}

/// A line without its code spans.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The targets of links and images.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        found.extend(inline.map(|target| (number, target.to_owned())));
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            found.push((number, target.trim().to_owned()));
        }
    }
    found
}

/// The text of a heading, without Markdown.
fn plain(heading: &str) -> String {
    let mut text = String::new();
    for (place, part) in heading.split("](").enumerate() {
        let rest = if place == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) };
        text.push_str(rest);
    }
    text.replace(['`', '[', ']', '*'], "").trim().to_owned()
}

/// The anchor of a heading on GitHub.
fn of_github(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The anchor of a heading in MkDocs: ASCII, and no two hyphens in a row.
fn of_mkdocs(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    let text = kept.collect::<String>().to_lowercase();
    text.split([' ', '-']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// The anchors of a document that are the same on GitHub and in MkDocs.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    let headings = headings.map(|(_, line)| plain(line.trim_start_matches('#')));
    let mut found = BTreeSet::new();
    for heading in headings {
        let anchor = of_github(&heading);
        // The second of two equal ones has a number, which differs.
        if anchor == of_mkdocs(&heading) {
            found.insert(anchor);
        }
    }
    found
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// What is wrong with the links of a document.
fn broken(documents: &[(PathBuf, String)], path: &Path, text: &str) -> Vec<String> {
    let is_outside = |target: &str| ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
    let mut found = Vec::new();
    for (line, target) in targets(text).into_iter().filter(|(_, target)| !is_outside(target)) {
        let (file, anchor) = target.split_once('#').map_or((&*target, None), |(file, anchor)| (file, Some(anchor)));
        let to = if file.is_empty() { path.to_owned() } else { normal(&path.parent().unwrap_or(path).join(file)) };
        let known = documents.iter().find(|(path, _)| *path == to);
        let is_there = known.is_some() || (!file.starts_with('/') && root().join(&to).exists());
        let has_anchor = anchor.is_none_or(|anchor| known.is_some_and(|(_, text)| anchors(text).contains(anchor)));
        if !is_there || !has_anchor {
            found.push(format!("{}:{line}: {target}", path.display()));
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let wrong: Vec<String> = documents.iter().flat_map(|(path, text)| broken(&documents, path, text)).collect();
    assert_eq!(wrong, Vec::<String>::new(), "links that lead nowhere");
    let number: usize = documents.iter().map(|(_, text)| targets(text).len()).sum();
    assert!(number > 50, "only {number} links were found");
}

#[test]
fn a_broken_link_is_seen() {
    let other = (PathBuf::from("docs/a/other.md"), "# A `b` & c\n## Two words\n```\n# no heading\n```\n".to_owned());
    let wrong = |text: &str| {
        let own = (PathBuf::from("docs/page.md"), text.to_owned());
        broken(&[own.clone(), other.clone()], &own.0, &own.1).len()
    };
    for right in [
        "# Here\n[x](a/other.md), [y](a/other.md#two-words), [z](#here)",
        "[x](../Cargo.toml) and `[no](link)` and [out](https://example.org/x#y)",
        "```\n[x](nowhere.md)\n```\n",
    ] {
        assert_eq!(wrong(right), 0, "{right}");
    }
    for text in [
        "[x](other.md)",
        "[x](a/other.md#no-heading)",
        "[x](#here)",
        "[x](../Cargo.toml#here)",
        "![x](nowhere.png)",
        "[x]: nowhere.md",
        "[x](/docs/page.md)",
        "[x](a/other.md#a-b--c)",
    ] {
        assert_eq!(wrong(text), 1, "{text}");
    }
    assert_eq!(plain(" [A `b`](c.md) d"), "A b d");
    assert_eq!(of_github("What is asked, and why?"), "what-is-asked-and-why");
}
