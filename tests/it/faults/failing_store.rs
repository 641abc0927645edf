//! An in-memory object store with scripted failures that records every call.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use costlake::generation::footer::{Suffix, from_suffix};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// The fault of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call has no effect and returns an error.
    Before,
    /// The call takes effect, and the answer is lost.
    After,
    /// The call takes effect, and the store answers that the condition failed: a write that met its own retry.
    Landed,
    /// The call has no effect, and the store answers that the condition failed: S3's 409 between racing writes.
    Conflict,
    /// The answer is lost, and the call takes effect only right before the next write.
    Late,
    /// The answer is lost, and the call takes effect at [`Faults::land`].
    Adrift,
    /// The store denies the call.
    Denied,
    /// Another writer's object lands first, then the call runs.
    Meanwhile(Bytes),
    /// The object is deleted first, then the call runs.
    Vanish,
    /// A read returns an older object than the current one.
    Earlier(Bytes),
    /// Before the answer to a read arrives, these objects of another run land and the ledger is saved on top of them.
    Overtaken(Vec<(Path, Bytes)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Put,
    List,
    Delete,
}

/// One call; numbering starts at 1 when a script is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) number: usize,
    pub(super) verb: Verb,
    /// Key in the bucket, prefix included.
    pub(super) key: String,
}

impl Call {
    pub(super) fn puts_data(&self) -> bool {
        self.verb == Verb::Put && is_data(&self.key)
    }
}

fn is_snapshot(key: &str) -> bool {
    key.contains("/ledger/")
}

fn is_data(key: &str) -> bool {
    key.ends_with("/data.parquet")
}

type Script = Box<dyn Fn(&Call) -> Option<Fault> + Send + Sync>;
type Write = (Path, PutPayload, PutOptions);

#[derive(Default)]
struct State {
    script: Option<Script>,
    calls: Vec<Call>,
    late: Vec<Write>,
    adrift: Vec<Write>,
    /// Key and generation of every data object that was written, in order.
    written: Vec<(String, u64)>,
    forbidden: Vec<String>,
}

/// The store.
pub(super) struct Faults {
    pub(super) inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that fails as scripted")
    }
}

