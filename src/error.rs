//! The error type of the whole program.
//!
//! A [`Kind`] is chosen by what the user does next, not by where the error came from. The table below is the only place
//! that decides on retries and exit codes; the request loop, the command line and the run report all use it.
//!
//! | kind | exit | sent again? | example |
//! |---|---|---|---|
//! | `Config` | 2 | no | a job file with an unknown key, a job that no longer fits its table |
//! | `Auth` | 3 | no | no credentials, those of another account, IAM denial, Datadog 401/403 |
//! | `Budget` | 4 | no | the cap on requests is reached |
//! | `Superseded` | 5 | no | another writer replaced the object first |
//! | `Gap` | 6 | no | `status --check` found days that are missing or stale |
//! | `OutcomeUnknown` | 7 | no | a write was sent, and whether it succeeded cannot be determined |
//! | `Throttled`, `Unavailable` | 1 | yes | 429, 5xx, a timeout, a reset connection |
//! | `Restart` | 1 | the fetch | `InvalidNextTokenException`, `RequestChangedException` |
//! | `Refused` | 1 | no | the API rejects this request |
//! | `BadAnswer` | 1 | no | an answer that cannot be trusted: truncated, looping pages, a day missing |
//! | `Unsettled` | 1 | no | rows that do not add up to the API's totals |
//! | `Quarantined` | 1 | no | a final month that changed a lot, a day that came back empty: a person decides |
//! | `Displaced` | 1 | no | committed rows were replaced from outside and cannot be read again: a person decides |
//! | `Store` | 1 | no | disk full, bucket not reachable |
//! | `Clock` | 1 | no | a clock behind the table's newest run, or an hour off from the API's |
//! | `Interrupted` | 130 | no | Ctrl-C |
//! | `Internal` | 1 | no | an invariant of costlake's own code is violated |

use std::fmt;
use std::time::Duration;

use crate::redact::{redact, without_people};

/// The kind of an error, by what the user does about it: see the table of the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The arguments, a job file or the table's definition are wrong.
    Config,
    /// Credentials are missing or do not permit the call.
    Auth,
    /// A cap on requests or dollars is reached.
    Budget,
    /// Another writer committed first; its generation stays.
    Superseded,
    /// Days are missing or stale.
    Gap,
    /// A write was sent and its outcome could not be determined.
    OutcomeUnknown,
    /// The API asks to slow down.
    Throttled,
    /// The API or the network failed temporarily.
    Unavailable,
    /// The pagination broke: the fetch restarts at its first page.
    Restart,
    /// The API rejects this request permanently.
    Refused,
    /// The answer does not match the request.
    BadAnswer,
    /// The rows of a day do not add up to the API's totals; the old rows stay.
    Unsettled,
    /// The rows of a day differ so much from the old ones that a person has to decide whether to take them; the old
    /// rows stay.
    Quarantined,
    /// Committed rows were removed or replaced from outside, and can be neither read again nor restored.
    Displaced,
    /// The lake cannot be read or written.
    Store,
    /// The clock of this host, or of an earlier run, is wrong.
    Clock,
    /// A signal asked to stop.
    Interrupted,
    /// An invariant of costlake's own code is violated.
    Internal,
}

/// Whether to run a unit again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// There is nothing to gain: it is done, or a person must look first.
    No,
    /// Not before the next night, or the next month's budget.
    Later,
    /// At once.
    Yes,
}

/// Exit codes in ascending order, each with its meaning.
pub const EXIT_CODES: [(u8, &str); 9] = [
    (0, "done"),
    (
        1,
        "some days failed, do not add up or are held for review, or a clock is wrong; nothing in the lake is lost. Also: \
         stdout could not be written (a full disk); `costlake health`: not ready",
    ),
    (2, "usage or configuration"),
    (3, "authentication or permission"),
    (4, "the budget is reached; finished partitions are kept"),
    (5, "superseded: another run wrote this partition first"),
    (
        6,
        "days are missing, stale or not final for good, or the last run failed (`costlake status --check`); or files are \
         not right (`costlake verify`)",
    ),
    (7, "the outcome of a write is unknown; the next run verifies it before writing"),
    (130, "interrupted (`costlake serve` ends with 0)"),
];

