//! The keys of a job file that jobs of all sources share; a source and its provider have their own beside their code.
//! [`crate::sources::keys`] puts them together.

/// The JSON shape of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// true or false.
    Boolean,
    /// A number.
    Number,
    /// A whole number.
    Whole,
    /// A list of texts.
    Texts,
    /// A list of tables.
    Tables,
    /// A table.
    Table,
}

/// One key.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Dotted path.
    pub path: &'static str,
    /// Shape of the value.
    pub shape: Shape,
    /// The default, in Markdown.
    pub default: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// One key.
#[must_use]
pub const fn key(path: &'static str, shape: Shape, default: &'static str, doc: &'static str) -> Key {
    Key { path, shape, default, doc }
}

/// Keys that stand before those of the source.
pub static FIRST: &[Key] = &[
    key("description", Shape::Text, "none", "what the table is for, in one line"),
    key("schedule.cron", Shape::Text, "none: by hand only", "five-field cron expression of the trigger"),
    key("schedule.timezone", Shape::Text, "`UTC`", "IANA time zone of the trigger; windows stay UTC days"),
    key("source.type", Shape::Text, "required", "which source: its name in the list of sources"),
];

/// Keys of sources with a history.
pub static DAYS: &[Key] = &[
    key("window.begin", Shape::Text, "required", "first day of the table"),
    key(
        "window.refresh",
        Shape::Text,
        "`\"probe\"`; HOURLY `\"2 days\"`, AWS commitments `\"40 days\"`, Datadog `\"7 days\"`, its costs `\"40 days\"`, by tag `\"95 days\"`",
        "which days are read again: `\"probe\"`, `\"billing-close\"` or `\"N days\"`",
    ),
];

/// Keys of sources whose API reports totals.
pub static TOTALS: &[Key] = &[
    key(
        "window.control",
        Shape::OneOf(&["enforce", "report"]),
        "`\"enforce\"`",
        "what to do when rows do not add up to the API's total: refuse them or report it",
    ),
    key(
        "window.full_read_every",
        Shape::Text,
        "`\"7 days\"`; `\"1 day\"` with tags or cost categories",
        "how often open months are read in full under equal totals: `\"N days\"`",
    ),
    key(
        "window.full_read_settled_every",
        Shape::Text,
        "`\"never\"`; `\"90 days\"` with tags or cost categories",
        "how often final months are read in full under equal totals, one a day: `\"N days\"` or `\"never\"`",
    ),
    key(
        "window.quarantine_floor",
        Shape::Number,
        "1",
        "change of a final month that never needs approval, in the currency of the rows",
    ),
];

/// The other keys of `[window]`.
pub static WINDOW: &[Key] = &[
    key("window.settle_day", Shape::Whole, "15", "day of the next month after which a month counts as final, 1 to 28"),
    key("window.include_today", Shape::Boolean, "false", "whether the table reaches to today's partial day"),
    key(
        "window.quarantine_share",
        Shape::Number,
        "0.2",
        "change of a final month, or shrinking of a Datadog list, that needs approval, as a share: 0.2 is a fifth",
    ),
];

/// Keys that stand behind those of the provider.
pub static LAST: &[Key] = &[
    key("accounts.from", Shape::Text, "none: one account", "file with `[[accounts]]`, relative to the job file"),
    key(
        "accounts.list",
        Shape::Tables,
        "none",
        "the accounts in place: `{ id = … }` of AWS, `{ name = … }` of Datadog, each with what it has for itself",
    ),
    key("accounts.role_arn", Shape::Text, "none", "role to assume in every account, with `{id}` in place of its id"),
    key(
        "limits.requests_per_second",
        Shape::Number,
        "5",
        "rate limit per account, 0.01 to 1000; halves when the API throttles",
    ),
    key("limits.fetches_in_flight", Shape::Whole, "4", "partitions fetched side by side, 1 to 64"),
    key(
        "lake.keep_raw",
        Shape::Boolean,
        "true for Datadog, false for Cost Explorer",
        "keep the raw answers beside the table",
    ),
    key("lake.keep_history", Shape::Boolean, "false", "keep replaced generations, so that `<table>_as_of` can answer"),
    key(
        "lake.keep_history_for",
        Shape::Text,
        "`\"400 days\"`",
        "how long revisions and replaced generations are kept: `\"N days\"`",
    ),
    key(
        "lake.sse",
        Shape::Text,
        "the bucket's",
        "encryption that each write in a bucket names: `\"AES256\"`, `\"aws:kms\"` or `\"aws:kms:dsse\"`",
    ),
    key("lake.kms_key_id", Shape::Text, "the bucket's", "KMS key that each write names, by id, ARN or alias"),
];
