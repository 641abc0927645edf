//! The page of exit codes: `src/error.rs`, with the examples of its table.

use costlake::error::{EXIT_CODES, EXIT_PRIORITY, Kind, Retry};

use super::{head, is_kept, row, wrapped};
use crate::conventions::source::read;

/// Kind, exit code and example of a row of the table in `src/error.rs`.
fn documented(line: &str) -> Option<(Vec<&str>, u8, &str)> {
    let mut cells = line.strip_prefix("//! | `")?.trim_end_matches(" |").split(" | ");
    let kinds = cells.next()?.split(['`', ',', ' ']).filter(|word| !word.is_empty()).collect();
    Some((kinds, cells.next()?.parse().ok()?, cells.nth(1)?))
}

fn retry(kind: Kind) -> &'static str {
    match kind.retry() {
        Retry::Yes => "yes",
        Retry::No => "no",
        Retry::Later => "later",
    }
}

#[test]
fn the_page_of_exit_codes_is_what_the_program_ends_with() {
    let mut page = "# Exit codes\n\n".to_owned() + &head(&["code", "meaning"]);
    for (code, meaning) in EXIT_CODES {
        page += &row(&[&code.to_string(), meaning]);
    }
    let order: Vec<String> = EXIT_PRIORITY.iter().map(u8::to_string).collect();
    page += "\n";
    page += &wrapped(&format!(
        "Of several at once, the first of {} is the exit code. Results are on stdout, logs and errors on stderr.",
        order.join(", ")
    ));
    page += "\n## Kinds of errors\n\n";
    page += &wrapped(
        "The kind of an error decides its exit code. Run records and JSON output name it as in the first column. `retry` \
         is what `--exit-detail` says for [engines](../accounts.md#workers): run the unit again at once \
         (`yes`), on another night or in another month (`later`), or not before a person has looked (`no`).",
    );
    page += "\n";
    page += &head(&["kind", "shown as", "code", "retry", "for example"]);
    let source = read("src/error.rs");
    for kind in Kind::ALL {
        let name = format!("{kind:?}");
        let (_, code, example) =
            source.lines().filter_map(documented).find(|(kinds, ..)| kinds.contains(&&*name)).expect(&name);
        assert_eq!(code, kind.exit_code(), "the table of src/error.rs and its code differ in {name}");
        page += &row(&[
            &format!("`{}`", kind.name()),
            kind.words(),
            &code.to_string(),
            &format!("`{}`", retry(kind)),
            example,
        ]);
    }
    is_kept("exit-codes", &page);
}

#[test]
fn every_code_of_a_kind_has_a_meaning_and_a_place() {
    for kind in Kind::ALL {
        assert!(EXIT_CODES.iter().any(|(code, _)| *code == kind.exit_code()), "{kind:?}");
        assert!(EXIT_PRIORITY.contains(&kind.exit_code()), "{kind:?}");
    }
    let names: std::collections::BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    assert!(Kind::ALL.windows(2).all(|pair| pair[0] as usize + 1 == pair[1] as usize), "in order, and none left out");
}
