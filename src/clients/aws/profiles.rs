//! Checks of the AWS profile files that the SDK lacks: it drops the file and line of a syntax error, and signs with
//! keys that are no valid header values.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_config::profile::{Profile, ProfileFileLoadError, ProfileSet, load};
use aws_types::os_shim_internal::{Env, Fs};
use tracing::instrument::WithSubscriber;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher};

use crate::error::{Error, Kind, Result};

use crate::clients::causes;
use crate::clients::sendable::{flaw_of_key, refuse};
use crate::job::read_text;

use super::origin;

const KEYS: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
/// Longest chain of `source_profile`.
const LONGEST_CHAIN: usize = 16;

/// The name of the selected profile: the job's, else the environment's, else `default`.
pub(in crate::clients) fn selected(profile: Option<&str>) -> String {
    profile.map(str::to_owned).or_else(|| std::env::var("AWS_PROFILE").ok()).unwrap_or_else(|| "default".to_owned())
}

/// The region of a profile, and the profile's name.
pub(in crate::clients) struct ProfileRegion {
    pub(in crate::clients) profile: String,
    pub(in crate::clients) region: String,
}

/// Whether warnings about the files were logged.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Reads the files; warnings about them are logged once per process.
async fn read(profile: Option<&str>) -> Result<ProfileSet, ProfileFileLoadError> {
    let selected = profile.map(|name| Cow::Owned(name.to_owned()));
    let (files, environment) = (Fs::real(), Env::real());
    let sources = Default::default();
    let reading = load(&files, &environment, &sources, selected);
    // The SDK's warning about a file that is no text has the whole file in it, keys and all.
    if TOLD.swap(true, Ordering::Relaxed) || no_text().is_some() {
        reading.with_subscriber(but_files()).await
    } else {
        reading.await
    }
}

/// The first file of profiles that is no UTF-8 text, or too long for one, and why.
fn no_text() -> Option<(PathBuf, io::Error)> {
    let is_flaw = |error: &io::Error| matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge);
    origin::files().into_iter().find_map(|file| read_text(&file).err().filter(is_flaw).map(|error| (file, error)))
}

/// The region of the selected profile, else of its `source_profile`, and so on. `None` for a syntax error, which is
/// reported where the files are needed.
pub(in crate::clients) async fn region(profile: Option<&str>) -> Option<ProfileRegion> {
    let profiles = read(profile).await.ok()?;
    chain(&profiles).find_map(|(name, profile)| {
        Some(ProfileRegion { profile: name.to_owned(), region: profile.get("region")?.to_owned() })
    })
}

/// Checks the profiles that a job's credentials may come from.
///
/// # Errors
/// [`Kind::Auth`] for a file that is no text, for a syntax error, with file and line, and for keys that are no valid
/// header values.
pub(in crate::clients) async fn check(profile: Option<&str>) -> Result<()> {
    if let Some((file, error)) = no_text() {
        return Err(Error::new(Kind::Auth, "the AWS profiles cannot be read")
            .at("file", file.display())
            .because(error)
            .advise("save the file as UTF-8 text; what is not ASCII may stand in a comment of it"));
    }
    let profiles = read(profile).await.map_err(|error| {
        Error::new(Kind::Auth, "the AWS profiles cannot be read")
            .because(causes(&error))
            .advise("correct that line of the file, or set AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE to others")
    })?;
    chain(&profiles).try_for_each(|(name, profile)| check_profile(name, profile))
}

/// The last profile of the chain, which the credentials come from; `None` where there is none or it cannot be read.
pub(super) async fn source(profile: Option<&str>) -> Option<(String, Profile)> {
    let profiles = read(profile).await.ok()?;
    chain(&profiles).last().map(|(name, profile)| (name.to_owned(), profile.clone()))
}

/// The profiles of the files, by name, if the selected one is none of them.
pub(super) async fn without_selected(profile: Option<&str>) -> Option<Vec<String>> {
    let profiles = read(profile).await.ok()?;
    let names = || profiles.profiles().map(str::to_owned).collect();
    profiles.get_profile(profiles.selected_profile()).is_none().then(names)
}

/// The selected profile and its chain of `source_profile`.
fn chain(profiles: &ProfileSet) -> impl Iterator<Item = (&str, &Profile)> {
    let named = move |name| Some((name, profiles.get_profile(name)?));
    std::iter::successors(named(profiles.selected_profile()), move |(_, profile)| named(profile.get("source_profile")?))
        .take(LONGEST_CHAIN)
}

fn check_profile(name: &str, profile: &Profile) -> Result<()> {
    KEYS.iter().try_for_each(|key| {
        refuse(&format!("{key} of the AWS profile `{name}`"), profile.get(key).and_then(flaw_of_key))
    })
}

/// The current subscriber, without the SDK's messages about profile files, which it repeats at every read.
pub(in crate::clients) fn but_files() -> impl Subscriber {
    ButFiles(dispatcher::get_default(Dispatch::clone))
}

struct ButFiles(Dispatch);

impl ButFiles {
    fn takes(metadata: &Metadata<'_>) -> bool {
        !metadata.target().starts_with("aws_runtime::env_config::")
    }
}

impl Subscriber for ButFiles {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::takes(metadata) && self.0.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::current())
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.0.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.0.record_follows_from(span, follows);
    }

    fn event(&self, event: &Event<'_>) {
        if Self::takes(event.metadata()) {
            self.0.event(event);
        }
    }

    fn enter(&self, span: &Id) {
        self.0.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.0.exit(span);
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.0.clone_span(span)
    }

    fn try_close(&self, span: Id) -> bool {
        self.0.try_close(span)
    }
}
