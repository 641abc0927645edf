//! A unit: a table, or of a table with accounts the part of one account.
//!
//! | | a table | of a table with accounts |
//! |---|---|---|
//! | data files | `<table>/billing_period=…` | `<table>/account=<id>/billing_period=…` |
//! | ledger, run records, stored responses, history, lock | `_costlake/<table>/…` | `_costlake/<table>/account=<id>/…` |
//! | the record of what the table is | `_costlake/<table>/table.json` | the same: one for all accounts |

use std::fmt;

use serde::Serialize;

use crate::error::Error;

/// The folder of everything that is not data.
pub const STATE: &str = "_costlake";

/// The column with the account of a row, in a table with accounts, and the key of its folder. No column of a schema has this
/// name.
pub const ACCOUNT: &str = "account";

/// What has data files, a ledger, run records and a lock of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Unit {
    /// The table.
    pub table: String,
    /// The id of the AWS account or the name of the Datadog organisation, if the table has accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl Unit {
    /// The part of one account.
    #[must_use]
    pub fn of(table: &str, account: &str) -> Self {
        Self { table: table.to_owned(), account: Some(account.to_owned()) }
    }

    /// The folder of its data files, relative to the lake: `costs`, `costs/account=111122223333`.
    #[must_use]
    pub fn folder(&self) -> String {
        match &self.account {
            Some(account) => format!("{}/{ACCOUNT}={account}", self.table),
            None => self.table.clone(),
        }
    }

    /// The key of something beside its data: `_costlake/costs/ledger` for `ledger`.
    #[must_use]
    pub fn beside(&self, what: &str) -> String {
        format!("{STATE}/{}/{what}", self.folder())
    }

    /// How a command names it: `costs --account 111122223333`.
    #[must_use]
    pub fn as_argument(&self) -> String {
        match &self.account {
            Some(account) => format!("{} --account {account}", self.table),
            None => self.table.clone(),
        }
    }

    /// The path of its page in `serve`.
    #[must_use]
    pub fn page(&self) -> String {
        match &self.account {
            Some(account) => format!("/jobs/{}/account/{account}", self.table),
            None => format!("/jobs/{}", self.table),
        }
    }

    /// Names the unit in an error.
    #[must_use]
    pub fn names(&self, error: Error) -> Error {
        let error = error.at("job", &self.table);
        match &self.account {
            Some(account) => error.at("account", account),
            None => error,
        }
    }
}

/// The account that the name of a folder says: `111122223333` of `account=111122223333`.
#[must_use]
pub fn account_in(folder: &str) -> Option<&str> {
    folder.strip_prefix(ACCOUNT)?.strip_prefix('=')
}

/// Splits a key, without `_costlake/`, into the folder of its unit and what is below that.
#[must_use]
pub fn split_key(key: &str) -> (&str, &str) {
    let Some((table, rest)) = key.split_once('/') else { return (key, "") };
    match rest.split_once('/').filter(|(account, _)| account_in(account).is_some()) {
        Some((account, below)) => (&key[..=table.len() + account.len()], below),
        None => (table, rest),
    }
}

impl From<&str> for Unit {
    /// A table without accounts.
    fn from(table: &str) -> Self {
        Self { table: table.to_owned(), account: None }
    }
}

/// As people read it: `costs`, `costs of 111122223333`.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)?;
        self.account.as_ref().map_or(Ok(()), |account| write!(f, " of {account}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Unit, split_key};

    #[test]
    fn a_key_is_of_a_unit() {
        assert_eq!(split_key("t/ledger/1.json"), ("t", "ledger/1.json"));
        assert_eq!(split_key("t/account=1/ledger/1.json"), ("t/account=1", "ledger/1.json"));
        assert_eq!(split_key("t/account=1"), ("t", "account=1"));
        assert_eq!(split_key("t"), ("t", ""));
    }

    #[test]
    fn a_unit_has_places_and_names() {
        let (all, one) = (Unit::from("costs"), Unit::of("costs", "000000000001"));
        assert_eq!((all.folder(), one.folder()), ("costs".to_owned(), "costs/account=000000000001".to_owned()));
        assert_eq!(all.beside("ledger"), "_costlake/costs/ledger");
        assert_eq!(one.beside("ledger"), "_costlake/costs/account=000000000001/ledger");
        assert_eq!((all.to_string(), one.to_string()), ("costs".to_owned(), "costs of 000000000001".to_owned()));
        assert_eq!(one.as_argument(), "costs --account 000000000001");
    }
}
