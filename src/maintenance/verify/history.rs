//! Verify, in full: whether kept older generations match their names and footers.
//!
//! The table itself does not depend on them, and a damaged one cannot be repaired: its revision of the table is lost.

use futures::{StreamExt, TryStreamExt};

use crate::error::Result;
use crate::job::Job;
use crate::ledger_store::{Kept, Look, kept_generations, look_at};

use crate::pipeline::Context;

use super::rows::compare_rows;
use super::{Defect, Finding};

/// The kept generations with defects.
pub(super) async fn findings(context: &Context, job: &Job, fingerprints: &[String]) -> Result<Vec<Finding>> {
    let kept = kept_generations(&context.lake, &job.unit, job.source.grain()).await?;
    let judged = futures::stream::iter(kept).map(|kept| judge(context, job, fingerprints, kept)).buffered(2);
    let found: Vec<Option<Finding>> = judged.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn judge(context: &Context, job: &Job, fingerprints: &[String], kept: Kept) -> Result<Option<Finding>> {
    let wrong = |defect, detail: String| {
        let advice =
            "restore it or move it away: the table does not rest on it, only what it said then does".to_owned();
        Ok(Some(Finding {
            key: kept.key.clone(),
            defect,
            detail,
            advice,
            repaired: false,
            partition: None,
            replaceable: false,
        }))
    };
    // Copies of displaced objects are kept as they were found, damaged or not.
    if kept.is_displaced {
        return Ok(None);
    }
    let Some((partition, epoch)) = kept.generation else {
        return wrong(Defect::Foreign, "a file among the kept generations that is not named like one".to_owned());
    };
    let footer = match look_at(&context.lake, &kept.key).await? {
        Look::Absent => return Ok(None),
        Look::Unreadable { error, .. } => return wrong(Defect::Corrupt, error.message().to_owned()),
        Look::Whole(seen) => seen.footer,
    };
    if footer.partition != partition.to_string() || footer.epoch != epoch || !fingerprints.contains(&footer.fingerprint)
    {
        let detail =
            format!("generation {} of {}, or another table's, under a wrong name", footer.epoch, footer.partition);
        return wrong(Defect::Foreign, detail);
    }
    let Some(object) = context.lake.read(&kept.key, None).await? else { return Ok(None) };
    match compare_rows(&job.source, object.bytes, &footer).await {
        Ok(()) => Ok(None),
        Err(detail) => wrong(Defect::Corrupt, detail),
    }
}
