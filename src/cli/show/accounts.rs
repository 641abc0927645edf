//! `show` of a table with accounts: which units are asked, and what is said of each.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::ask::{OfAccount, Reply, rank, sentence};
use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::job::accounts::Accounts;
use crate::job::section::nearest;
use crate::lake::Lake;
use crate::ledger_store::{TableRecord, stored_accounts};
use crate::text::plural;
use crate::unit::ACCOUNT;

use super::flagged;

/// Sentences on the days of accounts, and accounts that one names.
const SAID: usize = 12;
const NAMED: usize = 3;

/// The units of a table, each as it writes the table: those of the job, and those that the lake has besides. Some accounts
/// only, if any are named.
pub(super) async fn units(
    lake: &Lake,
    job: &Job,
    record: Option<&TableRecord>,
    named: &BTreeSet<String>,
) -> Result<Vec<Job>> {
    let mut units = job.units();
    let of_job: BTreeSet<String> = units.iter().filter_map(|unit| unit.unit.account.clone()).collect();
    let mut others = stored_accounts(lake, &job.unit.table).await?;
    others.retain(|account| !of_job.contains(account));
    units.extend(Job { accounts: Some(Arc::new(Accounts::named(others))), ..job.clone() }.units());
    units.sort_by(|a, b| a.unit.cmp(&b.unit));
    let known: BTreeSet<&str> = units.iter().filter_map(|unit| unit.unit.account.as_deref()).collect();
    if let Some(unknown) = named.iter().find(|account| !known.contains(account.as_str())) {
        let what = format!("the table has no account `{unknown}`{}", nearest(unknown, known.iter().copied()));
        return Err(Error::new(Kind::Config, what).at("flag", "--where").at("table", &job.unit.table));
    }
    let is_asked = |unit: &Job| unit.unit.account.as_ref().is_some_and(|account| named.contains(account));
    units.retain(|unit| named.is_empty() || is_asked(unit));
    Ok(units.into_iter().map(|unit| record.map_or(unit.clone(), |record| record.job_of(&unit).into_owned())).collect())
}

/// The sentences on days that are not final and current, with the accounts that they are of; `is_earlier` are those of
/// the earlier range.
pub(super) fn sentences(job: &Job, reply: &Reply, is_earlier: bool) -> Vec<String> {
    let all = &reply.accounts;
    let mut found: Vec<(&str, &[NaiveDate], Vec<&str>)> = Vec::new();
    for one in all.iter().filter(|one| one.is_filled) {
        for (flag, days) in if is_earlier { &one.flags_before } else { &one.flags } {
            match found.iter_mut().find(|(known, of, _)| known == flag && of == days) {
                Some((_, _, accounts)) => accounts.push(&one.account),
                None => found.push((flag, days, vec![&one.account])),
            }
        }
    }
    found.retain(|(flag, ..)| !is_earlier || *flag != "estimated");
    found.sort_by_key(|(flag, ..)| rank(flag));
    let empty: Vec<&str> = all.iter().filter(|one| !one.is_filled).map(|one| one.account.as_str()).collect();
    let mut lines = Vec::new();
    if !empty.is_empty() && !is_earlier {
        lines.push(format!("no data yet {}", of(&empty, all.len())));
    }
    let more = found.len().saturating_sub(SAID);
    let said = found.iter().take(SAID);
    let grain = job.source.grain();
    lines.extend(
        said.map(|(flag, days, accounts)| format!("{} {}", sentence(grain, flag, days), of(accounts, all.len()))),
    );
    if more > 0 {
        let table = &job.unit.table;
        lines.push(format!("and {}: costlake status {table}", plural(more as u64, "more such sentence")));
    }
    lines
}

/// Which of all accounts: `of all 12 accounts`, `of 111122223333, 222233334444`.
fn of(accounts: &[&str], all: usize) -> String {
    if accounts.len() == all && all > 1 {
        return format!("of all {all} accounts");
    }
    let more = accounts.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = accounts.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    format!("of {named}{more}")
}

/// The accounts in the document.
pub(super) fn documents(reply: &Reply) -> Vec<Value> {
    let one = |one: &OfAccount| {
        json!({
            ACCOUNT: one.account, "has_data": one.is_filled,
            "read_at": one.read_at.map(|(oldest, newest)| json!({ "oldest": oldest, "newest": newest })),
            "days": flagged(one.flags.clone()), "previous_days": flagged(one.flags_before.clone()),
        })
    };
    reply.accounts.iter().map(one).collect()
}
