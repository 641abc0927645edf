//! The invariants, checked after every call to the store and every answer of the API.
//!
//! | invariant | checked at |
//! |---|---|
//! | one object per partition, nothing else in the table's folder; none is deleted or copied (I1, I8) | each call |
//! | a reader's sum is that of committed generations (I12) | each call |
//! | an object's epoch only rises (I2) | each write that lands |
//! | a changed day is one the API returned after the replaced generation landed (I3) | each write that lands |
//! | every day is, row for row, one state of the bill, in its own partition (I6, I7) | each write that lands |
//! | one fingerprint (I10); a new generation has changed rows (I11) | each write that lands |
//! | the ledger has no generation and no facts that the object has not reached (I5) | each snapshot that lands |
//! | nothing is written before the last page, nor a day that misses its total (I9) | each write that is sent |
//! | no more requests than the budget (I13) | each request |
//! | a commit that a run reports has landed (I4) | each report |
//! | a run of another account than the table's sends no request and writes only its record (I14) | each request, each write |
//! | an object names no other account than the table, and has no rows of another one (I14) | each write that lands |
//! | an object of another account is not overwritten, and none of its rows enter table or ledger (I15) | each write, each snapshot |
//! | with accounts, a run reaches its account's part alone, `table.json` and the store's proof (I16) | each call |
//! | with accounts, nothing but these is in the bucket (I16) | each call |
//! | `table.json` is made once and names no account; `account.json` and footers name the part's (I17) | each write |
//! | an account that nothing happens to is served, whatever happens to the others (I18) | each report |
//!
//! A table with accounts has a checker for each account's part: the others hold for every part alone, with its own bill.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use costlake::generation::Footer;
use costlake::ledger::Ledger;
use costlake::pipeline::Event;
use costlake::report::Outcome;
use costlake::sources::Source;
use costlake::window::Window;

use super::accounts::{TAKES_ON, Who, of_table, whose};
use super::bill::{Bill, Day};
use super::object::{Content, Decoded, Decoder};
use super::place::{Place, RECORD, is_of_any};
use super::store::Objects;
use super::tally::Tally;
use super::world::World;

/// Counter of the accepted exception.
pub(super) const ACCEPTED: &str = "accepted: a bill went there and back under a fetch";
/// Counter of writes with accepted rows that miss their total.
pub(super) const TAKEN: &str = "control = report: a day that misses its total";
/// The folder of the table in the bucket.
pub(super) const TABLE: &str = "bill/cost/";
/// The folder of its ledger.
pub(super) const LEDGER: &str = "bill/_costlake/cost/ledger/";

/// A generation in the lake.
struct Generation {
    landed: u64,
    bytes: Bytes,
    decoded: Decoded,
}

impl Generation {
    fn content(&self) -> &Content {
        &self.decoded.1
    }
}

/// What the checker knows of one writer.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) who: Who,
    /// Whether the table belongs to another account.
    pub(super) is_kept_out: bool,
    /// Number of faults of its calls to the store.
    pub(super) faults: u32,
    requests: u64,
    pub(super) cap: Option<u64>,
    /// The totals it received last.
    totals: BTreeMap<NaiveDate, i64>,
    /// Windows whose last page it has not received.
    open: BTreeSet<(NaiveDate, NaiveDate)>,
    /// By partition: the last object it sent.
    sent: BTreeMap<String, Bytes>,
    /// By partition: the event at which its fetch began.
    begun: BTreeMap<String, u64>,
}

/// The objects of a partition, current and past.
pub(super) struct Past {
    pub(super) current: Option<Bytes>,
    pub(super) all: Vec<Bytes>,
}

/// Invariants that do not apply to a job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    /// It accepts the API's rows even if they miss its total.
    pub(super) takes_all: bool,
    /// Its API has no totals to compare rows with.
    pub(super) without_totals: bool,
}

