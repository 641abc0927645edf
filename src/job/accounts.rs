//! `[accounts]`: the AWS accounts or Datadog organisations of a job, each with a part of its table.
//!
//! They stand in the job file (`accounts.list`) or in a file of their own (`accounts.from`, relative to the job file),
//! as `[[accounts]]`. What an account does not say is as the job says it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::sources::{Api, Entry, Source};
use crate::unit::Unit;

use super::read::{check_credentials, is_account, is_role};
use super::section::{Problem, Problems, Section, nearest};
use super::{Job, KeyFiles, lines, read_text};

/// Most accounts of a job.
const MOST: usize = 10_000;
/// Names of the list in a file of accounts; the first one is documented.
const LISTS: [&str; 3] = ["accounts", "account", "list"];
/// Where the id stands in a template.
const ID: &str = "{id}";

/// The accounts of a job.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// The file they are in, if it is not the job file.
    pub file: Option<PathBuf>,
    list: Vec<Account>,
}

/// One account, with what it has for itself.
#[derive(Debug, Clone)]
struct Account {
    name: String,
    role_arn: Option<String>,
    external_id: Option<String>,
    profile: Option<String>,
    site: Option<String>,
    keys: Option<KeyFiles>,
    begin: Option<NaiveDate>,
    /// The source with the account's own billing view.
    source: Option<Arc<dyn Source>>,
}

impl Accounts {
    /// The accounts of a table that no job file tells of: their names alone.
    #[must_use]
    pub fn named(names: Vec<String>) -> Self {
        let bare = |name: String| Account {
            name,
            role_arn: None,
            external_id: None,
            profile: None,
            site: None,
            keys: None,
            begin: None,
            source: None,
        };
        Self { file: None, list: names.into_iter().map(bare).collect() }
    }

    /// Their ids or names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|account| account.name.as_str())
    }
}

/// Whether the root of a file is that of a list of accounts, which may stand among the job files, and nothing else.
pub(super) fn is_list(root: &toml::Table) -> bool {
    root.len() == 1 && LISTS.iter().any(|name| root.get(*name).is_some_and(toml::Value::is_array))
}

/// Whether a text may name an organisation of Datadog: `[a-z0-9][a-z0-9_-]{0,62}`.
#[must_use]
pub fn is_organisation(name: &str) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.as_bytes().first().is_some_and(is_first)
        && name.bytes().all(|byte| is_first(&byte) || byte == b'_' || byte == b'-')
}

/// Reads `[accounts]` of a job file; `None` without it, or where it is wrong. `view` builds the job's source with
/// another billing view.
pub(super) fn read(
    section: &Section<'_>,
    job_file: &Path,
    entry: &'static Entry,
    view: impl Fn(&str, &Problems) -> Option<Arc<dyn Source>>,
) -> Option<Accounts> {
    let (from, list) = (section.text("from"), section.value("list"));
    let template = section.text("role_arn");
    match (template, entry.provider.api) {
        (Some(_), Api::Datadog) => section.note("role_arn", "means nothing at Datadog: its accounts have key files"),
        (Some(arn), Api::CostExplorer) => check_template(section, arn),
        (None, _) => {}
    }
    let reader = ReadAccounts { api: entry.provider.api, template, view: &view };
    match (from, list) {
        (Some(_), Some(_)) => {
            section.note("list", "stands beside accounts.from: keep one of the two");
            None
        }
        (None, None) => {
            section.note("from", "is missing: the file with the accounts; or list them in accounts.list");
            None
        }
        (Some(from), None) => {
            let file = job_file.parent().unwrap_or(Path::new("")).join(from);
            let list = from_file(section, &file, &reader)?;
            Some(Accounts { file: Some(file), list })
        }
        (None, Some(list)) => {
            let folder = job_file.parent().unwrap_or(Path::new(""));
            let list = reader.list("accounts.list", list, folder, section.problems());
            Some(Accounts { file: None, list })
        }
    }
}

