//! What the model remembers: one partition of two days, its source, its ledger, the writers and the writes on their way.
//!
//! Everything is a few bytes, so that millions of states fit, and is hashed as one run of bytes. Fields that no code of
//! the program has are there to judge it: they say of which version of the source something is.

use std::hash::{Hash, Hasher};

/// Days of the partition.
pub(crate) const DAYS: usize = 2;
/// Writers there may be.
const WRITERS: usize = 3;
/// Writes that may be on their way: one for each run, and one more where a flaw lets a run change its mind.
const WRITES: usize = 6;

/// Of each day of the partition: what its rows say. 0 is a day nobody has read, 1 one without rows.
pub(crate) type Rows = [u8; DAYS];

/// A day without rows.
pub(crate) const EMPTY: u8 = 1;

/// Rows that no version of the source has: somebody else's.
pub(crate) const FOREIGN: u8 = 9;

/// One generation of the object. The epoch is 0 where there is no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Generation {
    pub(crate) epoch: u8,
    pub(crate) rows: Rows,
    /// To judge by: the version of the source that each day is known to agree with.
    pub(crate) version: Rows,
}

impl Generation {
    /// Whether the bytes are the same: the footer holds the epoch and the digests, and no clock.
    pub(crate) fn same_bytes(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.rows == other.rows
    }
}

/// A write that was sent. The network may deliver it at any time from then on, and as often as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Write {
    /// The object that must still be there.
    pub(crate) over: Generation,
    pub(crate) next: Generation,
    /// Days that were fetched, as bits; the rows of the others were kept.
    pub(crate) fetched: u8,
    /// To judge by: its run began after the hand from outside had done its work.
    pub(crate) fresh: bool,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    #[default]
    Idle,
    Opened,
    Observed,
    Fetched,
    /// The write is sent and not answered.
    Waiting,
    /// The answer was another than "done", or did not come.
    Settling,
    /// What is in the lake is to be entered into the ledger.
    Entering,
    Ended,
}

/// One process, which runs the job again when it has ended or died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Writer {
    pub(crate) phase: Phase,
    /// Days of the fetch, as bits.
    pub(crate) fetches: u8,
    /// Epoch that the books of the run know.
    pub(crate) known: u8,
    /// What the books know of the rows under that epoch; kept only where there is a hand from outside.
    pub(crate) known_rows: Rows,
    /// The object is not the one the books know, and is replaced whole.
    pub(crate) heals: bool,
    /// To judge by: the run began after the hand from outside had done its work.
    pub(crate) fresh: bool,
    /// Whether the books hold the newest snapshot, so that the next number is free.
    pub(crate) current: bool,
    /// Saves for other partitions of the job that the run may still do.
    pub(crate) saves: u8,
    /// Times the write may still be sent.
    pub(crate) sends: u8,
    /// What was observed.
    pub(crate) seen: Generation,
    /// Version of the source that was fetched.
    pub(crate) version: u8,
    /// What is to be published.
    pub(crate) next: Generation,
}

impl Writer {
    /// Whether `day` is one of the fetch.
    pub(crate) fn has(&self, day: usize) -> bool {
        self.fetches & (1 << day) != 0
    }

    pub(crate) fn ended() -> Self {
        Self { phase: Phase::Ended, ..Self::default() }
    }
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Version of the source, from 0.
    pub(crate) source: u8,
    pub(crate) object: Generation,
    /// To judge by: the highest epoch that was ever visible.
    pub(crate) top: u8,
    /// Epoch in the newest ledger snapshot.
    pub(crate) ledger: u8,
    /// What the newest snapshot knows of the rows under that epoch; kept only where there is a hand from outside.
    pub(crate) ledger_rows: Rows,
    /// To judge by: the version of the source that each day of the newest snapshot agrees with; likewise.
    pub(crate) ledger_version: Rows,
    /// The generation before the object; likewise.
    pub(crate) past: Generation,
    /// What the hand from outside may still do.
    pub(crate) hands: u8,
    /// Whether it has done anything.
    pub(crate) meddled: bool,
    /// To judge by: the newest version of each day whose commit was acknowledged.
    pub(crate) acknowledged: Rows,
    /// To judge by: promises that a step broke, as bits.
    pub(crate) broken: u8,
    /// Runs that may still begin after a crash or an end.
    pub(crate) restarts: u8,
    pub(crate) writers: [Writer; WRITERS],
    /// Sorted, so that the order of sending makes no difference.
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

    /// Puts a write on its way; one that is there already stays the same.
    pub(crate) fn send(&mut self, write: Write) {
        if self.writes.contains(&write) {
            return;
        }
        assert_eq!(self.writes[0], Write::default(), "there is no room for another write");
        self.writes[0] = write;
        self.writes.sort_unstable();
    }

    /// The same state whoever of the writers is called first: they differ in nothing but their name.
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