/// The checker, with what it knows of the lake.
pub(super) struct Watch {
    decoder: Decoder,
    pub(super) place: Place,
    /// Whether nothing happens to the runs: no fault, no crash, no signal, no restatement.
    pub(super) is_calm: bool,
    rules: Rules,
    pub(super) writers: Vec<Writer>,
    generations: BTreeMap<String, Generation>,
    /// Everything that ever landed, by partition.
    history: BTreeMap<String, Vec<Bytes>>,
    /// Partitions whose object was replaced or removed by outside tampering, until a ledger knows the current object.
    meddled: BTreeSet<String>,
    /// By partition: an object of another account put there by outside tampering.
    foreign: BTreeMap<String, Bytes>,
    /// The digest of every day of such objects.
    foreign_days: BTreeSet<String>,
    /// Whether there was a run whose rows are of an unverified account.
    unverified: bool,
    /// By partition: a generation that a later fetch found unchanged, and when that fetch began.
    confirmed: BTreeMap<String, (u64, u64)>,
    fingerprint: Option<String>,
    /// The first violation.
    pub(super) broken: Option<String>,
    pub(super) looks: u64,
}

fn month(day: NaiveDate) -> String {
    day.format("%Y-%m").to_string()
}

/// The key of a partition's object, in a table without accounts.
pub(super) fn key_of(partition: &str) -> String {
    format!("{TABLE}billing_period={partition}/data.parquet")
}

impl Watch {
    pub(super) fn new(source: Arc<dyn Source>, writers: usize, rules: Rules, place: Place) -> Self {
        Self {
            decoder: Decoder::new(source),
            place,
            is_calm: false,
            rules,
            writers: std::iter::repeat_with(Writer::default).take(writers).collect(),
            generations: BTreeMap::new(),
            history: BTreeMap::new(),
            meddled: BTreeSet::new(),
            foreign: BTreeMap::new(),
            foreign_days: BTreeSet::new(),
            unverified: false,
            confirmed: BTreeMap::new(),
            fingerprint: None,
            broken: None,
            looks: 0,
        }
    }

    pub(super) fn breaks(&mut self, what: impl Into<String>) {
        if self.broken.is_none() {
            self.broken = Some(what.into());
        }
    }

    fn holds(&mut self, promise: bool, what: impl FnOnce() -> String) {
        if !promise {
            self.breaks(what());
        }
    }

    /// Called when a request is sent.
    pub(super) fn asked(&mut self, writer: usize) {
        let Writer { requests, cap, is_kept_out, .. } = &mut self.writers[writer];
        *requests += 1;
        let (requests, cap, is_kept_out) = (*requests, *cap, *is_kept_out);
        self.holds(!is_kept_out, || format!("I14: writer {writer} of another account asks"));
        self.holds(cap.is_none_or(|cap| requests <= cap), || {
            format!("I13: request {requests} of a run that may send {cap:?}")
        });
    }

    /// Called when the API returns a total.
    pub(super) fn told_total(&mut self, writer: usize, day: NaiveDate, total: i64) {
        self.writers[writer].totals.insert(day, total);
    }

    /// Called when the API returns a page; `is_open` if it is not the last.
    pub(super) fn series(&mut self, writer: usize, window: Window, is_open: bool) {
        let key = (window.start(), window.end());
        let open = &mut self.writers[writer].open;
        _ = if is_open { open.insert(key) } else { open.remove(&key) };
    }