/// Of several exit codes the first one of these wins; 0 is that of no failure.
pub const EXIT_PRIORITY: [u8; 8] = [130, 2, 3, 7, 4, 5, 6, 1];

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Config,
        Self::Auth,
        Self::Budget,
        Self::Superseded,
        Self::Gap,
        Self::OutcomeUnknown,
        Self::Throttled,
        Self::Unavailable,
        Self::Restart,
        Self::Refused,
        Self::BadAnswer,
        Self::Unsettled,
        Self::Quarantined,
        Self::Displaced,
        Self::Store,
        Self::Clock,
        Self::Interrupted,
        Self::Internal,
    ];

    /// The process exit code, as in the table of the [module](self).
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Config => 2,
            Self::Auth => 3,
            Self::Budget => 4,
            Self::Superseded => 5,
            Self::Gap => 6,
            Self::OutcomeUnknown => 7,
            Self::Interrupted => 130,
            Self::Throttled
            | Self::Unavailable
            | Self::Restart
            | Self::Refused
            | Self::BadAnswer
            | Self::Unsettled
            | Self::Quarantined
            | Self::Displaced
            | Self::Store
            | Self::Clock
            | Self::Internal => 1,
        }
    }

    /// What happened, for people: the result of a run or of a fetch.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Config => "wrong settings",
            Self::Auth => "access denied",
            Self::Budget => "budget reached",
            Self::Superseded => "another run was first",
            Self::Gap => "days missing or stale",
            Self::OutcomeUnknown => "write not confirmed",
            Self::Throttled => "throttled by the API",
            Self::Unavailable => "no answer from the API",
            Self::Restart => "pages of the API broke off",
            Self::Refused => "rejected by the API",
            Self::BadAnswer => "unusable answer",
            Self::Unsettled => "does not add up",
            Self::Quarantined => "held for review",
            Self::Displaced => "replaced from outside",
            Self::Store => "lake not usable",
            Self::Clock => "wrong clock",
            Self::Interrupted => "interrupted",
            Self::Internal => "internal error",
        }
    }

    /// Whether the same request may be sent again.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable)
    }

    /// Whether running it again helps: at once, at another time, or only after a person has done something.
    #[must_use]
    pub fn retry(self) -> Retry {
        match self {
            Self::Throttled
            | Self::Unavailable
            | Self::Restart
            | Self::BadAnswer
            | Self::Store
            | Self::Superseded
            | Self::OutcomeUnknown
            | Self::Interrupted => Retry::Yes,
            Self::Budget | Self::Unsettled => Retry::Later,
            Self::Config
            | Self::Auth
            | Self::Gap
            | Self::Refused
            | Self::Quarantined
            | Self::Displaced
            | Self::Clock
            | Self::Internal => Retry::No,
        }
    }

    /// The name used in run records and JSON output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Auth => "auth",
            Self::Budget => "budget",
            Self::Superseded => "superseded",
            Self::Gap => "gap",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Restart => "restart",
            Self::Refused => "refused",
            Self::BadAnswer => "bad_answer",
            Self::Unsettled => "unsettled",
            Self::Quarantined => "quarantined",
            Self::Displaced => "displaced",
            Self::Store => "store",
            Self::Clock => "clock",
            Self::Interrupted => "interrupted",
            Self::Internal => "internal",
        }
    }
}

