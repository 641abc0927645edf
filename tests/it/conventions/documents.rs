//! What the documents quote is what the program says.

use std::path::PathBuf;

use super::blocks::{blocks, documents, parses};
use super::source::{read, rust_files};

/// The sources, with the breaks inside of string literals taken out.
fn sources() -> String {
    let texts = rust_files().into_iter().filter(|(path, _)| path.starts_with("src")).map(|(_, text)| text);
    let lines = |text: String| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n");
    texts.map(lines).collect::<Vec<_>>().join("\n").replace("\\\n", "")
}

/// The pieces of a heading that are not in the sources; what differs stands for `…`.
fn unknown<'h>(headings: &[&'h str], sources: &str) -> Vec<&'h str> {
    let is_known = |heading: &&&str| heading.split('…').map(str::trim).all(|piece| sources.contains(piece));
    headings.iter().filter(|heading| !is_known(heading)).copied().collect()
}

#[test]
fn every_message_of_troubleshooting_is_one_of_the_program() {
    let (page, sources) = (read("docs/troubleshooting.md"), sources());
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert!(headings.len() > 15, "{headings:?}");
    assert_eq!(unknown(&headings, &sources), Vec::<&str>::new(), "no message begins like this");
    assert_eq!(unknown(&["the cap of … is mended"], &sources), ["the cap of … is mended"], "what nobody says is seen");
}

/// Blocks of TOML in all documents that are no job, no part of one and no list of accounts.
fn wrong_jobs(documents: &[(PathBuf, String)]) -> (usize, Vec<String>) {
    let blocks =
        documents.iter().flat_map(|(path, text)| blocks(text, "toml").into_iter().map(move |block| (path, block)));
    let blocks: Vec<(&PathBuf, &str)> = blocks.collect();
    let wrong = blocks
        .iter()
        .filter_map(|(path, block)| Some(format!("{}: {}\n{block}", path.display(), parses(block).err()?)));
    (blocks.len(), wrong.collect())
}

#[test]
fn job_files_in_documents_are_right() {
    let (number, wrong) = wrong_jobs(&documents());
    assert_eq!(wrong, Vec::<String>::new());
    assert!(number > 10, "only {number} blocks were found");
    let broken = vec![(PathBuf::from("x.md"), "```toml\n[window]\nrefersh = \"probe\"\n```\n".to_owned())];
    assert_eq!(wrong_jobs(&broken).1.len(), 1, "a wrong key is seen");
}
