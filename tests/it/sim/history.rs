//! A lake with real objects and a history of events that the test scripts.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use costlake::generation::footer::{KEY, Suffix, from_suffix};
use costlake::generation::{Base, Footer, Owned, build, decode, describe, encode};
use costlake::job::{self, Job};
use costlake::ledger::{Ledger, ObjectId};
use costlake::pipeline::Event;
use costlake::report::Outcome;
use costlake::request::Answer;
use costlake::sources::Source;
use costlake::window::Window;
use fastrand::Rng;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::api::told;
use super::bill::{Bill, Day};
use super::place::Place;
use super::schedule::first_now;
use super::store::lay;
use super::units::ACCOUNTS;
use super::watch::{Rules, Watch};
use super::world::{Odds, World};

pub(super) const MONTH: &str = "2026-11";

/// A lake with one writer; each call is the next event.
pub(super) struct History {
    pub(super) world: World,
    pub(super) job: Job,
    jobs: Vec<Job>,
    source: Arc<dyn Source>,
}

/// Days of November 2026 by number: what each service costs.
pub(super) type Days<'a> = &'a [(u32, &'a [(u8, i64)])];

pub(super) fn november(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, number).expect("a day")
}

pub(super) fn said(costs: &[(u8, i64)]) -> Day {
    Day { costs: costs.iter().copied().collect(), estimated: true }
}

pub(super) fn footer_of(bytes: &Bytes) -> Footer {
    match from_suffix(bytes) {
        Ok(Suffix::Whole(footer)) => *footer,
        other => panic!("no footer: {other:?}"),
    }
}

impl History {
    pub(super) fn new() -> Self {
        Self::in_places("", vec![Place::whole()])
    }

    /// A table with two accounts; the history is the first one's until it turns to the other.
    pub(super) fn with_accounts() -> Self {
        let accounts = &ACCOUNTS[..2];
        let list: Vec<String> = accounts.iter().map(|id| format!(r#"{{ id = "{id}" }}"#)).collect();
        let section = format!("accounts = {{ list = [{}] }}", list.join(", "));
        Self::in_places(&section, accounts.iter().map(|account| Place::of(account)).collect())
    }

    fn in_places(accounts: &str, places: Vec<Place>) -> Self {
        let text = r#"
            source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
            window = { begin = "2026-11-01", refresh = "40 days" }
            "#;
        let text = format!("{text}\n{accounts}");
        let job = job::parse(std::path::Path::new("cost.toml"), &text).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let jobs = job.units();
        let source = job.source;
        let mut watches = places.into_iter().map(|place| Watch::new(source.clone(), 1, Rules::default(), place));
        let first = watches.next().expect("a unit");
        let mut world = World::new(Rng::with_seed(1), Odds::KIND, Bill::default(), 0, first, false);
        watches.for_each(|watch| world.add_unit(Odds::KIND, Bill::default(), watch));
        Self { world, source, job: jobs[0].clone(), jobs }
    }

    /// From now on the history is that of this unit.
    pub(super) fn turn_to(&mut self, unit: usize) {
        self.world.turn_to(unit);
        self.job = self.jobs[unit].clone();
    }

    /// Writes the table's record, with an account or without.
    pub(super) fn is_named(&mut self, account: Option<&str>) {
        let record = serde_json::json!({ "account": account });
        self.world.objects.add("bill/_costlake/cost/table.json", record.to_string().into());
    }

    /// From now on the API returns these days and their totals.
    pub(super) fn tells(&mut self, days: Days<'_>) -> u64 {
        let event = self.world.event();
        for (number, costs) in days {
            let told = said(costs);
            self.world.watch.told_total(0, november(*number), told.total());
            self.world.bill.put(november(*number), event, told);
        }
        event
    }

    /// The object of a fetch of these consecutive days, on top of `base`.
    pub(super) fn object(&self, days: Days<'_>, base: Option<&Bytes>) -> Bytes {
        self.object_of("fingerprint", days, base)
    }

    pub(super) fn object_of(&self, fingerprint: &str, days: Days<'_>, base: Option<&Bytes>) -> Bytes {
        let told_days: BTreeMap<_, _> = days.iter().map(|(number, costs)| (november(*number), said(costs))).collect();
        let (first, last) = (days[0].0, days[days.len() - 1].0);
        let windows = [Window::new(november(first), november(last + 1)).expect("a window")];
        let mut reader = self.source.reader(&windows);
        let answer =
            Answer { status: 200, body: Bytes::from(told(&told_days)), request_id: None, date: None, made_up: false };
        reader.read(&self.source.requests(&windows)[0], &answer).expect("a good answer");
        let fetched = reader.finish().expect("a whole answer");
        let (table, grain) = (self.source.table(), self.source.grain());
        let rows = describe(table, grain, &fetched, &self.source.read_for()).expect("days");
        let base = base.map(|bytes| Base { footer: footer_of(bytes), bytes: bytes.clone() });
        let partition = grain.partition_of(november(first));
        let owner = Owned { fingerprint: fingerprint.to_owned(), account: self.job.unit.account.clone() };
        build(table, grain, partition, &owner, base.as_ref(), 0, rows).expect("an object").bytes.into()
    }

    /// The same rows and the same footer in a file with different encoding.
    pub(super) fn rewritten(&self, bytes: &Bytes) -> Bytes {
        let rows = decode(self.source.table(), bytes.clone()).expect("rows");
        let record = serde_json::to_string(&footer_of(bytes)).expect("a record");
        let record = vec![KeyValue::new(KEY.to_owned(), record)];
        let properties = WriterProperties::builder().set_key_value_metadata(Some(record)).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).expect("a writer");
        writer.write(&rows).expect("rows");
        writer.into_inner().expect("an object").into()
    }

    /// The same rows with a changed footer.
    pub(super) fn forged(&self, bytes: &Bytes, forge: impl FnOnce(&mut Footer)) -> Bytes {
        let mut footer = footer_of(bytes);
        forge(&mut footer);
        let rows = decode(self.source.table(), bytes.clone()).expect("rows");
        encode(self.source.table(), vec![rows], &footer).expect("an object").into()
    }

    pub(super) fn sends(&mut self, bytes: &Bytes) {
        let World { watch, tally, .. } = &mut self.world;
        let key = watch.place.key_of(MONTH);
        watch.sent(0, &key, bytes, tally);
    }

    /// An object is sent and lands.
    pub(super) fn lands(&mut self, bytes: &Bytes) {
        self.sends(bytes);
        let key = self.world.watch.place.key_of(MONTH);
        lay(&mut self.world, &key, bytes.clone());
    }

    /// The first generation: two days, as the API returns them.
    pub(super) fn begins(&mut self) -> Bytes {
        let days: Days<'_> = &[(1, &[(0, 500), (1, 700)]), (2, &[(0, 900)])];
        self.tells(days);
        let first = self.object(days, None);
        self.lands(&first);
        first
    }

    pub(super) fn hears(&mut self, told: &Event) {
        let event = self.world.event();
        let World { watch, tally, .. } = &mut self.world;
        watch.heard(event, 0, told, tally);
    }

    pub(super) fn fetch_begins(&mut self) {
        self.hears(&Event::FetchStarted { partition: MONTH.to_owned(), expected: 1 });
    }

    pub(super) fn fetch_ends(&mut self, outcome: Outcome) {
        self.hears(&Event::FetchEnded { partition: MONTH.to_owned(), outcome });
    }

    /// Lands a ledger snapshot that knows this object.
    pub(super) fn ledger(&mut self, number: u32, bytes: &Bytes, change: impl FnOnce(&mut Ledger)) {
        let mut ledger = Ledger::empty("cost");
        let footer = footer_of(bytes);
        let read = footer.days.keys().copied().collect();
        let id = ObjectId { size: bytes.len() as u64, etag: None };
        ledger.adopt(&footer, &id, &read, first_now(), first_now());
        change(&mut ledger);
        let text = serde_json::to_vec(&ledger).expect("a snapshot");
        let key = format!("{}{number:020}.json", self.world.watch.place.ledger);
        lay(&mut self.world, &key, text.into());
    }
}
