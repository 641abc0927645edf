//! Every row of an object against its footer.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::generation::{self, Footer, digest, rows};
use crate::sources::Source;
use crate::text::plural;

/// Reads every row of an object and compares rows, digests and sums with its footer; the error names the difference.
pub(in crate::maintenance) async fn compare_rows(
    source: &Arc<dyn Source>,
    bytes: Bytes,
    footer: &Footer,
) -> Result<(), String> {
    let (source, footer) = (Arc::clone(source), footer.clone());
    let work = move || compare_rows_now(source.as_ref(), bytes, &footer);
    // A decoder that panics on damaged bytes counts like one that returns an error.
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("its rows cannot be decoded".to_owned()))
}

fn compare_rows_now(source: &dyn Source, bytes: Bytes, footer: &Footer) -> Result<(), String> {
    let table = source.table();
    let said = |error: Error| error.report().replace('\n', ";");
    let whole = generation::decode(table, bytes).map_err(said)?;
    let mut days = rows::split_by_slot(table, source.grain(), &whole).map_err(said)?;
    let sorted = rows::sort(table, &whole).map_err(said)?;
    if rows::check_unique(table, &sorted).is_err() {
        return Err("a row stands in it twice".to_owned());
    }
    for (day, facts) in &footer.days {
        let batch = days.remove(day).unwrap_or_else(|| whole.slice(0, 0));
        if batch.num_rows() as u64 != facts.rows {
            return Err(format!(
                "{} of {day}, but its footer says {}",
                plural(batch.num_rows() as u64, "row"),
                facts.rows
            ));
        }
        if digest::of_rows(table, &batch, &facts.read_for).map_err(said)? != facts.digest {
            return Err(format!("the rows of {day} are not those its footer was written for"));
        }
        if rows::sums(table, &batch, &facts.read_for).map_err(said)? != facts.sums {
            return Err(format!("the rows of {day} do not add up to the sums in its footer"));
        }
    }
    match days.keys().next() {
        Some(day) => Err(format!("rows of {day}, which its footer does not know")),
        None => Ok(()),
    }
}
