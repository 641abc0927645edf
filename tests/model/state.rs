//! The state of the model: one partition of two days, its source, its ledger, the writers and the writes in flight.
//!
//! A state is a few bytes, so that millions fit into memory, and is hashed as one byte string. Fields without a
//! counterpart in the program serve the checks: they record the version of the source.

use std::hash::{Hash, Hasher};

/// Days of the partition.
pub(crate) const DAYS: usize = 2;
/// Maximum number of writers.
const WRITERS: usize = 3;
/// Maximum number of writes in flight: one per run, and one more for a flaw that lets a run send a different one.
const WRITES: usize = 6;

/// The rows of each day of the partition. 0 is a day that no run has read, 1 a day without rows.
pub(crate) type Rows = [u8; DAYS];

/// A day without rows.
pub(crate) const EMPTY: u8 = 1;

/// Foreign rows, which no version of the source has.
pub(crate) const FOREIGN: u8 = 9;

/// One generation of the object. The epoch is 0 if there is no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Generation {
    pub(crate) epoch: u8,
    pub(crate) rows: Rows,
    /// For the checks: the version of the source that each day is known to agree with.
    pub(crate) version: Rows,
}

impl Generation {
    /// Whether the bytes are the same: the footer holds the epoch and the digests, and no clock.
    pub(crate) fn same_bytes(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.rows == other.rows
    }
}

/// A write that was sent. The network may deliver it at any later time, any number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Write {
    /// The object that its condition requires.
    pub(crate) over: Generation,
    pub(crate) next: Generation,
    /// Days that were fetched, as bits; the rows of the others were kept.
    pub(crate) fetched: u8,
    /// For the checks: whether its run began after the last tampering.
    pub(crate) fresh: bool,
}

/// The phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    #[default]
    Idle,
    Opened,
    Observed,
    Fetched,
    /// The write is sent and not answered.
    Waiting,
    /// The answer was not "done", or did not come.
    Settling,
    /// The object in the lake must be entered into the ledger.
    Entering,
    Ended,
}

/// One process, which runs the job again when it has ended or died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Writer {
    pub(crate) phase: Phase,
    /// Days of the fetch, as bits.
    pub(crate) fetches: u8,
    /// Epoch in the run's ledger.
    pub(crate) known: u8,
    /// Rows of that epoch in the run's ledger; kept only in variants with tampering.
    pub(crate) known_rows: Rows,
    /// Whether the object differs from the ledger's and is replaced whole.
    pub(crate) heals: bool,
    /// For the checks: whether the run began after the last tampering.
    pub(crate) fresh: bool,
    /// Whether the run's ledger is the newest snapshot, so that the next number is free.
    pub(crate) current: bool,
    /// Remaining saves for other partitions of the job.
    pub(crate) saves: u8,
    /// Remaining attempts to send the write.
    pub(crate) sends: u8,
    /// The observed object.
    pub(crate) seen: Generation,
    /// Version of the source that was fetched.
    pub(crate) version: u8,
    /// The generation to publish.
    pub(crate) next: Generation,
}

impl Writer {
    /// Whether the fetch includes `day`.
    pub(crate) fn has(&self, day: usize) -> bool {
        self.fetches & (1 << day) != 0
    }

    pub(crate) fn ended() -> Self {
        Self { phase: Phase::Ended, ..Self::default() }
    }
}

/// The whole state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Version of the source, from 0.
    pub(crate) source: u8,
    pub(crate) object: Generation,
    /// For the checks: the highest epoch that was ever visible.
    pub(crate) top: u8,
    /// Epoch in the newest ledger snapshot.
    pub(crate) ledger: u8,
    /// Rows of that epoch in the newest snapshot; kept only in variants with tampering.
    pub(crate) ledger_rows: Rows,
    /// For the checks: the version of the source that each day of the newest snapshot agrees with; likewise.
    pub(crate) ledger_version: Rows,
    /// The previous generation; likewise.
    pub(crate) past: Generation,
    /// Remaining acts of tampering.
    pub(crate) hands: u8,
    /// Whether there was any tampering.
    pub(crate) meddled: bool,
    /// For the checks: the newest version of each day whose commit was acknowledged.
    pub(crate) acknowledged: Rows,
    /// For the checks: invariants that a step broke, as bits.
    pub(crate) broken: u8,
    /// Runs that may still begin after a crash or an end.
    pub(crate) restarts: u8,
    pub(crate) writers: [Writer; WRITERS],
    /// Sorted, so that the order of sending does not matter.
    pub(crate) writes: [Write; WRITES],
}

impl State {
    /// Before anything was written.
    pub(crate) fn new(restarts: u8, hands: u8) -> Self {
        Self {
            ledger_rows: Rows::default(),
            ledger_version: Rows::default(),
            past: Generation::default(),
            hands,
            meddled: false,
            source: 0,
            object: Generation::default(),
            top: 0,
            ledger: 0,
            acknowledged: Rows::default(),
            broken: 0,
            restarts,
            writers: <[Writer; WRITERS]>::default(),
            writes: <[Write; WRITES]>::default(),
        }
    }

    /// Adds a write in flight, unless it is there already.
    pub(crate) fn send(&mut self, write: Write) {
        if self.writes.contains(&write) {
            return;
        }
        assert_eq!(self.writes[0], Write::default(), "there is no room for another write");
        self.writes[0] = write;
        self.writes.sort_unstable();
    }

    /// The canonical state under permutation of the writers, which differ only in their index.
    pub(crate) fn in_order(mut self, writers: u8) -> Self {
        self.writers[..usize::from(writers)].sort_unstable();
        self
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mut bytes = Vec::with_capacity(192);
        bytes.extend_from_slice(&[self.source, self.top, self.ledger, self.broken, self.restarts]);
        bytes.extend_from_slice(&self.acknowledged);
        bytes.extend_from_slice(&[self.hands, u8::from(self.meddled)]);
        bytes.extend_from_slice(&self.ledger_rows);
        bytes.extend_from_slice(&self.ledger_version);
        push(&mut bytes, &self.past);
        push(&mut bytes, &self.object);
        for writer in &self.writers {
            let Writer { phase, fetches, known, known_rows, heals, fresh, current, saves, sends, version, .. } =
                *writer;
            bytes.extend_from_slice(&[phase as u8, fetches, known, u8::from(current), saves, sends, version]);
            bytes.extend_from_slice(&[known_rows[0], known_rows[1], u8::from(heals), u8::from(fresh)]);
            push(&mut bytes, &writer.seen);
            push(&mut bytes, &writer.next);
        }
        for write in &self.writes {
            push(&mut bytes, &write.over);
            push(&mut bytes, &write.next);
            bytes.extend_from_slice(&[write.fetched, u8::from(write.fresh)]);
        }
        hasher.write(&bytes);
    }
}

fn push(bytes: &mut Vec<u8>, generation: &Generation) {
    let Generation { epoch, rows, version } = generation;
    bytes.extend_from_slice(&[*epoch, rows[0], rows[1], version[0], version[1]]);
}
