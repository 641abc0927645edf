//! Tokens cached by `aws sso login` and `aws login`. The SDK reads them itself and sends them as bearer tokens or in
//! exchange for keys; a server might echo one, so they are registered for redaction.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::redact;

/// Larger files are not token caches.
const LARGEST: u64 = 1 << 20;
const SECRETS: [&str; 7] =
    ["accesstoken", "refreshtoken", "clientsecret", "secretaccesskey", "sessiontoken", "idtoken", "dpopkey"];

/// Redacts the tokens of all cached sessions from all output from now on.
pub(in crate::clients) fn remember() {
    let below_home = |folder: &str| std::env::home_dir().map(|home| home.join(folder));
    let of_login = std::env::var_os("AWS_LOGIN_CACHE_DIRECTORY").map(PathBuf::from);
    let folders = [below_home(".aws/sso/cache"), of_login.or_else(|| below_home(".aws/login/cache"))];
    for entry in folders.into_iter().flatten().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        remember_file(&entry.path());
    }
}

fn remember_file(path: &Path) {
    let is_small = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
    let text = if is_small { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    let Ok(Value::Object(members)) = serde_json::from_str(&text) else {
        // The SDK cannot parse it either, but may quote it in an error.
        let quoted: Vec<&str> = text.split('"').collect();
        let secret = quoted.windows(3).filter(|parts| is_secret(parts[0]));
        return secret.for_each(|parts| redact::remember(parts[2]));
    };
    remember_members(&members);
}

/// `aws login` nests its keys one level deeper.
fn remember_members(members: &Map<String, Value>) {
    for (name, value) in members {
        match value {
            Value::String(text) if is_secret(name) => redact::remember(text),
            Value::Object(inner) => remember_members(inner),
            _ => {}
        }
    }
}

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name.to_lowercase().as_str())
}
