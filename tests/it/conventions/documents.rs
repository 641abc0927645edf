//! What the documents quote is what the program says.

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
