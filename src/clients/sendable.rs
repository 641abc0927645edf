//! Validation of values sent in HTTP headers. Two dependencies panic on a key that is not a valid header value, so keys
//! are checked when they are read; an error names their origin and never shows the key.

use std::fmt;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;

use crate::error::{Error, Kind, Result};
use crate::job::is_account;

const ADVICE: &str =
    "write it anew without that; what comes from a file or a Kubernetes secret often ends in a line end";
/// Variables that the AWS SDK sends in headers, and whether they are keys.
const VARIABLES: [(&str, bool); 5] = [
    ("AWS_ACCESS_KEY_ID", true),
    ("AWS_SECRET_ACCESS_KEY", true),
    ("AWS_SESSION_TOKEN", true),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", false),
    ("AWS_EXECUTION_ENV", false),
];

/// The first character that is invalid in a header, described.
pub(super) fn flaw(text: &str) -> Option<&'static str> {
    text.chars().find_map(|c| match c {
        '\n' | '\r' => Some("a line end"),
        '\t' => Some("a tab"),
        c if c.is_control() => Some("a control character"),
        c if !c.is_ascii() => Some("a character that is not ASCII"),
        _ => None,
    })
}

/// The first character that is invalid in a key, described.
pub(super) fn flaw_of_key(text: &str) -> Option<&'static str> {
    flaw(text).or_else(|| text.contains(' ').then_some("a space"))
}

/// Rejects a value with a `flaw`; `name` says where it was set.
///
/// # Errors
/// [`Kind::Auth`], which never shows the value.
pub(super) fn refuse(name: &str, flaw: Option<&'static str>) -> Result<()> {
    let Some(flaw) = flaw else { return Ok(()) };
    Err(Error::new(Kind::Auth, format!("{name} holds {flaw}, which cannot be sent")).advise(ADVICE))
}

/// Rejects variables that the AWS SDK could not send; `lookup` reads the environment.
///
/// # Errors
/// As [`refuse`].
pub(super) fn check_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<()> {
    for (name, is_key) in VARIABLES {
        let text = lookup(name).unwrap_or_default();
        refuse(name, if is_key { flaw_of_key(&text) } else { flaw(&text) })?;
    }
    check_account(&lookup("AWS_ACCOUNT_ID").unwrap_or_default())
}

/// For keys from variables, the SDK takes the account from `AWS_ACCOUNT_ID` without checking it.
fn check_account(text: &str) -> Result<()> {
    let id = text.trim();
    if id.is_empty() || is_account(id) {
        return Ok(());
    }
    Err(Error::new(Kind::Auth, "AWS_ACCOUNT_ID is no account: it has not twelve digits").advise("correct or unset it"))
}

/// The credentials, if they can be sent.
pub(super) fn checked(credentials: Credentials) -> Result<Credentials, CredentialsError> {
    let parts = [
        ("access key id", Some(credentials.access_key_id())),
        ("secret access key", Some(credentials.secret_access_key())),
        ("session token", credentials.session_token()),
    ];
    for (part, text) in parts {
        if let Some(flaw) = text.and_then(flaw_of_key) {
            let giver = giver(&credentials);
            return Err(CredentialsError::invalid_configuration(Unsendable(
                format!("the {part} that {giver} gives"),
                flaw,
            )));
        }
    }
    Ok(credentials)
}

/// The credentials' provider, by the name the SDK shows only in its debug output.
fn giver(credentials: &Credentials) -> String {
    provider(credentials).map_or_else(|| "the chain".to_owned(), |name| format!("the provider {name}"))
}

fn provider(credentials: &Credentials) -> Option<String> {
    let shown = format!("{credentials:?}");
    let (_, rest) = shown.split_once("provider_name: \"")?;
    rest.split_once('"').map(|(name, _)| name.to_owned())
}

