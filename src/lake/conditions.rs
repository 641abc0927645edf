//! Checks that the store honours conditions: once per lake, with four small writes below `_costlake/probe/`.
//!
//! | step | required result |
//! |---|---|
//! | create, then create again | second refused |
//! | replace if it has an ETag that never existed | refused |
//! | replace if it has the ETag just read, as the store returned it | done; else the same without quotes |
//!
//! A store that accepts one of the first two would let two runs overwrite each other unnoticed, so it is refused.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::text::hex;

use super::{Condition, S3Lake, Tag};

pub(super) async fn prove(lake: &S3Lake, single_writer: bool) -> Result<()> {
    let name = hex(&Sha256::digest(lake.endpoint().as_bytes())[..8]);
    let record = format!("_costlake/probe/{name}.json");
    if let Some(known) = lake.get(&record, None, None).await? {
        lake.use_bare_tags(known.bytes.windows(4).any(|part| part == b"bare"));
        return Ok(());
    }
    let Some(bare) = ask(lake, &format!("_costlake/probe/{name}-{}", fresh())).await? else {
        if single_writer {
            lake.send_no_conditions();
            return Ok(());
        }
        return Err(Error::new(Kind::Config, "the store ignores conditions on writes: two runs could overwrite each other unseen")
            .at("lake", lake.endpoint())
            .advise("use a store that honours If-Match and If-None-Match on PUT (AWS, MinIO, Ceph RGW), or pass --single-writer and make sure that only one costlake ever writes"));
    };
    lake.use_bare_tags(bare);
    let text = format!("{{\"conditional_writes\":true,\"etags\":\"{}\"}}\n", if bare { "bare" } else { "quoted" });
    lake.put(&record, Bytes::from(text), Condition::Absent).await?;
    Ok(())
}

/// A unique name for one probe.
fn fresh() -> String {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{nanos:x}-{}", std::process::id())
}

/// `Some(true)` if ETags must be sent without quotes, `Some(false)` if with, `None` if the store ignores conditions.
async fn ask(lake: &S3Lake, key: &str) -> Result<Option<bool>> {
    lake.use_bare_tags(false);
    if !lake.put(key, Bytes::from_static(b"1"), Condition::Absent).await?.is_done() {
        return Err(Error::new(Kind::Store, "the store refuses to create an object that does not exist").at("key", key));
    }
    if lake.put(key, Bytes::from_static(b"2"), Condition::Absent).await?.is_done() {
        return Ok(None);
    }
    let never = Tag("\"00000000000000000000000000000000\"".to_owned());
    if lake.put(key, Bytes::from_static(b"3"), Condition::Still(&never)).await?.is_done() {
        return Ok(None);
    }
    let Some(object) = lake.get(key, None, None).await? else { return Ok(None) };
    for bare in [false, true] {
        lake.use_bare_tags(bare);
        if lake.put(key, Bytes::from_static(b"4"), Condition::Still(&object.tag)).await?.is_done() {
            return Ok(Some(bare));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::S3Lake;
    use super::prove;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    #[tokio::test]
    async fn an_honest_store_is_proven_once() {
        let store = Arc::new(InMemory::new());
        let lake = S3Lake::new(store.clone(), store, "p", "s3://b/p", "test");
        prove(&lake, false).await.expect("honest");
        let before = lake.list("_costlake/probe").await.expect("a listing").len();
        prove(&lake, false).await.expect("known");
        assert_eq!(lake.list("_costlake/probe").await.expect("a listing").len(), before);
    }
}