/// The accounts in a file of their own; what is wrong there is told with its line there.
fn from_file(section: &Section<'_>, file: &Path, reader: &ReadAccounts<'_>) -> Option<Vec<Account>> {
    let shown = file.display();
    let text =
        read_text(file).map_err(|error| section.note("from", format!("{shown} cannot be read: {error}"))).ok()?;
    let root: toml::Table = match text.parse() {
        Ok(root) => root,
        Err(error) => {
            section.note("from", format!("{shown} is not valid TOML: {}", error.to_string().trim_end()));
            return None;
        }
    };
    let Some((name, list)) = LISTS.iter().find_map(|name| Some((*name, root.get(*name)?))) else {
        section.note("from", format!("{shown} has no accounts: write [[accounts]] for each, and its id or name below"));
        return None;
    };
    let problems = Problems::default();
    for other in root.keys().filter(|key| *key != name) {
        problems.note(other.as_str(), "does not belong into a file of accounts");
    }
    let found = reader.list(name, list, file.parent().unwrap_or(Path::new("")), &problems);
    let mut wrong = problems.into_list();
    lines::number(&text, &mut wrong);
    let is_sound = wrong.is_empty();
    for problem in wrong {
        let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        section.note("from", format!("{shown}{line}: {problem}"));
    }
    is_sound.then_some(found)
}

fn check_template(section: &Section<'_>, arn: &str) {
    if !arn.contains(ID) {
        section.note("role_arn", format!("must hold {ID}, such as \"arn:aws:iam::{ID}:role/costlake\", not \"{arn}\""));
    } else if !is_role(&arn.replace(ID, "123456789012")) {
        section.note("role_arn", format!("must be as \"arn:aws:iam::{ID}:role/costlake\", not \"{arn}\""));
    }
}

/// Builds the source of the job with another billing view.
type WithView<'a> = dyn Fn(&str, &Problems) -> Option<Arc<dyn Source>> + 'a;

struct ReadAccounts<'a> {
    api: Api,
    template: Option<&'a str>,
    view: &'a WithView<'a>,
}

impl ReadAccounts<'_> {
    fn list(&self, path: &str, list: &toml::Value, folder: &Path, problems: &Problems) -> Vec<Account> {
        let Some(list) = list.as_array().filter(|list| list.iter().all(toml::Value::is_table)) else {
            let form = if self.api == Api::Datadog { "{ name = \"emea\" }" } else { "{ id = \"111122223333\" }" };
            problems.note(path, format!("must be a list of accounts, such as [{form}, …]"));
            return Vec::new();
        };
        if list.is_empty() || list.len() > MOST {
            problems.note(path, format!("has {} accounts: there must be 1 to {MOST}", list.len()));
            return Vec::new();
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for (index, table) in list.iter().enumerate() {
            let name = format!("{path}[{index}]");
            let section = Section::new(&name, table.as_table(), problems);
            let Some(account) = self.one(&section, folder) else { continue };
            if let Some(before) = seen.insert(account.name.clone(), index) {
                problems.note(&name, format!("is account {} again, as {path}[{before}] is", account.name));
            }
            found.push(account);
        }
        found
    }

    /// One account.
    fn one(&self, section: &Section<'_>, folder: &Path) -> Option<Account> {
        let of_aws = ["id", "role_arn", "external_id", "profile", "billing_view_arn", "begin"];
        let of_datadog = ["name", "site", "api_key_file", "app_key_file", "begin"];
        let known: &[&str] = if self.api == Api::Datadog { &of_datadog } else { &of_aws };
        for key in section.keys().filter(|key| !known.contains(key)) {
            let why = format!("is not a key of an account{}", nearest(key, known.iter().copied()));
            section.note(key, why);
        }
        let name = if self.api == Api::Datadog { organisation(section)? } else { account_id(section)? };
        let text = |key: &str| section.text(key).map(str::to_owned);
        check_credentials(section, &format!("arn:aws:iam::{name}:role/costlake"));
        let role_arn = text("role_arn").or_else(|| self.template.map(|arn| arn.replace(ID, &name)));
        let view = section.text("billing_view_arn");
        Some(Account {
            role_arn,
            external_id: text("external_id"),
            profile: text("profile"),
            site: text("site"),
            keys: key_files(section, folder),
            begin: section.day("begin"),
            source: view.and_then(|arn| (self.view)(arn, section.problems())),
            name,
        })
    }
}