    /// Called when a write is sent, whatever its outcome.
    pub(super) fn sent(&mut self, writer: usize, key: &str, bytes: &Bytes, tally: &mut Tally) {
        let is_kept_out = self.writers[writer].is_kept_out;
        self.holds(!is_kept_out || self.place.is_run_record(key), || {
            format!("I14: writer {writer} of another account writes {key}")
        });
        let Some(partition) = self.place.partition_of(key) else { return };
        tally.count("objects sent");
        let Some(decoded) = self.decoded(key, bytes) else { return };
        let (footer, content) = &*decoded;
        let taken = content.digests.iter().find(|(_, digest)| self.foreign_days.contains(*digest)).map(|(day, _)| *day);
        self.holds(taken.is_none(), || format!("I15: {key} takes {taken:?} from an object of another account"));
        let Writer { open, totals, sent, .. } = &mut self.writers[writer];
        sent.insert(partition.to_owned(), bytes.clone());
        let open = open.iter().find(|(start, _)| month(*start) == partition).copied();
        let off = content.days.iter().find_map(|(day, found)| {
            let fetched = footer.days[day].epoch == footer.epoch;
            let told = totals.get(day).copied();
            let room = i64::try_from(found.costs.len() + 1).expect("few rows");
            let agrees = told.is_some_and(|told| (told - found.total()).abs() <= room);
            (fetched && !agrees && !self.rules.without_totals)
                .then(|| format!("{day}: rows of {}, but told was {told:?}", found.total()))
        });
        self.holds(open.is_none(), || format!("I9: {key} is written before the last page of {open:?}"));
        if self.rules.takes_all && off.is_some() {
            tally.count(TAKEN);
        }
        let twins = self.decoder.has_twins();
        self.holds(!twins, || format!("I11: two objects of {partition} have one footer and are not the same bytes"));
        self.holds(off.is_none() || self.rules.takes_all, || {
            format!("I9: {key} has a day that misses its total: {off:?}")
        });
    }

    fn decoded(&mut self, key: &str, bytes: &Bytes) -> Option<Decoded> {
        match self.decoder.read(bytes) {
            Ok(found) => Some(found),
            Err(what) => {
                self.breaks(format!("I6: {key}: {what}"));
                None
            }
        }
    }

    /// Called when a write has landed.
    #[expect(clippy::too_many_arguments, reason = "the parts of the world, each borrowed on its own")]
    pub(super) fn landed(
        &mut self,
        event: u64,
        writer: usize,
        key: &str,
        bytes: &Bytes,
        before: Option<Bytes>,
        bill: &Bill,
        objects: &Objects,
        tally: &mut Tally,
    ) {
        if key.starts_with(&self.place.ledger) {
            tally.count("ledger snapshots");
            return self.ledger_landed(key, bytes, before.is_some());
        }
        if key.ends_with("/account.json") && self.place.account.is_none() {
            tally.count(TAKES_ON);
        }
        if !key.starts_with(&self.place.table) {
            self.names_its_account(key, bytes);
            return self.holds(before.is_none(), || format!("{key} is create-only and was replaced"));
        }
        let Some(partition) = self.place.partition_of(key) else {
            return self.breaks(format!("I1: a stray object {key}"));
        };
        tally.count("objects landed");
        let held = self.generations.get(partition).map(|generation| generation.bytes.clone());
        self.holds(held == before, || format!("I8: {key} was changed behind the watch"));
        let Some(decoded) = self.decoded(key, bytes) else { return };
        let (footer, content) = &*decoded;
        self.compare(event, partition, footer, content, bill, tally);
        self.of_one_account(key, partition, footer, content, objects);
        let known = self.fingerprint.get_or_insert_with(|| footer.fingerprint.clone());
        let same = *known == footer.fingerprint;
        self.holds(same, || format!("I10: {key} has another fingerprint"));
        self.history.entry(partition.to_owned()).or_default().push(bytes.clone());
        let generation = Generation { landed: event, bytes: bytes.clone(), decoded };
        self.generations.insert(partition.to_owned(), generation);
        let Place { table, .. } = &self.place;
        let others = objects.held.keys().filter(|other| other.starts_with(table));
        let stray: Vec<String> = others.filter(|other| self.place.partition_of(other).is_none()).cloned().collect();
        self.holds(stray.is_empty(), || format!("I1: stray objects {stray:?}, writer {writer}"));
    }

