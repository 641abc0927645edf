//! The webhook: posts a message to a chat, as Slack-compatible JSON `{"text": …}`.
//!
//! The address is a secret: anyone who has it can post to the chat. It appears in no message, error or log.
//!
//! | response | effect |
//! |---|---|
//! | 2xx | done |
//! | 429, 5xx, no connection, a timeout | retried, three attempts in total |
//! | anything else | not retried; the status is logged |

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use super::sendable::{flaw, refuse};
use super::trust::{Authorities, NO_AUTHORITIES};
use super::{is_loopback, proxy};
use crate::error::{Error, Kind, Result};
use crate::job::read_text;
use crate::redact;
use crate::unreached::Unreached;

const ATTEMPTS: u32 = 3;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The address and its HTTP client.
#[derive(Debug, Clone)]
pub struct Webhook {
    address: SecretString,
    client: Client,
    first_wait: Duration,
}

impl Webhook {
    /// Reads `COSTLAKE_WEBHOOK_URL`, or the file `COSTLAKE_WEBHOOK_URL_FILE` names; `lookup` reads the environment.
    ///
    /// # Errors
    /// [`Kind::Config`] if it is no URL, or plain http to another host without `allow_http`; [`Kind::Auth`] if it
    /// contains control characters.
    pub fn read(lookup: impl Fn(&str) -> Option<String>, allow_http: bool) -> Result<Option<Self>> {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let (place, text) = match (set("COSTLAKE_WEBHOOK_URL"), set("COSTLAKE_WEBHOOK_URL_FILE")) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                let message = "both COSTLAKE_WEBHOOK_URL and COSTLAKE_WEBHOOK_URL_FILE are set: keep one of them";
                return Err(Error::new(Kind::Config, message));
            }
            (Some(text), None) => ("COSTLAKE_WEBHOOK_URL", text),
            (None, Some(path)) => {
                let text = read_text(Path::new(&path)).map_err(|error| {
                    Error::new(Kind::Config, "cannot read the file COSTLAKE_WEBHOOK_URL_FILE names")
                        .at("file", path)
                        .because(error)
                })?;
                ("the file COSTLAKE_WEBHOOK_URL_FILE names", text)
            }
        };
        // The URL parser drops some control characters, which may yield another address.
        let control = text.trim().chars().any(char::is_control);
        refuse(place, control.then(|| flaw(text.trim())).flatten())?;
        let trusted = Authorities::of_environment(|name| std::env::var(name).ok())?;
        Self::new(text.trim(), allow_http, &trusted).map(Some)
    }

    fn new(text: &str, allow_http: bool, trusted: &Authorities) -> Result<Self> {
        let wrong = |message: &str| {
            Error::new(Kind::Config, message.to_owned())
                .advise("give the address as the chat shows it, such as https://hooks.slack.com/services/…")
        };
        let url = Url::parse(text).map_err(|_| wrong("the webhook's address is no URL"))?;
        let plain = url.scheme() == "http" && (allow_http || is_loopback(&url));
        if url.scheme() != "https" && !plain {
            return Err(wrong("the webhook's address is not https, and plain http goes to this machine only")
                .advise("use https, or --allow-http"));
        }
        redact::remember(text);
        redact::remember(url.path());
        proxy::check()?;
        let client = trusted.trusted_by(Client::builder()).redirect(redirect::Policy::none()).timeout(TIMEOUT).build();
        let client = client.map_err(|error| {
            Error::new(Kind::Config, "cannot set up the webhook").because(error.without_url()).advise(NO_AUTHORITIES)
        })?;
        Ok(Self { address: text.into(), client, first_wait: Duration::from_secs(1) })
    }

    /// Sends one message, in up to three attempts.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] or [`Kind::Refused`] if it was not accepted. The error does not contain the address.
    pub async fn send(&self, text: &str) -> Result<()> {
        let body = serde_json::json!({ "text": text }).to_string();
        let mut wait = self.first_wait;
        for attempt in 1.. {
            match self.attempt(body.clone()).await {
                Err(error) if error.kind().is_transient() && attempt < ATTEMPTS => {
                    tokio::time::sleep(wait).await;
                    wait *= 4;
                }
                settled => return settled,
            }
        }
        Ok(())
    }

    async fn attempt(&self, body: String) -> Result<()> {
        let request = self.client.post(self.address.expose_secret());
        let sent = request.header("content-type", "application/json").body(body).send().await;
        let answer = sent.map_err(|error| self.unsent(error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let again = status.is_server_error() || status.as_u16() == 429;
        let kind = if again { Kind::Unavailable } else { Kind::Refused };
        Err(Error::new(kind, "the webhook took no message").at("status", status.as_u16()))
    }

    fn unsent(&self, error: reqwest::Error) -> Error {
        let message = |why| format!("the webhook took no message: {why}");
        if !error.is_connect() {
            let why = if error.is_timeout() { "it did not answer in time" } else { "it cannot be reached" };
            return Error::new(Kind::Unavailable, message(why));
        }
        let url = self.address.expose_secret();
        let unreached = Unreached::new(url, proxy::on_the_way_to(url), error.without_url());
        unreached.error_of_secret(&message("it cannot be reached"))
    }
}

#[cfg(test)]
mod tests {
    use super::Webhook;

    fn read(name: &'static str, value: &'static str, allow_http: bool) -> Result<bool, String> {
        let lookup = move |asked: &str| (asked == name).then(|| value.to_owned());
        Webhook::read(lookup, allow_http).map(|found| found.is_some()).map_err(|error| error.report())
    }

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        assert_eq!(read("COSTLAKE_WEBHOOK_URL", "https://hooks.example/secret", false), Ok(true));
        assert_eq!(read("COSTLAKE_WEBHOOK_URL", "http://127.0.0.1:9/secret", false), Ok(true));
        assert_eq!(read("COSTLAKE_WEBHOOK_URL", "http://hooks.example/secret", true), Ok(true));
        assert_eq!(read("OTHER", "https://hooks.example/secret", false), Ok(false));
        for wrong in ["http://hooks.example/secret", "ftp://127.0.0.1/secret", "secret"] {
            let said = read("COSTLAKE_WEBHOOK_URL", wrong, false).unwrap_err();
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn an_address_with_a_control_character_is_no_other_address() {
        for wrong in
            ["https://hooks.example/sec\nret", "https://hooks\t.example/secret", "https://hooks.example/sec\u{0}ret"]
        {
            let said = read("COSTLAKE_WEBHOOK_URL", wrong, false).unwrap_err();
            assert!(said.starts_with("COSTLAKE_WEBHOOK_URL holds a ") && !said.contains("hooks"), "{said}");
        }
        assert_eq!(read("COSTLAKE_WEBHOOK_URL", "https://hooks.example/secret\r\n", false), Ok(true));
    }

    #[test]
    fn its_address_is_not_shown() {
        let hook = Webhook::read(|name| (!name.ends_with("FILE")).then(|| "https://h/secret".to_owned()), false);
        assert!(!format!("{:?}", hook.unwrap()).contains("secret"));
    }
}
