//! The two Datadog keys: from variables, or from files named by variables.
//!
//! | set | result |
//! |---|---|
//! | `DD_API_KEY` | its value |
//! | `DD_API_KEY_FILE` | the file's text without trailing line ends |
//! | both | an error: it is unclear which of them is outdated |
//! | neither, or empty | an error that names both |
//!
//! The same for `DD_APP_KEY`. No message contains a key or part of one.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, Kind, Result};
use crate::job::{KeyFiles, read_text};

/// The keys of one organisation.
#[derive(Debug, Clone)]
pub struct Keys {
    /// `DD-API-KEY`.
    pub api: SecretString,
    /// `DD-APPLICATION-KEY`.
    pub app: SecretString,
}

impl Keys {
    /// Redacts the keys, which a proxy may have echoed.
    pub(super) fn redact(&self, text: String) -> String {
        [&self.api, &self.app]
            .into_iter()
            .map(ExposeSecret::expose_secret)
            .filter(|key| !key.is_empty())
            .fold(text, |text, key| if text.contains(key) { text.replace(key, "[key]") } else { text })
    }
}

/// Reads both keys of an organisation from the files that the job names.
///
/// # Errors
/// [`Kind::Auth`] if a file is unreadable or holds no key.
pub fn read_key_files(files: &KeyFiles) -> Result<Keys> {
    let read = |key: &'static str, file: &Path| {
        let text = read_text(file).map_err(|error| {
            Error::new(Kind::Auth, format!("cannot read the file that {key} of the account names"))
                .at("file", file.display())
                .because(error)
                .advise("correct the path in the list of accounts, or the file's permissions")
        })?;
        key_in(&text, &format!("the file {}", file.display()))
    };
    Ok(Keys { api: read("api_key_file", &files.api)?, app: read("app_key_file", &files.app)? })
}

const ADVICE: &str = "set DD_API_KEY and DD_APP_KEY, or let DD_API_KEY_FILE and DD_APP_KEY_FILE name files that hold \
                      an API key and an application key of the same organisation";

/// Reads both keys; `lookup` reads the environment.
///
/// # Errors
/// [`Kind::Auth`] if a key is missing, unreadable or malformed.
pub fn read_keys(lookup: impl Fn(&str) -> Option<String>) -> Result<Keys> {
    let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
    let missing = |name: &str| set(name).is_none() && set(&format!("{name}_FILE")).is_none();
    if missing("DD_API_KEY") && missing("DD_APP_KEY") {
        let message = "there are no Datadog keys: neither DD_API_KEY nor DD_API_KEY_FILE is set, and neither DD_APP_KEY \
                       nor DD_APP_KEY_FILE";
        return Err(Error::new(Kind::Auth, message).advise(ADVICE));
    }
    Ok(Keys { api: read_key("DD_API_KEY", &set)?, app: read_key("DD_APP_KEY", &set)? })
}

fn read_key(name: &str, set: &dyn Fn(&str) -> Option<String>) -> Result<SecretString> {
    let file_name = format!("{name}_FILE");
    let wrong = |message: String| Error::new(Kind::Auth, message).advise(ADVICE);
    let (place, text) = match (set(name), set(&file_name)) {
        (Some(_), Some(_)) => return Err(wrong(format!("both {name} and {file_name} are set: keep one of them"))),
        (None, None) => return Err(wrong(format!("neither {name} nor {file_name} is set"))),
        (Some(value), None) => (name.to_owned(), value),
        (None, Some(path)) => {
            let text = read_text(Path::new(&path)).map_err(|error| {
                wrong(format!("cannot read the file {file_name} names")).at("file", path).because(error)
            })?;
            (format!("the file {file_name} names"), text)
        }
    };
    key_in(&text, &place)
}

/// The key that a text is, without line ends.
fn key_in(text: &str, place: &str) -> Result<SecretString> {
    let key = SecretString::from(text.trim_end_matches(['\r', '\n']));
    let plain = key.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
    if !plain || key.expose_secret().is_empty() {
        let message = "does not hold a key: a key is made of visible ASCII characters, without spaces and line ends";
        return Err(Error::new(Kind::Auth, format!("{place} {message}")).advise(ADVICE));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::read_keys;
    use crate::error::Kind;
    use secrecy::ExposeSecret;

    fn read(set: &[(&str, &str)]) -> Result<(String, String), String> {
        let lookup = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let keys = read_keys(lookup).map_err(|error| {
            assert_eq!(error.kind(), Kind::Auth);
            error.report()
        })?;
        Ok((keys.api.expose_secret().to_owned(), keys.app.expose_secret().to_owned()))
    }

    #[test]
    fn keys_come_from_the_environment_or_from_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("app");
        std::fs::write(&file, "app-key\r\n").expect("a file");
        let file = file.to_str().expect("a path");
        let wanted = Ok(("api-key".to_owned(), "app-key".to_owned()));
        assert_eq!(read(&[("DD_API_KEY", "api-key"), ("DD_APP_KEY", "app-key")]), wanted);
        assert_eq!(read(&[("DD_API_KEY", "api-key\n"), ("DD_APP_KEY_FILE", file), ("DD_APP_KEY", "")]), wanted);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        let missing_file = [("DD_API_KEY", "a"), ("DD_APP_KEY_FILE", "/nowhere/at/all")];
        for (set, wanted) in [
            (&[][..], "neither DD_API_KEY nor DD_API_KEY_FILE is set, and neither DD_APP_KEY nor DD_APP_KEY_FILE"),
            (&[("DD_API_KEY", "a")][..], "neither DD_APP_KEY nor DD_APP_KEY_FILE is set"),
            (&[("DD_API_KEY", "a"), ("DD_API_KEY_FILE", "b"), ("DD_APP_KEY", "c")][..], "keep one"),
            (&missing_file[..], "cannot read the file DD_APP_KEY_FILE names (file /nowhere/at/all)"),
            (&[("DD_API_KEY", "hu\u{7}sh"), ("DD_APP_KEY", "c")][..], "DD_API_KEY does not hold a key"),
            (&[("DD_API_KEY", "hüsh"), ("DD_APP_KEY", "c")][..], "does not hold a key"),
            (&[("DD_API_KEY", "hush hush"), ("DD_APP_KEY", "c")][..], "does not hold a key"),
        ] {
            let report = read(set).expect_err(wanted);
            assert!(report.contains(wanted), "{report}");
            assert!(!report.contains("hu"), "{report}");
        }
    }
}
