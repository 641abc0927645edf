//! Exact answers from a table's own rows: sums of one column by up to three others, over a range of days, with the same
//! sums of an earlier range beside them.
//!
//! ```text
//!   names as typed ──► Question ──► columns to read
//!                         │
//!   rows, a batch at a time ──► Tally ──► Answer: a section for each unit, groups ordered and cut
//! ```
//!
//! | what | rule |
//! |---|---|
//! | decimals | added as they are |
//! | doubles | the shortest decimal that reads back as the same double, rounded to 12 decimals (half away from zero), then added exactly |
//! | NULL, NaN, infinity | not added; the rows are counted |
//! | two currencies, units or series | never added: each has a section of its own |
//! | a column whose schema says `sums: never` | refused |
//!
//! Nothing here reads or writes. Memory is that of one batch, of the groups, and of the different values of the columns
//! that are grouped and filtered by.

mod period;
mod question;
mod tally;

pub use period::{Against, earlier};
pub use question::{Filter, Grouping, MOST_GROUPINGS, Measure, Question, ROWS, first_grouping};
pub use tally::{Answer, Group, Order, Section, Tally};
