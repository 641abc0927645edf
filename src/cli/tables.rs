//! What `connect` and `ddl` know of the tables: from the job files and the lake, or from one of the two.
//!
//! | job files | the lake | the tables are |
//! |---|---|---|
//! | some | can be read | those of the jobs, as they are in the lake |
//! | some | is a bucket that cannot be read | those of the jobs, taken to be there |
//! | none | has tables | those that have a record in the lake |
//! | none | has none, or cannot be read | not known: an error |

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::job::accounts::Accounts;
use crate::job::{self, Job};
use crate::lake::{BucketAddress, Lake, Location};
use crate::ledger_store::{
    TableRecord, as_kept, kept_generations, partition_of, record_keys, recorded_jobs, stored_accounts,
};
use crate::sql::Having;
use crate::sql::ddl::Place;
use crate::sql::duckdb::as_of::InLake;
use crate::sql::views::Subject;
use crate::unit::{Unit, split_key};
use crate::window::Grain;

use super::args::Global;
use super::units::side_by_side;
use super::{chosen, clock, open_lake, screen, select, tell_broken};

/// What is said where the lake could not be read, in a comment of the script; no engine splits it.
pub(super) const UNREAD: &str =
    "-- The lake could not be read when this was printed, so all tables are taken to be there.";

/// Units that are looked at side by side.
const SIDE_BY_SIDE: usize = 32;

/// The tables to print.
pub(super) struct Tables {
    /// The path or URL of the lake in SQL, without a slash at the end.
    pub(super) base: String,
    /// Where the lake is.
    pub(super) location: Location,
    /// The address of its bucket, if it was opened.
    pub(super) address: Option<BucketAddress>,
    /// The tables.
    pub(super) found: Vec<Known>,
    /// Whether the lake was read.
    pub(super) is_read: bool,
    /// The exit code: that of broken job files, and of tables whose record cannot be used.
    pub(super) code: u8,
}

/// A table.
pub(super) struct Known {
    /// Its job, as it writes the table; with all accounts that the table has in the lake or gets.
    pub(super) job: Job,
    account: Option<String>,
    /// Where it is.
    pub(super) place: Place,
    /// What of it is in the lake.
    pub(super) has: InLake,
    /// Whether it has run records.
    pub(super) has_runs: bool,
}

impl Tables {
    /// The tables of these jobs, or of all; `with_history` also looks for ledgers and kept generations.
    pub(super) async fn find(global: &Global, names: &[String], with_history: bool) -> Result<Self> {
        let location = Location::parse(global.lake())?;
        let opened = open_lake(global).await.map(|(_, lake)| lake);
        let (jobs, mut code) = match (select(global, names), &opened) {
            (Ok((jobs, broken)), _) => (jobs, tell_broken(&broken)),
            (Err(error), _) if job::files(&global.jobs).is_ok_and(|files| !files.is_empty()) => return Err(error),
            (Err(no_jobs), Ok(lake)) => of_lake(global, lake, names, no_jobs).await?,
            (Err(no_jobs), Err(_)) => return Err(unread(opened, &no_jobs)),
        };
        let base = opened.as_ref().map_or_else(|_| location.to_string(), |lake| base_of(&location, lake));
        let base = base.trim_end_matches('/').to_owned();
        let address = opened.as_ref().ok().and_then(address_of);
        let http = address.as_ref().and_then(|address| http_of(address, &location));
        let place = Place { lake: base.clone(), first_partition: String::new(), has_objects: true, http };
        let read = match opened {
            Ok(lake) => read(&jobs, &lake, &place, with_history, &mut code).await,
            Err(error) => Err(error),
        };
        let (found, is_read) = match read {
            Ok(found) => (found, true),
            Err(error) if matches!(location, Location::Bucket { .. }) && is_of_reading(&error) => {
                screen::tell(&format!(
                    "the lake could not be read: the definitions follow from the job files\n  {error}"
                ));
                (assumed(jobs, &place)?, false)
            }
            Err(error) => return Err(error),
        };
        Ok(Self { base, location, address, found, is_read, code })
    }

    /// The tables as views are made of them.
    pub(super) fn subjects(&self) -> Vec<Subject<'_>> {
        self.found.iter().map(|known| Subject { job: &known.job, account: known.account.clone() }).collect()
    }

    /// Which of them have run records.
    pub(super) fn with_runs(&self) -> Having {
        self.having(|known| known.has_runs)
    }

    /// Which of them have ledgers.
    pub(super) fn with_ledgers(&self) -> Having {
        self.having(|known| known.has.ledger)
    }

    fn having(&self, has: impl Fn(&Known) -> bool) -> Having {
        let any =
            |accounts: bool| self.found.iter().any(|known| known.job.accounts.is_some() == accounts && has(known));
        Having { plain: any(false), of_accounts: any(true) }
    }
}

