//! An in-memory bucket with every fault of a real one, which reports each change to the checker.
//!
//! An ETag is a digest of the content, as S3's are: the same bytes have the same tag.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::place::{RECORD, count_record};
use super::units::SECOND;
use super::world::{Shared, World, lock, pause};

/// The fault of a call; for anything but a write, each except a denial is an error without effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call has no effect and returns an error.
    Before,
    /// The call takes effect, and the answer is lost.
    After,
    /// The call takes effect, and the store answers that the condition failed.
    Landed,
    /// The call has no effect, and the store answers that the condition failed.
    Conflict,
    /// The answer is lost, and the call takes effect up to 20 min later.
    Ghost,
    /// The call takes effect at once and again later.
    Twice,
    /// No answer for a long time, then an error; the call took effect or not.
    Silence,
    Denied,
}

pub(super) const FAULTS: [Fault; 8] = [
    Fault::Before,
    Fault::After,
    Fault::Landed,
    Fault::Conflict,
    Fault::Ghost,
    Fault::Twice,
    Fault::Silence,
    Fault::Denied,
];

/// Counter of writes that land long after they were sent.
pub(super) const LATE: &str = "late write: lands";

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    tag: String,
    modified: DateTime<Utc>,
}

/// One write, as it was sent.
#[derive(Debug, Clone)]
struct Write {
    key: String,
    bytes: Bytes,
    mode: PutMode,
    writer: usize,
    unit: usize,
}

/// The objects of the bucket, and the writes in flight.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) held: BTreeMap<String, Object>,
    ghosts: Vec<(Duration, Write)>,
    /// The unit whose run made the record of a table with accounts.
    record_by: Option<usize>,
}

impl Objects {
    /// Adds an object that has always existed.
    pub(super) fn add(&mut self, key: &str, bytes: Bytes) {
        let object = Object { tag: tag_of(&bytes), bytes, modified: super::schedule::first_now() };
        self.held.insert(key.to_owned(), object);
    }
}

fn tag_of(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// Simulated time of a change.
fn instant(world: &World) -> DateTime<Utc> {
    super::schedule::first_now() + world.elapsed()
}

fn lost() -> Error {
    Error::Generic { store: "S3", source: "the connection ended".into() }
}

fn denied(key: &str) -> Error {
    Error::PermissionDenied { path: key.to_owned(), source: "denied".into() }
}

fn refused(write: &Write) -> Error {
    let (path, source) = (write.key.clone(), "the condition does not hold".into());
    match write.mode {
        PutMode::Update(_) => Error::Precondition { path, source },
        _ => Error::AlreadyExists { path, source },
    }
}

/// Applies a write if its condition holds, whichever unit is looked at: it may land late.
fn land(world: &mut World, write: &Write) -> Result<PutResult> {
    let unit = world.unit();
    world.turn_to(write.unit);
    let landed = land_in(world, write);
    if !world.others.is_empty() && write.key == RECORD {
        match world.objects.record_by {
            None => {
                world.objects.record_by = Some(write.unit);
                count_record(write.unit, &mut world.tally);
            }
            Some(first) if first != write.unit => world.tally.count(SECOND),
            Some(_) => {}
        }
    }
    world.turn_to(unit);
    landed
}

fn land_in(world: &mut World, write: &Write) -> Result<PutResult> {
    let held = world.objects.held.get(&write.key);
    let holds = match &write.mode {
        PutMode::Create => held.is_none(),
        PutMode::Update(version) => held.is_some_and(|held| Some(&held.tag) == version.e_tag.as_ref()),
        PutMode::Overwrite => true,
    };
    if !holds {
        return Err(refused(write));
    }
    let event = world.event();
    let tag = tag_of(&write.bytes);
    let object = Object { bytes: write.bytes.clone(), tag: tag.clone(), modified: instant(world) };
    let before = world.objects.held.insert(write.key.clone(), object);
    world.note(|| format!("{} is written by writer {}: {} bytes", write.key, write.writer, write.bytes.len()));
    let World { watch, bill, objects, tally, .. } = world;
    let before = before.map(|object| object.bytes);
    watch.landed(event, write.writer, &write.key, &write.bytes, before, bill, objects, tally);
    Ok(PutResult { e_tag: Some(tag), version: None, extensions: Default::default() })
}

/// Writes an object as the writer would, unconditionally.
pub(super) fn lay(world: &mut World, key: &str, bytes: Bytes) {
    let write = Write { key: key.to_owned(), bytes, mode: PutMode::Overwrite, writer: 0, unit: world.unit() };
    land(world, &write).expect("no condition");
}

/// Applies the writes in flight that are due, or all of them with `all`.
pub(super) fn deliver(world: &mut World, all: bool) {
    let now = world.elapsed();
    loop {
        let due = world.objects.ghosts.iter().position(|(at, _)| all || *at <= now);
        let Some(index) = due else { return };
        let (_, write) = world.objects.ghosts.remove(index);
        let landed = land(world, &write).is_ok();
        world.tally.count(if landed { LATE } else { "late write: refused" });
    }
}

/// The bucket as one writer sees it.
pub(super) struct Bucket {
    pub(super) world: Shared,
    pub(super) writer: usize,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "writer {}", self.writer)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "writer {}", self.writer)
    }
}

