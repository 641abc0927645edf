//! Publishing a generation, and settling the outcome of the write.
//!
//! The object is replaced only if it is still the one observed before the first API request. Every response but success
//! is settled by reading back, because the write may have been applied although its response was lost:
//!
//! | what is there now | then |
//! |---|---|
//! | ours: same epoch, same days | committed, whichever attempt wrote it |
//! | still the observed one | the write may be in flight: the same bytes are sent again under the same condition |
//! | another generation | superseded: theirs is kept, ours is not written |
//! | nothing, though something was observed | another process deleted it: an error |
//! | it cannot be read, or five attempts were inconclusive | the outcome is unknown (exit code 7) |
//!
//! A local disk has no writes in flight, and its errors are final: an object that is in place although the disk failed
//! to make it durable is not reported as committed. The next run observes it and continues from there.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::generation::Footer;
use crate::lake::{Condition, Lake, Put};
use crate::ledger::ObjectId;
use crate::ledger_store::{Observed, data_key, observe};
use crate::unit::Unit;
use crate::window::Partition;

/// A generation is published at most this long after its observation.
pub const MAX_AGE: Duration = Duration::from_secs(30 * 60);
const ATTEMPTS: u32 = 5;

/// Where a generation goes and what it replaces.
#[derive(Debug)]
pub struct Target<'a> {
    /// What is written.
    pub unit: &'a Unit,
    /// The partition.
    pub partition: Partition,
    /// The object that was observed before fetching.
    pub observed: Option<&'a Observed>,
    /// When it was observed.
    pub observed_at: Instant,
    /// First wait between attempts to settle.
    pub first_wait: Duration,
}

/// Publishes `bytes`, whose footer is `footer`; returns the id of the object.
///
/// # Errors
/// [`Kind::Superseded`], [`Kind::OutcomeUnknown`], or the error that prevented the write.
pub async fn publish(lake: &Lake, target: &Target<'_>, bytes: Bytes, footer: &Footer) -> Result<ObjectId> {
    let key = data_key(target.unit, target.partition);
    if target.observed_at.elapsed() > MAX_AGE {
        return Err(Error::new(
            Kind::Store,
            "the fetch took longer than 30 minutes, so its observation is too old to publish on",
        )
        .at("partition", target.partition)
        .advise("run again; if it stays slow, raise limits.requests_per_second or shorten the range"));
    }
    let condition = target.observed.map_or(Condition::Absent, |seen| Condition::Still(&seen.tag));
    failpoint::point("before_put");
    let mut last = None;
    for attempt in 1..=ATTEMPTS {
        match lake.put(&key, bytes.clone(), condition).await {
            Ok(Put::Done(etag)) => {
                failpoint::point("put_acked");
                return Ok(ObjectId { size: bytes.len() as u64, etag });
            }
            Ok(Put::Refused) => {}
            Err(error) if lake.is_final(&error) || error.kind() == Kind::Internal => return Err(error),
            Err(error) => {
                warn!(key, attempt, "{error}; reading back what became of the write");
                last = Some(error);
            }
        }
        match settle(lake, target, footer).await {
            Ok(Settled::Ours(id)) => return Ok(id),
            Ok(Settled::Theirs(epoch)) => return Err(superseded(target, epoch)),
            Ok(Settled::Gone) => return Err(gone(&key)),
            Ok(Settled::Before) => {}
            Err(error) => last = Some(error),
        }
        sleep(target.first_wait.saturating_mul(1 << (attempt - 1))).await;
    }
    let unknown = Error::new(Kind::OutcomeUnknown, "whether the write landed could not be told")
        .at("key", &key)
        .advise("run again: the next run looks first and goes on from what is there");
    Err(match last {
        Some(cause) => unknown.because(cause),
        None => unknown,
    })
}

enum Settled {
    Ours(ObjectId),
    Before,
    Theirs(u64),
    Gone,
}

async fn settle(lake: &Lake, target: &Target<'_>, ours: &Footer) -> Result<Settled> {
    let now = observe(lake, target.unit, target.partition).await?;
    Ok(match (now, target.observed) {
        (Some(now), _) if now.footer == *ours => {
            info!(partition = %target.partition, epoch = ours.epoch, "the write had landed");
            Settled::Ours(now.id())
        }
        (Some(now), Some(seen)) if now.tag == seen.tag => Settled::Before,
        (Some(now), _) => Settled::Theirs(now.footer.epoch),
        (None, None) => Settled::Before,
        (None, Some(_)) => Settled::Gone,
    })
}

fn superseded(target: &Target<'_>, epoch: u64) -> Error {
    Error::new(Kind::Superseded, format!("superseded: another writer committed generation {epoch} first"))
        .at("table", target.unit)
        .at("partition", target.partition)
        .advise("theirs stands; run again if this run should have the last word")
}

fn gone(key: &str) -> Error {
    Error::new(Kind::Store, "the object was deleted while this run was fetching")
        .at("key", key)
        .advise("costlake never deletes data: find out who did, then run again")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use object_store::memory::InMemory;
    use tokio::time::Instant;

    use super::{MAX_AGE, Target, publish};
    use crate::generation::Footer;
    use crate::lake::{Lake, S3Lake};
    use crate::window::Grain;

    /// An observation that is too old must not be published on.
    #[tokio::test(start_paused = true)]
    async fn what_was_observed_too_long_ago_is_not_replaced() {
        let store = Arc::new(InMemory::new());
        let lake = Lake::S3(S3Lake::new(store.clone(), store, "p", "s3://b/p", "test"));
        let partition = Grain::Daily.parse_partition("2026-11").expect("a partition");
        let footer = Footer {
            format: 1,
            epoch: 1,
            fingerprint: String::new(),
            account: None,
            partition: partition.to_string(),
            days: BTreeMap::new(),
            replaced: BTreeMap::new(),
        };
        let (observed_at, first_wait) = (Instant::now(), Duration::from_millis(1));
        let target = Target { unit: &"t".into(), partition, observed: None, observed_at, first_wait };
        tokio::time::advance(MAX_AGE + Duration::from_secs(1)).await;
        let error = publish(&lake, &target, Bytes::from("x"), &footer).await.expect_err("too late");
        assert!(error.message().contains("longer than 30 minutes"), "{}", error.report());
        assert!(lake.list("t").await.expect("a listing").is_empty());
        let target = Target { observed_at: Instant::now(), ..target };
        tokio::time::advance(MAX_AGE - Duration::from_secs(1)).await;
        publish(&lake, &target, Bytes::from("x"), &footer).await.expect("in time");
        assert_eq!(lake.list("t").await.expect("a listing").len(), 1);
    }
}