impl Faults {
    /// A store with the contents of `base` and no faults.
    pub(super) fn over(base: &InMemory) -> Arc<Self> {
        Arc::new(Self { inner: Arc::new(base.fork()), state: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the script that chooses the fault of each call; calls are numbered from 1 again.
    pub(super) fn script(&self, script: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        let mut state = self.state();
        state.script = Some(Box::new(script));
        state.calls.clear();
    }

    /// Removes all faults.
    pub(super) fn heal(&self) {
        self.script(|_| None);
    }

    /// The calls since the script was set.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Key and generation of every data object written so far.
    pub(super) fn written(&self) -> Vec<(String, u64)> {
        self.state().written.clone()
    }

    /// Deletions and renames of anything except old ledger snapshots.
    pub(super) fn forbidden(&self) -> Vec<String> {
        self.state().forbidden.clone()
    }

    /// Applies all writes still in flight.
    pub(super) async fn land(&self) {
        let writes: Vec<Write> = {
            let mut state = self.state();
            let late = std::mem::take(&mut state.late);
            late.into_iter().chain(std::mem::take(&mut state.adrift)).collect()
        };
        for write in writes {
            let _ = self.write(write).await;
        }
    }

    fn decide(&self, verb: Verb, key: &str) -> Option<Fault> {
        decide(&self.state, verb, key)
    }

    async fn write(&self, (path, payload, options): Write) -> Result<PutResult> {
        let bytes = Bytes::from(payload.clone());
        let done = self.inner.put_opts(&path, payload, options).await?;
        if is_data(path.as_ref())
            && let Ok(Suffix::Whole(footer)) = from_suffix(&bytes)
        {
            self.state().written.push((path.to_string(), footer.epoch));
        }
        Ok(done)
    }
}

fn decide(state: &Mutex<State>, verb: Verb, key: &str) -> Option<Fault> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let call = Call { number: state.calls.len() + 1, verb, key: key.to_owned() };
    let fault = state.script.as_ref().and_then(|script| script(&call));
    state.calls.push(call);
    fault
}

fn lost() -> Error {
    Error::Generic { store: "S3", source: "connection reset by the test".into() }
}

fn denied(path: &Path) -> Error {
    Error::PermissionDenied { path: path.to_string(), source: "denied by the test".into() }
}

/// The store's error when a condition fails.
fn refused(path: &Path, mode: &PutMode) -> Error {
    let (path, source) = (path.to_string(), "refused by the test".into());
    match mode {
        PutMode::Update(_) => Error::Precondition { path, source },
        _ => Error::AlreadyExists { path, source },
    }
}

#[async_trait]
impl ObjectStore for Faults {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let late = std::mem::take(&mut self.state().late);
        for write in late {
            let _ = self.write(write).await;
        }
        let mode = options.mode.clone();
        let write = (path.clone(), payload, options);
        let Some(fault) = self.decide(Verb::Put, path.as_ref()) else { return self.write(write).await };
        match fault {
            Fault::Before => return Err(lost()),
            Fault::Denied => return Err(denied(path)),
            Fault::Conflict => return Err(refused(path, &mode)),
            Fault::Late => self.state().late.push(write),
            Fault::Adrift => self.state().adrift.push(write),
            Fault::After => drop(self.write(write).await?),
            Fault::Landed => {
                let _ = self.write(write).await?;
                return Err(refused(path, &mode));
            }
            Fault::Meanwhile(theirs) => {
                self.write((path.clone(), theirs.into(), PutOptions::default())).await?;
                return self.write(write).await;
            }
            Fault::Earlier(_) | Fault::Overtaken(_) => return self.write(write).await,
            Fault::Vanish => {
                self.inner.delete(path).await?;
                return self.write(write).await;
            }
        }
        Err(lost())
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.state().forbidden.push(format!("multipart upload to {path}"));
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.decide(Verb::Get, path.as_ref()) {
            None => self.inner.get_opts(path, options).await,
            Some(Fault::Denied) => Err(denied(path)),
            Some(Fault::Meanwhile(theirs)) => {
                self.write((path.clone(), theirs.into(), PutOptions::default())).await?;
                self.inner.get_opts(path, options).await
            }
            Some(Fault::Vanish) => {
                self.inner.delete(path).await?;
                self.inner.get_opts(path, options).await
            }
            Some(Fault::Earlier(bytes)) => {
                let then = InMemory::new();
                then.put(path, bytes.into()).await?;
                then.get_opts(path, options).await
            }
            Some(Fault::Overtaken(theirs)) => {
                let answer = self.inner.get_opts(path, options).await;
                let newest = theirs.iter().map(|(path, _)| path.to_string()).filter(|key| is_snapshot(key)).max();
                for (path, bytes) in theirs {
                    self.write((path, bytes.into(), PutOptions::default())).await?;
                }
                for _ in 0..10_000 {
                    if self.calls().iter().any(|call| is_snapshot(&call.key) && Some(&call.key) > newest.as_ref()) {
                        return answer;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                panic!("the ledger was not saved meanwhile: {:?}", self.calls())
            }
            Some(_) => Err(lost()),
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, state) = (self.inner.clone(), self.state.clone());
        let delete = move |path: Result<Path>| {
            let (inner, state) = (inner.clone(), state.clone());
            async move {
                let path = path?;
                if !path.as_ref().contains("/ledger/") {
                    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.forbidden.push(format!("deletion of {path}"));
                }
                match decide(&state, Verb::Delete, path.as_ref()) {
                    None => inner.delete(&path).await.map(|()| path),
                    Some(_) => Err(lost()),
                }
            }
        };
        paths.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.decide(Verb::List, prefix.map_or("", |prefix| prefix.as_ref())) {
            None => self.inner.list(prefix),
            Some(_) => stream::once(std::future::ready(Err(lost())).boxed()).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.state().forbidden.push(format!("copy of {from} to {to}"));
        self.inner.copy_opts(from, to, options).await
    }
}
