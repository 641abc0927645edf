//! What `aws sso login` left behind. The SDK reads it on its own and sends it as a bearer token, so that a service, or
//! what stands in its place, could repeat a secret that nobody here was told of.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::secrets;

/// More is no token's file.
const LARGEST: u64 = 1 << 20;
const SECRETS: [&str; 3] = ["accesstoken", "refreshtoken", "clientsecret"];

/// From now on the tokens of all sessions are left out of everything that is printed.
pub(super) fn remember() {
    let Some(home) = std::env::home_dir() else { return };
    for entry in fs::read_dir(home.join(".aws/sso/cache")).into_iter().flatten().flatten() {
        remember_file(&entry.path());
    }
}

fn remember_file(path: &Path) {
    let is_small = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
    let text = if is_small { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    let Ok(Value::Object(members)) = serde_json::from_str(&text) else {
        // The SDK can make nothing of it either, but may say what it saw.
        let quoted: Vec<&str> = text.split('"').collect();
        let secret = quoted.windows(3).filter(|parts| is_secret(parts[0]));
        return secret.for_each(|parts| secrets::remember(parts[2]));
    };
    let secret = members.iter().filter(|(name, _)| is_secret(name));
    secret.filter_map(|(_, value)| value.as_str()).for_each(secrets::remember);
}

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name.to_lowercase().as_str())
}
