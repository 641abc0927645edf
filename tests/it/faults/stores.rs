//! Stores that ignore conditions or handle ETags unusually.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use costlake::error::{Error, Kind};
use costlake::lake::{Lake, S3Lake};
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UpdateVersion,
};

use super::world::{EARLY, LATER, World, assert_ledger_agrees, begun, contents, cost_job, failure, lake};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Oddity {
    /// Ignores all conditions on writes.
    IgnoresConditions,
    /// Honours `If-None-Match` but not `If-Match`.
    IgnoresIfMatch,
    /// Honours `If-Match` but not `If-None-Match`.
    IgnoresIfNoneMatch,
    /// Matches an ETag on PUT only without its quotes, as old Ceph does.
    WantsBareTags,
    /// Matches an ETag on PUT only with its quotes.
    WantsQuotedTags,
    /// Returns no ETag.
    HasNoTags,
    /// Listings never end: there is always another, empty page.
    ListsForEver,
}

#[derive(Debug)]
struct OddStore {
    inner: InMemory,
    oddity: Oddity,
    /// Conditional writes, except those of the probe.
    conditional: AtomicUsize,
}

impl OddStore {
    fn new(oddity: Oddity) -> Arc<Self> {
        Arc::new(Self { inner: InMemory::new(), oddity, conditional: AtomicUsize::new(0) })
    }

    fn mode(&self, mode: PutMode, path: &Path) -> Result<PutMode> {
        let refused = || object_store::Error::Precondition { path: path.to_string(), source: "another ETag".into() };
        let PutMode::Update(version) = mode else {
            let ignored = matches!(self.oddity, Oddity::IgnoresConditions | Oddity::IgnoresIfNoneMatch);
            return Ok(if ignored { PutMode::Overwrite } else { mode });
        };
        let tag = version.e_tag.unwrap_or_default();
        match self.oddity {
            Oddity::IgnoresConditions | Oddity::IgnoresIfMatch => Ok(PutMode::Overwrite),
            Oddity::WantsBareTags if tag.contains('"') => Err(refused()),
            Oddity::WantsQuotedTags if !tag.contains('"') => Err(refused()),
            Oddity::WantsBareTags => {
                Ok(PutMode::Update(UpdateVersion { e_tag: Some(format!("\"{tag}\"")), version: None }))
            }
            _ => Ok(PutMode::Update(UpdateVersion { e_tag: Some(tag), version: None })),
        }
    }
}

impl fmt::Display for OddStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.oddity)
    }
}

#[async_trait]
impl ObjectStore for OddStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode != PutMode::Overwrite && !path.as_ref().contains("/probe/") {
            self.conditional.fetch_add(1, Ordering::Relaxed);
        }
        let mode = self.mode(options.mode.clone(), path)?;
        self.inner.put_opts(path, payload, PutOptions { mode, ..options }).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, mut options: GetOptions) -> Result<GetResult> {
        // On GET such stores match either spelling.
        options.if_match = options.if_match.map(|tag| format!("\"{}\"", tag.trim_matches('"')));
        let mut answer = self.inner.get_opts(path, options).await?;
        if self.oddity == Oddity::HasNoTags {
            answer.meta.e_tag = None;
        }
        Ok(answer)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.oddity {
            Oddity::ListsForEver => stream::pending().boxed(),
            _ => self.inner.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn refusal(result: costlake::error::Result<()>) -> Error {
    result.expect_err("the store has to be refused")
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused() {
    for oddity in [Oddity::IgnoresConditions, Oddity::IgnoresIfMatch, Oddity::IgnoresIfNoneMatch] {
        let store = OddStore::new(oddity);
        for attempt in 1..=2 {
            let error = refusal(lake(&store).prove_conditions(false).await);
            assert_eq!(error.kind(), Kind::Config, "{oddity:?}, attempt {attempt}");
            assert!(error.message().contains("ignores conditions on writes"), "{error}");
            assert!(error.advice().is_some_and(|advice| advice.contains("--single-writer")), "{error:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_or_written_on_a_refused_store() {
    let (world, job) = (World::start(EARLY).await, cost_job());
    let store = OddStore::new(Oddity::IgnoresConditions);
    let report = world.run(&store, &job).await;
    assert_eq!((report.exit_code, report.asked.requests), (2, 0), "{report:#?}");
    assert!(failure(&report).contains("--single-writer"), "{report:#?}");
    assert!(contents(&store, &job).await.is_empty());
    assert_eq!(lake(&store).list("_costlake/cost").await.expect("a listing"), []);
}

#[tokio::test]
async fn a_single_writer_may_use_a_dishonest_store() {
    let job = cost_job();
    let (world, honest) = begun(&job).await;
    world.run_well(&honest, &job).await;
    let store = OddStore::new(Oddity::IgnoresConditions);
    for now in [EARLY, LATER] {
        world.set(now);
        let mut context = world.context(lake(&store));
        context.single_writer = true;
        let report = costlake::pipeline::run_job(&context, &job, "run", costlake::plan::Ask::Due).await;
        assert_eq!(report.exit_code, 0, "{report:#?}");
    }
    assert!(contents(&store, &job).await == contents(&honest, &job).await, "the same bytes as on an honest store");
    assert_eq!(store.conditional.load(Ordering::Relaxed), 0, "no condition is sent to a store that ignores them");
    assert_ledger_agrees(&store, &job).await;
    assert_eq!(world.run(&store, &job).await.exit_code, 2, "without the flag it is still refused");
}

#[tokio::test]
async fn stores_that_spell_etags_their_own_way_work() {
    let job = cost_job();
    let (world, honest) = begun(&job).await;
    world.run_well(&honest, &job).await;
    for oddity in [Oddity::WantsBareTags, Oddity::WantsQuotedTags] {
        let store = OddStore::new(oddity);
        for now in [EARLY, LATER] {
            world.set(now);
            world.run_well(&store, &job).await;
        }
        let found = contents(&store, &job).await;
        assert!(found == contents(&honest, &job).await, "{oddity:?}");
        assert_eq!(found["2026-10"].footer.epoch, 2, "an object was replaced under its condition");
    }
}

#[tokio::test]
async fn a_store_without_etags_is_refused() {
    let (world, job) = (World::start(EARLY).await, cost_job());
    let store = OddStore::new(Oddity::HasNoTags);
    let report = world.run(&store, &job).await;
    assert_eq!((report.exit_code, report.asked.requests), (1, 0), "{report:#?}");
    assert!(failure(&report).contains("no ETag"), "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_listing_without_an_end_is_not_waited_for() {
    let error = lake(&OddStore::new(Oddity::ListsForEver)).list("cost").await.expect_err("no listing");
    assert_eq!(error.kind(), Kind::Store);
    assert!(error.message().contains("goes on after 10 minutes"), "{}", error.report());
}

/// The probe result of one endpoint does not apply to another one with the same objects.
#[tokio::test]
async fn each_endpoint_is_asked_by_itself() {
    let store = Arc::new(InMemory::new());
    let of = |endpoint| Lake::S3(S3Lake::new(store.clone(), store.clone(), "p", "s3://b/p", endpoint));
    for (endpoint, known) in [("first", 1), ("second", 2), ("first", 2)] {
        of(endpoint).prove_conditions(false).await.expect("an honest store");
        let listed = of(endpoint).list("_costlake/probe").await.expect("a listing");
        assert_eq!(listed.iter().filter(|entry| entry.key.ends_with(".json")).count(), known, "{listed:?}");
    }
}