    /// Checks that a new generation belongs to the table's account and replaces no object of another one.
    fn of_one_account(&mut self, key: &str, partition: &str, footer: &Footer, content: &Content, objects: &Objects) {
        let is_over = self.foreign.contains_key(partition);
        self.holds(!is_over, || format!("I15: {key} is written over an object of another account"));
        let table = of_table(objects, &self.place);
        let named = footer.account.clone();
        let own = self.place.account;
        self.holds(own.is_none() || (named.as_deref() == own && table.as_deref() == own), || {
            format!("I17: {key} is in the part of {own:?}, names {named:?}, and account.json names {table:?}")
        });
        self.holds(named.is_none() || named == table, || {
            format!("I14: {key} is of account {named:?}, but the table of {table:?}")
        });
        let home = self.unverified || table.as_deref().is_none_or(|table| Who::of(table) == Who::Home);
        let other = table.as_deref().is_some_and(|table| Who::of(table) == Who::Other);
        let is_wrong = |day: &Day| if whose(day).0 == Who::Other { !other } else { !home };
        let wrong = content.days.iter().find(|(_, day)| is_wrong(day)).map(|(day, _)| *day);
        self.holds(wrong.is_none(), || format!("I14: {key} has rows of another account: {wrong:?}, table {table:?}"));
    }

    /// Compares a new generation with the one it replaces and with the bill.
    fn compare(
        &mut self,
        event: u64,
        partition: &str,
        footer: &Footer,
        content: &Content,
        bill: &Bill,
        tally: &mut Tally,
    ) {
        let mut broken = Vec::new();
        let is_meddled = self.meddled.contains(partition);
        // An object put there by outside tampering does not constrain the next generation.
        let old = self.generations.get(partition).filter(|_| !is_meddled);
        let (since, epoch) = old.map_or((0, 0), |old| (old.landed, old.content().epoch));
        if content.epoch <= epoch {
            broken.push(format!("I2: generation {} replaces generation {epoch}", content.epoch));
        }
        let old_day = |day: &NaiveDate| old.and_then(|old| old.content().days.get(day));
        if content.days.iter().all(|(day, found)| old_day(day) == Some(found)) {
            broken.push("I11: a generation that says nothing new".to_owned());
        }
        if let Some(gone) = old.and_then(|old| old.content().days.keys().find(|day| !content.days.contains_key(day))) {
            broken.push(format!("I7: {gone} is no longer in the object"));
        }
        for (day, found) in &content.days {
            if month(*day) != partition || footer.partition != partition {
                broken.push(format!("I7: {day} is in another partition"));
            }
            let spans = bill.spans(*day, &whose(found).1);
            if spans.is_empty() && self.rules.takes_all {
                tally.count("control = report: a day that was never so on the bill");
            } else if spans.is_empty() {
                broken.push(format!("I6: {day} is no state of the bill: {found:?}"));
            } else if old_day(day).is_some_and(|old| old != found) {
                let told = spans.iter().map(|(_, until)| *until).max().unwrap_or(0);
                if told <= since {
                    broken
                        .push(format!("I3: {day} as the API told it last at event {told}, over an object of {since}"));
                }
                self.note_exception(partition, *day, told, epoch, bill, tally);
            }
        }
        if let Some(first) = broken.into_iter().next() {
            self.breaks(format!("{partition} at event {event}: {first}"));
        }
    }

    /// The one accepted exception: a fetch found the object unchanged, and one that had begun earlier then replaces it
    /// with rows the API returned in between. It requires a restatement that was reverted.
    fn note_exception(&self, partition: &str, day: NaiveDate, told: u64, epoch: u64, bill: &Bill, tally: &mut Tally) {
        let Some((confirmed, begun)) = self.confirmed.get(partition) else { return };
        let Some(old) = self.generations.get(partition).and_then(|old| old.content().days.get(&day)) else { return };
        if *confirmed != epoch || told > *begun {
            return;
        }
        let spans = bill.spans(day, &whose(old).1);
        let before = spans.iter().any(|(from, _)| *from < told);
        let after = spans.iter().any(|(_, until)| *until > *begun);
        if before && after {
            tally.count(ACCEPTED);
        }
    }

