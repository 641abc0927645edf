//! The answer of `GetCostAndUsage`, from its bytes into columns.
//!
//! | decoder | reads |
//! |---|---|
//! | [`fast`] | what AWS writes, by position, without a parser's checks of what follows |
//! | [`full`] | any valid answer; reports what is wrong with any other |
//!
//! The fast one gives up at the first surprise, and the full one reads the page from its beginning: both give the same
//! rows for the same bytes (`differential`, and a fuzz target).

mod columns;
pub(super) mod compare;
mod dictionary;
#[cfg(test)]
mod differential;
mod fast;
mod full;
mod scanner;

pub(super) use columns::{PageEnd, Rows, Wanted};
pub(super) use dictionary::Names;

/// Reads one page and appends its rows to `rows`.
pub(super) fn read_page(body: &[u8], wanted: &Wanted<'_>, rows: &mut Rows) -> serde_json::Result<PageEnd> {
    let before = (rows.period.len(), rows.periods.len());
    if let Some(end) = fast::read_page(body, wanted, rows) {
        return Ok(end);
    }
    rows.truncate(before);
    full::read_page(body, wanted, rows)
}