/// The account id that comes with the credentials, if any; `profile` is the selected profile.
///
/// # Errors
/// [`Kind::Auth`] if it is not an account id; the error names its origin.
pub(super) fn told_account(credentials: &Credentials, profile: &str) -> Result<Option<String>> {
    let Some(id) = credentials.account_id().map(|id| id.as_str()) else { return Ok(None) };
    if is_account(id) {
        return Ok(Some(id.to_owned()));
    }
    let (place, advice) = match provider(credentials).as_deref() {
        Some("ProfileFile") => {
            (format!("aws_account_id of the AWS profile `{profile}`"), "correct it, or take it out".to_owned())
        }
        Some("CredentialProcess") => (
            "the account that credential_process gives".to_owned(),
            format!("correct AccountId in what that program prints, or aws_account_id of the AWS profile `{profile}`"),
        ),
        _ => (
            format!("the account that {} gives", giver(credentials)),
            "correct it where these credentials come from, or use others".to_owned(),
        ),
    };
    Err(Error::new(Kind::Auth, format!("{place} is no account: it has not twelve digits")).advise(advice))
}

/// Credentials that cannot be sent: the part, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Unsendable(String, &'static str);

impl Unsendable {
    /// The error to report.
    pub(super) fn told(&self) -> Error {
        Error::new(Kind::Auth, self.to_string()).advise(ADVICE)
    }
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} holds {}, which cannot be sent", self.0, self.1)
    }
}

impl std::error::Error for Unsendable {}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::{check_variables, checked, flaw_of_key, told_account};
    use crate::error::Kind;

    #[test]
    fn what_no_header_can_carry_is_named() {
        for (text, flaw) in [
            ("AKIAHUSH\n", "a line end"),
            ("AKIAHUSH\r\n", "a line end"),
            ("AKIA\rHUSH", "a line end"),
            ("AKIA\tHUSH", "a tab"),
            ("AKIA\0HUSH", "a control character"),
            ("AKIA\u{7f}HUSH", "a control character"),
            ("AKIA\u{85}HUSH", "a control character"),
            ("AKIÄHUSH", "a character that is not ASCII"),
            ("AKIA HUSH", "a space"),
        ] {
            assert_eq!(flaw_of_key(text), Some(flaw), "{text:?}");
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
                let error = check_variables(|asked| (asked == name).then(|| text.to_owned())).expect_err(text);
                assert_eq!(error.kind(), Kind::Auth);
                assert!(error.report().starts_with(&format!("{name} holds {flaw}")), "{}", error.report());
                assert!(!error.report().contains("HUSH"), "{}", error.report());
            }
            let given = |id: &str, secret: &str, token: &str| {
                checked(Credentials::new(id, secret, Some(token.to_owned()), None, "Somebody"))
            };
            for wrong in [given(text, "s", "t"), given("k", text, "t"), given("k", "s", text)] {
                let told = std::error::Error::source(&wrong.expect_err(text)).expect("a cause").to_string();
                assert!(told.contains("that the provider Somebody gives holds") && !told.contains("HUSH"), "{told}");
            }
        }
        assert!(checked(Credentials::new("AKIA", "s/+=", Some("t==".to_owned()), None, "Somebody")).is_ok());
        for (text, is_one) in
            [("210987654321", true), (" 210987654321\n", true), ("", true), ("12", false), ("x", false)]
        {
            let checked = check_variables(|name| (name == "AWS_ACCOUNT_ID").then(|| text.to_owned()));
            assert_eq!(checked.is_ok(), is_one, "{text:?}");
        }
        assert!(check_variables(|name| (name == "AWS_EXECUTION_ENV").then(|| "a b".to_owned())).is_ok());
    }
    #[test]
    fn an_account_that_is_none_is_told_with_who_gave_it() {
        let told = |id: &'static str, provider: &'static str| {
            let credentials = Credentials::builder().access_key_id("AKIA").secret_access_key("s");
            told_account(&credentials.account_id(id).provider_name(provider).build(), "work")
        };
        assert_eq!(told("000123456789", "ProfileFile").expect("an account").as_deref(), Some("000123456789"));
        for (provider, words) in [
            ("ProfileFile", "aws_account_id of the AWS profile `work` is no account"),
            ("CredentialProcess", "the account that credential_process gives is no account"),
            ("EcsContainer", "the account that the provider EcsContainer gives is no account"),
        ] {
            for id in ["12", "", "1234567890123", "12345678901x", "１２３４５６７８９０１２"] {
                let error = told(id, provider).expect_err(id);
                assert!(error.kind() == Kind::Auth && error.advice().is_some(), "{}", error.report());
                assert!(error.report().starts_with(words), "{}", error.report());
            }
        }
        let silent = Credentials::new("AKIA", "s", None, None, "ProfileFile");
        assert_eq!(told_account(&silent, "work").expect("no account"), None);
    }
}