    fn ledger_landed(&mut self, key: &str, bytes: &Bytes, replaced: bool) {
        self.holds(!replaced, || format!("{key} is create-only and was replaced"));
        let Ok(ledger) = serde_json::from_slice::<Ledger>(bytes) else {
            return self.breaks(format!("{key} cannot be read"));
        };
        let mut settled = Vec::new();
        let ahead = ledger.partitions.iter().find_map(|(partition, state)| {
            let is_meddled = self.meddled.contains(partition);
            let held = self.generations.get(partition).map(|held| (held.content(), held.bytes.len() as u64));
            let Some((content, size)) = held else {
                return (!is_meddled).then(|| format!("{partition} has no object"));
            };
            let same = state.epoch < content.epoch || {
                let facts = state.days.iter().map(|(day, state)| (*day, state.facts.digest.as_str()));
                let digests = content.digests.iter().map(|(day, digest)| (*day, digest.as_str()));
                state.epoch == content.epoch && state.bytes == size && facts.eq(digests)
            };
            if is_meddled && same && state.epoch == content.epoch && !self.foreign.contains_key(partition) {
                settled.push(partition.clone());
            }
            (!same && !is_meddled)
                .then(|| format!("{partition}: the ledger knows {}, the object is {}", state.epoch, content.epoch))
        });
        self.holds(ahead.is_none(), || format!("I5: {key}: {ahead:?}"));
        let (own, named) = (self.place.account, ledger.account.as_deref());
        self.holds(own.is_none() || named.is_none() || named == own, || format!("I17: {key} names account {named:?}"));
        let mut days = ledger.partitions.values().flat_map(|state| &state.days);
        let taken = days.find(|(_, state)| self.foreign_days.contains(&state.facts.digest)).map(|(day, _)| *day);
        self.holds(taken.is_none(), || format!("I15: {key} has {taken:?} of an object of another account"));
        settled.iter().for_each(|partition| _ = self.meddled.remove(partition));
    }

    pub(super) fn deleted(&mut self, key: &str) {
        self.holds(key.starts_with(&self.place.ledger), || format!("I8: {key} was deleted"));
    }

    /// Called for each event that a run reports.
    pub(super) fn heard(&mut self, event: u64, writer: usize, what: &Event, tally: &mut Tally) {
        match what {
            Event::FetchStarted { partition, .. } => {
                let writer = &mut self.writers[writer];
                writer.open.retain(|(start, _)| month(*start) != *partition);
                writer.begun.insert(partition.clone(), event);
            }
            Event::FetchEnded { partition, outcome } => {
                tally.count(format!("fetches: {outcome:?}"));
                self.ended(writer, partition, *outcome);
            }
            _ => {}
        }
    }

    fn ended(&mut self, writer: usize, partition: &str, outcome: Outcome) {
        let told = &self.writers[writer];
        match outcome {
            Outcome::Committed => {
                let sent = told.sent.get(partition);
                let there = sent.is_some_and(|sent| self.history.get(partition).is_some_and(|all| all.contains(sent)));
                self.holds(there, || format!("I4: writer {writer} reports a commit of {partition} that never landed"));
            }
            Outcome::Unchanged => {
                if let (Some(held), Some(begun)) = (self.generations.get(partition), told.begun.get(partition)) {
                    self.confirmed.insert(partition.to_owned(), (held.content().epoch, *begun));
                }
            }
            _ => {}
        }
    }

    /// The partitions that have, or had, an object.
    pub(super) fn partitions(&self) -> Vec<String> {
        self.history.keys().cloned().collect()
    }

    /// The current object of a partition, and all that it ever had.
    pub(super) fn past(&self, partition: &str) -> Past {
        let current = self.generations.get(partition).map(|held| held.bytes.clone());
        Past { current, all: self.history.get(partition).cloned().unwrap_or_default() }
    }

