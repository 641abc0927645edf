//! Files and functions stay short, and a file's name describes its contents.

use super::source::{files, rust_files};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;
/// Catch-all names that no module may have.
const NO_NAMES: [&str; 5] = ["util", "helper", "manager", "handler", "common"];

/// Name and length of every function, in code as `cargo fmt` leaves it.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = name_of_function(code) else { continue };
        let end = format!("{}}}", &line[..line.len() - code.len()]);
        let is_over = |line: &&&str| **line == end || line.ends_with(';') && **line == lines[start];
        let length = lines[start..].iter().position(|line| is_over(&line)).map_or(1, |last| last + 1);
        found.push((name.to_owned(), if code.ends_with('}') { 1 } else { length }));
    }
    found
}

fn name_of_function(code: &str) -> Option<&str> {
    let mut words = code
        .split(' ')
        .skip_while(|word| matches!(*word, "pub" | "const" | "async" | "unsafe") || word.starts_with("pub("));
    (words.next() == Some("fn")).then(|| words.next())?.and_then(|name| name.split(['(', '<']).next())
}

#[test]
fn no_file_is_long() {
    let long: Vec<String> = rust_files()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert_eq!(long, Vec::<String>::new(), "more than {FILE_LINES} lines");
}

#[test]
fn no_function_is_long() {
    let mut long = Vec::new();
    let mut seen = 0;
    for (path, text) in rust_files() {
        for (name, lines) in functions(&text) {
            seen += 1;
            if lines > FUNCTION_LINES {
                long.push(format!("{} in {}: {lines} lines", name, path.display()));
            }
        }
    }
    assert!(seen > 500, "only {seen} functions were found");
    assert_eq!(long, Vec::<String>::new(), "more than {FUNCTION_LINES} lines");
}

#[test]
fn functions_are_measured() {
    let text = "pub(super) async fn a<T>(x: T) -> T {\n    x\n}\n\ntrait B {\n    fn b(&self);\n    fn c() {}\n}\n\
                mod d {\n    const fn e(\n        x: u8,\n    ) {\n        f(x);\n    }\n}\n";
    let wanted = [("a", 3), ("b", 1), ("c", 1), ("e", 5)];
    assert_eq!(functions(text), wanted.map(|(name, lines)| (name.to_owned(), lines)));
}

#[test]
fn no_file_is_a_place_for_whatever_is_left() {
    for path in files("src").into_iter().chain(files("tests")).chain(files("jobs")).chain(files("schemas")) {
        // Utilization is a field word.
        let name = path.to_string_lossy().to_lowercase().replace("utilization", "");
        assert!(!NO_NAMES.iter().any(|word| name.contains(word)), "{name}: say what is in it");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in rust_files() {
        assert!(text.starts_with("//!") || path.ends_with("tests.rs"), "{}", path.display());
    }
}