impl Bucket {
    fn draw(&self, verb: &'static str, key: &str) -> Option<Fault> {
        let mut world = lock(&self.world);
        deliver(&mut world, false);
        world.watch.reaches(self.writer, verb, key);
        let fault = (world.rng.u32(0..1_000) < world.odds.of_store(world.elapsed()))
            .then(|| FAULTS[world.rng.usize(0..FAULTS.len())]);
        // A denial ends a run, so only one in four is kept.
        let fault = fault.map(|fault| match fault {
            Fault::Denied if world.rng.u8(0..4) > 0 => Fault::Before,
            fault => fault,
        });
        let slow = world.odds.slow && verb == "put" && key.starts_with(&world.watch.place.table) && world.rng.bool();
        let fault = fault.or(slow.then_some(Fault::Silence));
        if let Some(fault) = fault {
            world.tally.count(format!("{verb}: {fault:?}"));
            world.watch.writers[self.writer].faults += 1;
        }
        let writer = self.writer;
        world.event();
        world.note(|| format!("writer {writer} {verb}s {key}: {fault:?}"));
        fault
    }

    /// The start of every call; an error means that it had no effect.
    async fn call(&self, verb: &'static str, key: &str) -> Result<()> {
        let fault = self.draw(verb, key);
        pause(&self.world, 80).await;
        match fault {
            None => Ok(()),
            Some(Fault::Denied) => Err(denied(key)),
            Some(Fault::Silence) => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                Err(lost())
            }
            Some(_) => Err(lost()),
        }
    }

    fn land(&self, write: &Write) -> Result<PutResult> {
        let mut world = lock(&self.world);
        deliver(&mut world, false);
        let landed = land(&mut world, write);
        world.watch_glance();
        landed
    }

    fn send_later(&self, write: &Write) {
        let mut world = lock(&self.world);
        // Half of them within 5 s, while the same run is still active; the others within 20 min.
        let longest = if world.rng.bool() { 5_000 } else { 1_200_000 };
        let at = world.elapsed() + Duration::from_millis(world.rng.u64(1..longest));
        world.objects.ghosts.push((at, write.clone()));
    }

    fn read(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        let mut world = lock(&self.world);
        deliver(&mut world, false);
        world.watch_glance();
        let key = path.to_string();
        let Some(object) = world.objects.held.get(&key) else {
            return Err(Error::NotFound { path: key, source: "no such key".into() });
        };
        if options.if_match.as_ref().is_some_and(|tag| *tag != object.tag) {
            return Err(Error::Precondition { path: key, source: "another object".into() });
        }
        let size = object.bytes.len() as u64;
        let start = match options.range {
            Some(GetRange::Suffix(last)) => size.saturating_sub(last),
            None => 0,
            Some(_) => panic!("a range nobody asks for"),
        };
        let bytes = object.bytes.slice(usize::try_from(start).expect("a small object")..);
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::once(std::future::ready(Ok(bytes))).boxed()),
            meta: meta(path.clone(), object),
            range: start..size,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }
}

fn meta(location: Path, object: &Object) -> ObjectMeta {
    let size = object.bytes.len() as u64;
    ObjectMeta { location, last_modified: object.modified, size, e_tag: Some(object.tag.clone()), version: None }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let unit = lock(&self.world).unit();
        let (key, bytes) = (path.to_string(), payload.into());
        let write = Write { key, bytes, mode: options.mode, writer: self.writer, unit };
        let fault = self.draw("put", &write.key);
        {
            let mut world = lock(&self.world);
            let World { watch, tally, .. } = &mut *world;
            watch.sent(write.writer, &write.key, &write.bytes, tally);
        }
        pause(&self.world, 80).await;
        let answer = match fault {
            None => self.land(&write),
            Some(Fault::Before) => Err(lost()),
            Some(Fault::After) => self.land(&write).and(Err(lost())),
            Some(Fault::Landed) => self.land(&write).and(Err(refused(&write))),
            Some(Fault::Conflict) => Err(refused(&write)),
            Some(Fault::Denied) => Err(denied(&write.key)),
            Some(Fault::Ghost) => {
                self.send_later(&write);
                Err(lost())
            }
            Some(Fault::Twice) => {
                self.send_later(&write);
                self.land(&write)
            }
            Some(Fault::Silence) => {
                let happens = lock(&self.world).rng.bool();
                let landed = if happens { self.land(&write).map(drop) } else { Ok(()) };
                tokio::time::sleep(Duration::from_secs(30)).await;
                landed.and(Err(lost()))
            }
        };
        pause(&self.world, 80).await;
        answer
    }

    async fn put_multipart_opts(&self, path: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        panic!("nobody uploads {path} in parts")
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.call("get", path.as_ref()).await?;
        let answer = self.read(path, &options);
        pause(&self.world, 30).await;
        answer
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let bucket = Self { world: self.world.clone(), writer: self.writer };
        let delete = move |path: Result<Path>| {
            let bucket = Self { world: bucket.world.clone(), writer: bucket.writer };
            async move {
                let path = path?;
                bucket.call("delete", path.as_ref()).await?;
                let mut world = lock(&bucket.world);
                world.objects.held.remove(path.as_ref());
                world.watch.deleted(path.as_ref());
                Ok(path)
            }
        };
        paths.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = format!("{}/", prefix.map_or("", |prefix| prefix.as_ref()));
        let bucket = Self { world: self.world.clone(), writer: self.writer };
        let listed = async move {
            if let Err(error) = bucket.call("list", &folder).await {
                return vec![Err(error)];
            }
            let mut world = lock(&bucket.world);
            deliver(&mut world, false);
            world.watch_glance();
            let below = world.objects.held.range(folder.clone()..).take_while(|(key, _)| key.starts_with(&folder));
            below.map(|(key, object)| Ok(meta(Path::from(key.as_str()), object))).collect()
        };
        listed.map(stream::iter).flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        panic!("nobody lists one level")
    }

    async fn copy_opts(&self, from: &Path, to: &Path, _: CopyOptions) -> Result<()> {
        panic!("nobody copies {from} to {to}")
    }
}