    /// Called when outside tampering has replaced or removed a partition's object.
    pub(super) fn meddled(&mut self, event: u64, partition: &str, bytes: Option<Bytes>) {
        self.meddled.insert(partition.to_owned());
        self.foreign.remove(partition);
        self.confirmed.remove(partition);
        let Some(bytes) = bytes else {
            self.generations.remove(partition);
            return;
        };
        let Some(decoded) = self.decoded(&self.place.key_of(partition), &bytes) else { return };
        self.generations.insert(partition.to_owned(), Generation { landed: event, bytes, decoded });
    }

    /// Called when an object of another account has replaced a partition's.
    pub(super) fn strange(&mut self, event: u64, partition: &str, bytes: Bytes) {
        self.meddled(event, partition, Some(bytes.clone()));
        self.foreign.insert(partition.to_owned(), bytes);
        let days = self.generations.get(partition).into_iter().flat_map(|held| held.content().digests.values());
        self.foreign_days.extend(days.cloned());
    }

    /// Called when a run begins.
    pub(super) fn begins(&mut self, writer: usize, who: Who, is_kept_out: bool, is_unverified: bool) {
        let told = &mut self.writers[writer];
        (told.who, told.is_kept_out, told.faults) = (who, is_kept_out, 0);
        self.unverified |= is_unverified;
    }

    /// The days of all objects, as a reader sees them.
    pub(super) fn days(&self) -> BTreeMap<NaiveDate, Day> {
        self.generations.values().flat_map(|held| held.content().days.clone()).collect()
    }

    /// Partition, size and content of every object.
    pub(super) fn contents(&self) -> impl Iterator<Item = (&String, u64, &Content)> {
        self.generations.iter().map(|(partition, held)| (partition, held.bytes.len() as u64, held.content()))
    }
}

impl Watch {
    /// Called at the start of every call to the store.
    pub(super) fn reaches(&mut self, writer: usize, verb: &str, key: &str) {
        let own = self.place.account;
        self.holds(self.place.may(verb, key), || format!("I16: writer {writer} of account {own:?} {verb}s {key}"));
    }

    /// Checks the records of a table with accounts.
    fn names_its_account(&mut self, key: &str, bytes: &Bytes) {
        let Some(own) = self.place.account else { return };
        let named = || {
            let record: serde_json::Value = serde_json::from_slice(bytes).ok()?;
            record.get("account")?.as_str().map(str::to_owned)
        };
        if key == RECORD {
            self.holds(named().is_none(), || format!("I17: {key} names account {:?}", named()));
        } else if key == self.place.account_key() {
            self.holds(named().as_deref() == Some(own), || format!("I17: {key} names account {:?}", named()));
        }
    }

    /// Checks that a reader would find exactly the generations that landed.
    fn glance(&mut self, objects: &Objects) {
        let folder = &self.place.table;
        let table = objects.held.range(folder.clone()..).take_while(|(key, _)| key.starts_with(folder));
        let known = self.generations.iter();
        let same = table.count() == known.len()
            && known.clone().all(|(partition, generation)| {
                let key = self.place.key_of(partition);
                objects.held.get(&key).is_some_and(|object| object.bytes == generation.bytes)
            });
        self.holds(same, || "I12: the table is not what was committed".to_owned());
    }
}

impl World {
    /// Checks that a reader of the whole table would find exactly the generations that landed, in the part of every
    /// account, and that nothing is beside them.
    pub(super) fn watch_glance(&mut self) {
        self.watch.looks += 1;
        let Self { watch, others, objects, .. } = self;
        watch.glance(objects);
        if others.is_empty() {
            return;
        }
        others.iter_mut().for_each(|other| other.watch.glance(objects));
        let places = || others.iter().map(|other| &other.watch.place).chain([&watch.place]);
        let stray = objects.held.keys().find(|key| !is_of_any(places(), key)).cloned();
        watch.holds(stray.is_none(), || format!("I16: {stray:?} is of no account of the table"));
    }
}