/// Whether an error says nothing but that the lake is out of reach.
fn is_of_reading(error: &Error) -> bool {
    matches!(error.kind(), Kind::Auth | Kind::Store | Kind::Unavailable | Kind::Throttled)
}

/// The error where there are no job files and the lake cannot be read.
fn unread<T>(opened: Result<T>, no_jobs: &Error) -> Error {
    match opened {
        Err(error) => error.at("jobs", no_jobs.message()),
        Ok(_) => Error::new(Kind::Internal, no_jobs.message().to_owned()),
    }
}

/// The tables of the lake that have a record, and the exit code of those whose record cannot be used; `no_jobs` says why
/// there are no jobs.
async fn of_lake(global: &Global, lake: &Arc<Lake>, names: &[String], no_jobs: Error) -> Result<(Vec<Job>, u8)> {
    match recorded_jobs(lake, clock()?).await {
        Ok((jobs, unknown)) if jobs.is_empty() && unknown.is_empty() => {
            Err(no_jobs.at("lake", format!("{}, which has no table", global.lake())))
        }
        Ok((jobs, unknown)) => {
            unknown.iter().for_each(screen::error);
            let code = unknown.iter().map(|error| error.kind().exit_code()).max().unwrap_or(0);
            Ok((chosen(global, jobs, Vec::new(), names)?.0, code))
        }
        Err(error) if is_of_reading(&error) => Err(unread(Err::<(), _>(error), &no_jobs)),
        Err(error) => Err(error),
    }
}