fn account_id(section: &Section<'_>) -> Option<String> {
    let id = section.required_text("id")?;
    if !is_account(id) {
        section.note("id", format!("must be twelve digits in quotes, not \"{id}\""));
        return None;
    }
    Some(id.to_owned())
}

fn organisation(section: &Section<'_>) -> Option<String> {
    let name = section.required_text("name")?;
    if !is_organisation(name) {
        let rule = "it takes a-z and 0-9 first, then also _ and -, 63 at most";
        section.note("name", format!("\"{name}\" cannot name a folder of the table: {rule}"));
        return None;
    }
    Some(name.to_owned())
}

/// Both key files or neither, relative to the file that names them.
fn key_files(section: &Section<'_>, folder: &Path) -> Option<KeyFiles> {
    match (section.text("api_key_file"), section.text("app_key_file")) {
        (Some(api), Some(app)) => Some(KeyFiles { api: folder.join(api), app: folder.join(app) }),
        (Some(_), None) => {
            section.note("app_key_file", "is missing: an API key needs the application key of its organisation");
            None
        }
        (None, Some(_)) => {
            section.note("api_key_file", "is missing: an application key needs the API key of its organisation");
            None
        }
        (None, None) => None,
    }
}

impl Job {
    /// The job of each unit: one for each account, in the order of their ids; the job itself without accounts.
    #[must_use]
    pub fn units(&self) -> Vec<Self> {
        let Some(accounts) = &self.accounts else { return vec![self.clone()] };
        let mut units: Vec<Self> = accounts.list.iter().map(|account| self.of_account(account)).collect();
        units.sort_by(|a, b| a.unit.cmp(&b.unit));
        units
    }

    fn of_account(&self, account: &Account) -> Self {
        let mut job = self.clone();
        job.unit = Unit::of(&self.unit.table, &account.name);
        let aws = &mut job.aws;
        if self.entry.provider.api == Api::CostExplorer {
            aws.account_id = Some(account.name.clone());
        }
        aws.role_arn = account.role_arn.clone().or(aws.role_arn.take());
        aws.external_id = account.external_id.clone().or(aws.external_id.take());
        aws.profile = account.profile.clone().or(aws.profile.take());
        job.datadog_site = account.site.clone().or(job.datadog_site);
        job.datadog_keys.clone_from(&account.keys);
        let grain = job.source.grain();
        job.window.begin = account.begin.map(|day| grain.slot_of(day)).or(job.window.begin);
        job.source = account.source.clone().unwrap_or(job.source);
        job
    }

    /// The key by which units are dealt out to workers: units that share a change probe have the same one.
    #[must_use]
    pub fn shard_key(&self) -> &str {
        let aws = &self.aws;
        let keys = self.datadog_keys.as_ref().and_then(|keys| keys.api.to_str());
        let named = aws.account_id.as_deref().or(aws.role_arn.as_deref()).or(aws.profile.as_deref());
        named.or(keys).or(self.datadog_site.as_deref()).unwrap_or_default()
    }
}

/// Notes what `[accounts]` makes impossible elsewhere in the file.
pub(super) fn check_others(root: &toml::Table, problems: &Problems) {
    let is_named = |section: &str, key: &str| root.get(section).is_some_and(|section| section.get(key).is_some());
    for (section, key) in [("aws", "account_id"), ("aws", "role_arn"), ("aws", "billing_view_arn")] {
        if is_named(section, key) {
            problems.note(format!("{section}.{key}"), "is one account's: name it in [accounts], for each account");
        }
    }
}

/// The problem of a job file that is a list of accounts: it is no job.
pub(super) fn no_job() -> Problem {
    Problem::new("", "is a list of accounts, not a job: a job names it in accounts.from")
}
