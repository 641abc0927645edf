//! The secrets this process holds, redacted from everything it prints or records.
//!
//! No API client shows its own secrets. But an API, a proxy or a library may echo what it was sent: in an error
//! message, in a header that becomes a request id, in a log line. So every secret is registered here when it is read,
//! and all three outputs ([`crate::error::printable`], the screen, the log) go through [`redact`].

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

/// The replacement of an e-mail address.
pub const PERSON: &str = "[e-mail]";
/// The replacement of a secret.
pub const PLACE: &str = "[secret]";
/// Shorter secrets are not redacted: they could be ordinary words.
const SHORTEST: usize = 8;

/// Levels of nested quoting in which a secret is recognised.
const TIMES_QUOTED: usize = 2;

static KNOWN: RwLock<Vec<SecretString>> = RwLock::new(Vec::new());

/// Redacts `secret` from all output from now on, also in its JSON-escaped and quoted forms.
pub fn remember(secret: &str) {
    let secret = secret.trim();
    let mut spelling = secret.to_owned();
    // A JSON log may quote text that is already quoted.
    for _ in 0..=TIMES_QUOTED {
        remember_spelling(&spelling);
        spelling = spelling.replace('\\', "\\\\").replace('"', "\\\"");
    }
}

fn remember_spelling(secret: &str) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if secret.len() >= SHORTEST && !known.iter().any(|known| known.expose_secret() == secret) {
        known.push(secret.into());
        // The longest first: a secret may be part of another one.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    }
}

/// Redacts the user, the password and the query of a URL from all output from now on.
pub fn remember_address(address: &str) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (rest, query) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    query.split(['&', '#', '=']).chain(user.split(':')).for_each(remember);
}

/// The text with every registered secret replaced.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.iter().fold(Cow::Borrowed(text), |text, secret| {
        if text.contains(secret.expose_secret()) {
            Cow::Owned(text.replace(secret.expose_secret(), PLACE))
        } else {
            text
        }
    })
}

/// The text without e-mail addresses: an API may name in an error who asked, or whom to ask, and errors are kept.
#[must_use]
pub fn without_people(text: &str) -> Cow<'_, str> {
    let is_user = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
    let is_host = |c: char| c.is_alphanumeric() || ".-".contains(c);
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('@') {
        let user = before.trim_end_matches(is_user);
        let host = &after[..after.len() - after.trim_start_matches(is_host).len()];
        let host = host.trim_end_matches(['.', '-']);
        let is_name = |(_, last): (&str, &str)| last.chars().count() > 1 && last.chars().all(char::is_alphabetic);
        if user.len() < before.len() && host.rsplit_once('.').is_some_and(is_name) {
            shown.push_str(user);
            shown.push_str(PERSON);
            rest = &after[host.len()..];
        } else {
            shown.push_str(before);
            shown.push('@');
            rest = after;
        }
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// A URL without user, password and query; accepts any text.
#[must_use]
pub fn without_credentials(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(_, rest)| {
        let scheme = address.len() - rest.len();
        (&address[..scheme], rest)
    });
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (rest, query) = rest.split_at(end);
    // A password may contain a slash, so everything before the last @ is cut.
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("…@", rest));
    let query = if query.is_empty() { "" } else { "?…" };
    format!("{scheme}{user}{rest}{query}")
}

#[cfg(test)]
mod tests {
    use super::{redact, remember, remember_address, without_credentials, without_people};

    #[test]
    fn what_is_remembered_is_left_out() {
        remember("hush-hush-1");
        remember("hush-hush-1-and-more\n");
        remember("word");
        assert_eq!(redact("a hush-hush-1-and-more, hush-hush-1 word"), "a [secret], [secret] word");
    }

    #[test]
    fn quoted_secrets_are_left_out() {
        let secret = r#"hush"hush\5"#;
        remember(secret);
        let once = serde_json::json!({ "said": secret }).to_string();
        let twice = serde_json::json!({ "said": once, "debug": format!("{secret:?}") }).to_string();
        for text in [secret, &once, &twice] {
            assert!(text.contains("hush") && !redact(text).contains("hush"), "{}", redact(text));
        }
    }

    #[test]
    fn what_addresses_hide_is_left_out() {
        remember_address("https://somebody:hush-hush-2@host/x?token=hush-hush-3&key=hush-hush-4");
        assert_eq!(redact("hush-hush-2 hush-hush-3 hush-hush-4 host"), "[secret] [secret] [secret] host");
    }

    #[test]
    fn e_mail_addresses_are_left_out() {
        for (given, shown) in [
            (
                "User: arn:aws:sts::123456789012:assumed-role/X/jo.do+x@acme.example is not authorized",
                "User: arn:aws:sts::123456789012:assumed-role/X/[e-mail] is not authorized",
            ),
            ("ask Jo <jo@acme.example>, or \"mo@a.b.example\".", "ask Jo <[e-mail]>, or \"[e-mail]\"."),
            ("jo@acme.example.", "[e-mail]."),
            ("jürgen@müller.example", "[e-mail]"),
            (
                "crate@1.2.3, @team, a @ b, x@localhost, https://…@host.example/p",
                "crate@1.2.3, @team, a @ b, x@localhost, https://…@host.example/p",
            ),
            ("nobody", "nobody"),
        ] {
            assert_eq!(without_people(given), shown);
        }
    }

    #[test]
    fn addresses_are_shown_without_what_they_may_hide() {
        for (given, shown) in [
            ("https://host:1/path", "https://host:1/path"),
            ("https://user:hush@host/path?token=hush#hush", "https://…@host/path?…"),
            ("s3://key:hu/sh@bucket/x", "s3://…@bucket/x"),
            ("user:hush@host", "…@host"),
            ("lake", "lake"),
        ] {
            assert_eq!(without_credentials(given), shown);
        }
    }
}