/// The exit code of several failures: the first of [`EXIT_PRIORITY`] that occurs; 0 when there is none.
#[must_use]
pub fn combined_exit_code(codes: impl IntoIterator<Item = u8>) -> u8 {
    let codes: Vec<u8> = codes.into_iter().collect();
    EXIT_PRIORITY.into_iter().find(|code| codes.contains(code)).unwrap_or(0)
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error: what happened, where, why, and what to do.
///
/// `Display` prints the message and its context on one line, never the causes; [`Error::report`] prints everything
/// once, for the user.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    message: String,
    context: Vec<(&'static str, String)>,
    advice: Option<String>,
    retry_after: Option<Duration>,
    no_data: bool,
    cause: Option<Cause>,
}

impl Error {
    /// An error of `kind` whose `message` says what happened in one lower-case phrase without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: shown(&message.into()),
            context: Vec::new(),
            advice: None,
            retry_after: None,
            no_data: false,
            cause: None,
        }))
    }

    /// Adds where it happened: `file`, `key`, `window`, `page`, `request id` and the like.
    #[must_use]
    pub fn at(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        let pair = (key, value.to_string());
        // Two layers may both add the same context; it is shown once.
        if !self.0.context.contains(&pair) {
            self.0.context.push(pair);
        }
        self
    }

    /// Adds what to do about it: one sentence.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Attaches the cause; its text is printed by [`Error::report`] only.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The wait the API asked for before the next attempt.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// The same error under another kind.
    #[must_use]
    pub fn into_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The message alone, without context.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Marks the error: the API has no data for a part of what was requested.
    #[must_use]
    pub fn of_no_data(mut self) -> Self {
        self.0.no_data = true;
        self
    }

    /// Whether the API has no data for a part of what was requested.
    #[must_use]
    pub fn is_of_no_data(&self) -> bool {
        self.0.no_data
    }

    /// The wait the API asked for, if any.
    #[must_use]
    pub fn wait_hint(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The advice, if there is any.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// Message, context, causes and advice, each on its own line and each text once.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut said = text.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            let line = shown(&inner.to_string());
            if !said.contains(&line) {
                text.push_str("\n  because: ");
                text.push_str(&line);
                said.push_str(&line);
            }
            cause = inner.source();
        }
        if let Some(advice) = self.advice() {
            text.push_str("\n  what to do: ");
            text.push_str(&shown(advice));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            f.write_str(if index == 0 { " (" } else { ", " })?;
            write!(f, "{key} {}", shown(value))?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}

/// Makes text from outside safe for a terminal and a log: control characters and bidirectional overrides are escaped,
/// line ends kept, secrets removed.
#[must_use]
pub fn printable(text: &str) -> String {
    let text = &*redact(text);
    let hostile = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    if !text.chars().any(hostile) {
        return text.to_owned();
    }
    text.chars().map(|c| if hostile(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// The text of an error: [`printable`], and without people.
fn shown(text: &str) -> String {
    without_people(&printable(text)).into_owned()
}

/// The result type of nearly every function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::{Error, Kind, combined_exit_code, printable};

    #[test]
    fn nobody_is_named_in_an_error() {
        let cause = std::io::Error::other("ask jo@acme.example");
        let error = Error::new(Kind::Refused, "jo@acme.example may not").at("user", "jo@acme.example").because(cause);
        let error = error.advise("write to jo@acme.example");
        for text in [error.report(), error.to_string(), error.message().to_owned()] {
            assert!(text.contains("[e-mail]") && !text.contains('@'), "{text}");
        }
    }

    #[test]
    fn exit_codes_combine_in_the_documented_order() {
        assert_eq!(combined_exit_code([]), 0);
        assert_eq!(combined_exit_code([1, 5, 4]), 4);
        assert_eq!(combined_exit_code([5, 7]), 7);
        assert_eq!(combined_exit_code([3, 2]), 2);
        assert_eq!(combined_exit_code([2, 130]), 130);
    }

    #[test]
    fn a_report_says_each_cause_once() {
        let io = std::io::Error::other("disk full");
        let inner = Error::new(Kind::Store, "cannot write").at("file", "a/b").because(io);
        let error = Error::new(Kind::Store, "cannot commit").because(inner).advise("free some room");
        assert_eq!(
            error.report(),
            "cannot commit\n  because: cannot write (file a/b)\n  because: disk full\n  what to do: free some room"
        );
    }

    #[test]
    fn text_from_outside_cannot_drive_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}"), "a\\u{1b}[31mb\\u{202e}");
        assert_eq!(printable("plain — text"), "plain — text");
    }
}