/// What the lake has of each job's table. A table whose record cannot be used is left out and told.
async fn read(jobs: &[Job], lake: &Lake, place: &Place, with_history: bool, code: &mut u8) -> Result<Vec<Known>> {
    let mut found = Vec::new();
    let read = jobs.iter().map(|job| read_one(job, lake, place, with_history));
    for (job, read) in jobs.iter().zip(side_by_side(read, SIDE_BY_SIDE).await) {
        match read {
            Ok(known) => found.push(known),
            Err(error) if error.kind() == Kind::Config => {
                screen::error(&error.at("job", &job.unit.table));
                *code = (*code).max(Kind::Config.exit_code());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn read_one(job: &Job, lake: &Lake, place: &Place, with_history: bool) -> Result<Known> {
    let mut job = as_kept(lake, job).await?.into_owned();
    let has_accounts = job.accounts.is_some();
    let place = place_of(&job, lake, place).await?;
    let account = if has_accounts {
        job.accounts = Some(Arc::new(Accounts::named(all_accounts(&job, lake).await?)));
        None
    } else {
        let kept = TableRecord::kept(lake, &job.unit).await?.and_then(|record| record.account);
        kept.or_else(|| job.aws.account_id.clone())
    };
    let grain = job.source.grain();
    let units: Vec<Unit> = job.units().into_iter().map(|unit| unit.unit).collect();
    let has = InLake {
        objects: place.has_objects,
        ledger: with_history && any(&units, |unit| has_ledger(lake, unit)).await?,
        kept: with_history && any(&units, |unit| has_kept(lake, unit, grain)).await?,
    };
    let has_runs = any(&units, |unit| async { Ok(!record_keys(lake, unit).await?.is_empty()) }).await?;
    Ok(Known { account, has, has_runs, place, job })
}

/// The accounts that the job names, and those that the table has besides.
async fn all_accounts(job: &Job, lake: &Lake) -> Result<Vec<String>> {
    let mut names: BTreeSet<String> = stored_accounts(lake, &job.unit.table).await?.into_iter().collect();
    names.extend(job.accounts.iter().flat_map(|accounts| accounts.names()).map(str::to_owned));
    Ok(names.into_iter().collect())
}

/// Whether something holds for any of the units; some of them are looked at side by side, until one has it.
async fn any<'u, F: Future<Output = Result<bool>>>(units: &'u [Unit], holds: impl Fn(&'u Unit) -> F) -> Result<bool> {
    for some in units.chunks(SIDE_BY_SIDE) {
        for one in side_by_side(some.iter().map(&holds), SIDE_BY_SIDE).await {
            if one? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The tables as they are after their first run.
fn assumed(jobs: Vec<Job>, place: &Place) -> Result<Vec<Known>> {
    let mut found = Vec::new();
    for job in jobs {
        found.push(Known {
            account: job.aws.account_id.clone().filter(|_| job.accounts.is_none()),
            place: Place { first_partition: first_of_units(&job)?, ..place.clone() },
            has: InLake { objects: true, ledger: true, kept: false },
            has_runs: true,
            job,
        });
    }
    Ok(found)
}

/// The first partition that a job asks for.
fn first_of(job: &Job) -> Result<String> {
    let begin = job.window.begin.map_or_else(|| clock().map(|clock| clock.now().date_naive()), Ok)?;
    Ok(job.source.grain().partition_of(begin).to_string())
}

/// The first partition that any unit of a job asks for.
fn first_of_units(job: &Job) -> Result<String> {
    let mut first = first_of(job)?;
    for unit in job.units() {
        first = first.min(first_of(&unit)?);
    }
    Ok(first)
}

/// The location of a job's table and its first partition: of a table with accounts the first of any account.
async fn place_of(job: &Job, lake: &Lake, place: &Place) -> Result<Place> {
    let listed = lake.list(&job.unit.folder()).await?;
    let there =
        listed.iter().filter_map(|entry| partition_of(&unit_of(job, &entry.key), job.source.grain(), &entry.key));
    let oldest = there.map(|partition| partition.to_string()).min();
    let first = first_of_units(job)?;
    let (has_objects, oldest) = (oldest.is_some(), oldest.unwrap_or_else(|| first.clone()));
    Ok(Place { first_partition: oldest.min(first), has_objects, ..place.clone() })
}

/// The unit that an object of the table belongs to.
fn unit_of(job: &Job, key: &str) -> Unit {
    let account = split_key(key).0.split_once("/account=").filter(|_| job.accounts.is_some());
    account.map_or_else(|| job.unit.clone(), |(table, account)| Unit::of(table, account))
}

/// The path or URL of the lake in SQL.
fn base_of(location: &Location, lake: &Lake) -> String {
    match lake {
        Lake::Local(local) => local.root().display().to_string(),
        Lake::S3(_) => location.to_string(),
    }
}

fn address_of(lake: &Arc<Lake>) -> Option<BucketAddress> {
    match &**lake {
        Lake::Local(_) => None,
        Lake::S3(s3) => s3.address().cloned(),
    }
}

/// The URL of a lake in a bucket for an engine that does not find the bucket by its name and region.
fn http_of(address: &BucketAddress, location: &Location) -> Option<String> {
    let Location::Bucket { bucket, prefix } = location else { return None };
    let own = || format!("https://{bucket}.s3.{}.amazonaws.com", address.region);
    let store = address.of(bucket).map(|url| url.trim_end_matches('/').to_owned());
    let store = store.map(|url| if address.by_path { format!("{url}/{bucket}") } else { url });
    Some(format!("{}/{prefix}", store.unwrap_or_else(own)).trim_end_matches('/').to_owned())
}

/// Whether a unit has any ledger snapshot.
async fn has_ledger(lake: &Lake, unit: &Unit) -> Result<bool> {
    let listed = lake.list(&unit.beside("ledger")).await?;
    Ok(listed.iter().any(|entry| entry.key.ends_with(".json")))
}

/// Whether any older generation of a unit is kept.
async fn has_kept(lake: &Lake, unit: &Unit, grain: Grain) -> Result<bool> {
    let kept = kept_generations(lake, unit, grain).await?;
    Ok(kept.iter().any(|kept| kept.generation.is_some() && !kept.is_displaced))
}

#[cfg(test)]
mod tests {
    use super::http_of;
    use crate::lake::{BucketAddress, Location};

    #[test]
    fn a_bucket_has_a_url() {
        let location = Location::parse("s3://bills/x").expect("a location");
        let at = |url: Option<&str>, by_path| {
            let address =
                BucketAddress { region: "eu-west-1".to_owned(), url: url.map(str::to_owned), is_own: false, by_path };
            http_of(&address, &location).expect("a URL")
        };
        assert_eq!(at(None, false), "https://bills.s3.eu-west-1.amazonaws.com/x");
        assert_eq!(at(Some("http://127.0.0.1:9000"), true), "http://127.0.0.1:9000/bills/x");
        assert_eq!(at(Some("https://s3.example.org/"), false), "https://bills.s3.example.org/x");
    }
}
