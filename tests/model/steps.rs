//! The steps of the protocol, each an action of the model.

use stateright::{Model, Property};

use super::promises;
use super::state::{DAYS, EMPTY, FOREIGN, Generation, Phase, Rows, State, Write, Writer};

/// A deliberate bug in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The write has no condition.
    NoCondition,
    /// The tag is of the rows alone, without the epoch.
    TagWithoutEpoch,
    /// After a conflict the old rows are written over the new object.
    Rebase,
    /// An object without rows is deleted.
    Delete,
    /// "Refused" is trusted without reading back.
    TrustRefusal,
    /// The object is observed when its rows are read, after the fetch.
    ObserveLate,
    /// The rows to keep were read before the observation.
    KeepEarly,
    /// The ledger adopts a run's observation even if it knows a later generation by then.
    AdoptLower,
    /// An observation is compared with a later state of the ledger.
    CompareLate,
    /// The object is compared with the ledger by its number alone.
    LookAway,
    /// An object that is not the committed one is replaced only in part.
    HealInPart,
}

/// One variant of the model.
#[derive(Debug, Clone)]
pub(crate) struct Protocol {
    pub(crate) writers: u8,
    /// Runs after the first of each writer, following a crash or an end.
    pub(crate) restarts: u8,
    /// Rows of each day in each version of the source.
    pub(crate) source: &'static [Rows],
    /// Sets of days that a fetch may read, as bits.
    pub(crate) fetches: &'static [u8],
    /// Whether a fetch with unchanged rows writes nothing.
    pub(crate) skips: bool,
    /// Saves of the ledger for other partitions during a run.
    pub(crate) saves: u8,
    /// Maximum number of times a write is sent.
    pub(crate) sends: u8,
    /// Number of acts of tampering with the object.
    pub(crate) hands: u8,
    pub(crate) flaw: Option<Flaw>,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The API's figures change.
    Restate,
    /// A writer begins a run for these days.
    Open(u8, u8),
    Observe(u8),
    Fetch(u8),
    /// The object already has the fetched rows.
    Skip(u8),
    /// Kept rows are read, the object is encoded and the write sent.
    Send(u8),
    /// The write arrives and its answer comes back.
    Answer(u8),
    /// No answer, an error, or a refusal of a write that had no effect.
    NoAnswer(u8),
    Settle(u8),
    /// Reading back failed.
    SettleFails(u8),
    /// The ledger is written.
    Save(u8),
    /// The ledger is written for another partition of the job.
    SaveOther(u8),
    /// A process has died at any point, or has ended; it starts again.
    Restart(u8),
    /// A write in flight arrives, and its answer is lost.
    Deliver(u8),
    /// Tampering: the previous generation replaces the object.
    PutBack,
    /// Tampering: another object of the same number replaces it.
    Forge,
    /// Tampering: the object is removed.
    Remove,
}

impl Protocol {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Whether the store considers the object to be the observed one.
    fn matches(&self, now: &Generation, over: &Generation) -> bool {
        if self.is(Flaw::TagWithoutEpoch) { now.rows == over.rows } else { now.same_bytes(over) }
    }

    /// The fetched rows; days that were not requested are 0.
    fn fetched(&self, writer: &Writer) -> Rows {
        let mut rows = self.source[usize::from(writer.version)];
        (0..DAYS).filter(|day| !writer.has(*day)).for_each(|day| rows[day] = 0);
        rows
    }

    fn is_unchanged(&self, writer: &Writer) -> bool {
        let fetched = self.fetched(writer);
        writer.seen.epoch > 0
            && !writer.heals
            && (0..DAYS).all(|day| !writer.has(day) || fetched[day] == writer.seen.rows[day])
    }

    fn actions_of(&self, state: &State, at: u8, actions: &mut Vec<Action>) {
        let writer = &state.writers[usize::from(at)];
        match writer.phase {
            Phase::Idle => actions.extend(self.fetches.iter().map(|days| Action::Open(at, *days))),
            Phase::Opened => actions.push(Action::Observe(at)),
            Phase::Observed => actions.push(Action::Fetch(at)),
            Phase::Fetched if self.skips && self.is_unchanged(writer) => actions.push(Action::Skip(at)),
            Phase::Fetched => actions.push(Action::Send(at)),
            Phase::Waiting => actions.extend([Action::Answer(at), Action::NoAnswer(at)]),
            Phase::Settling => actions.extend([Action::Settle(at), Action::SettleFails(at)]),
            Phase::Entering => actions.push(Action::Save(at)),
            Phase::Ended => {}
        }
        if writer.saves > 0 && !matches!(writer.phase, Phase::Idle | Phase::Ended) {
            actions.push(Action::SaveOther(at));
        }
        if state.restarts > 0 && writer.phase != Phase::Idle {
            actions.push(Action::Restart(at));
        }
    }

    /// A write arrives at the store; returns whether it was applied.
    fn land(&self, state: &mut State, write: &Write) -> bool {
        if !self.is(Flaw::NoCondition) && !self.matches(&state.object, &write.over) {
            return false;
        }
        promises::judge_landing(state, write);
        let mut next = write.next;
        for day in 0..DAYS {
            // Equal rows are as new as the newest source version that they agree with.
            if next.rows[day] == state.object.rows[day] {
                next.version[day] = next.version[day].max(state.object.version[day]);
            }
        }
        state.top = state.top.max(next.epoch);
        if self.hands > 0 {
            state.past = state.object;
        }
        state.object = next;
        true
    }

    /// Merges the fetched rows into the base and sends the write.
    fn send(&self, state: &mut State, at: usize) {
        let writer = &mut state.writers[at];
        let (base, fetched) = (writer.seen, self.fetched(writer));
        let last = if writer.heals { base.epoch.max(writer.known) } else { base.epoch };
        let mut next = Generation { epoch: last + 1, ..base };
        for (day, rows) in fetched.into_iter().enumerate() {
            if writer.has(day) {
                (next.rows[day], next.version[day]) = (rows, writer.version);
            } else if self.is(Flaw::KeepEarly) {
                (next.rows[day], next.version[day]) = (writer.next.rows[day], writer.next.version[day]);
            }
        }
        if self.is(Flaw::Delete) && next.rows.iter().all(|rows| *rows <= EMPTY) {
            next = Generation { epoch: 0, rows: Rows::default(), ..next };
        }
        writer.next = next;
        self.resend(state, at);
    }

    fn resend(&self, state: &mut State, at: usize) {
        let writer = &mut state.writers[at];
        if writer.sends == 0 {
            // The outcome is unknown: exit code 7.
            *writer = Writer::ended();
            return;
        }
        writer.sends -= 1;
        writer.phase = Phase::Waiting;
        let write = Write { over: writer.seen, next: writer.next, fetched: writer.fetches, fresh: writer.fresh };
        state.send(write);
    }

    fn observe(&self, state: &mut State, at: usize) {
        let object = state.object;
        let writer = &mut state.writers[at];
        writer.seen = object;
        writer.phase = Phase::Observed;
        if !self.is(Flaw::CompareLate) {
            self.compare(state, at);
        }
    }

    /// Compares the observation with the run's earlier ledger. An object that is neither that generation nor a later
    /// one was put there by tampering: it is replaced whole.
    fn compare(&self, state: &mut State, at: usize) {
        let (meddled, writer) = (state.meddled, &mut state.writers[at]);
        let seen = writer.seen;
        let is_other = seen.epoch < writer.known
            || self.hands > 0
                && seen.epoch == writer.known
                && seen.rows != writer.known_rows
                && !self.is(Flaw::LookAway);
        if !is_other {
            (writer.known, writer.known_rows) = (seen.epoch, self.content(seen.rows));
        } else if !meddled {
            state.broken |= promises::CALM;
            *writer = Writer::ended();
        } else if self.is(Flaw::LookAway) {
            *writer = Writer::ended();
        } else {
            writer.heals = true;
            if !self.is(Flaw::HealInPart) {
                writer.fetches = (1 << DAYS) - 1;
            }
        }
    }

    /// Rows as the run's ledger records them; empty in variants without tampering.
    fn content(&self, rows: Rows) -> Rows {
        if self.hands > 0 { rows } else { Rows::default() }
    }

    /// The possible acts of tampering: none on an object that the ledger does not know, since its loss is undetectable.
    fn hand(&self, state: &State, actions: &mut Vec<Action>) {
        let is_known = state.ledger == state.object.epoch && state.ledger_rows == state.object.rows;
        if state.hands == 0 || state.object.epoch == 0 || !is_known {
            return;
        }
        actions.extend([Action::Forge, Action::Remove]);
        if state.past.epoch > 0 {
            actions.push(Action::PutBack);
        }
    }

    fn lay(state: &mut State, object: Generation) {
        state.hands -= 1;
        state.meddled = true;
        state.object = object;
    }

    fn load_and_send(&self, state: &mut State, at: usize) {
        let object = state.object;
        let writer = &mut state.writers[at];
        if self.is(Flaw::ObserveLate) {
            writer.seen = object;
        } else if !self.matches(&object, &writer.seen) && !self.is(Flaw::KeepEarly) && !self.is(Flaw::NoCondition) {
            // The read of the rows to keep is conditional too: superseded.
            *writer = Writer::ended();
            return;
        }
        self.send(state, at);
    }

    fn answer(&self, state: &mut State, at: usize) {
        let Writer { seen, next, fetches, fresh, .. } = state.writers[at];
        if self.land(state, &Write { over: seen, next, fetched: fetches, fresh }) {
            commit(state, at);
        } else if self.is(Flaw::TrustRefusal) {
            superseded(state, at);
        } else {
            state.writers[at].phase = Phase::Settling;
        }
    }

    fn settle(&self, state: &mut State, at: usize) {
        let (object, writer) = (state.object, state.writers[at]);
        if object.same_bytes(&writer.next) {
            commit(state, at);
        } else if self.matches(&object, &writer.seen) {
            self.resend(state, at);
        } else if self.is(Flaw::Rebase) {
            state.writers[at].seen = object;
            self.send(state, at);
        } else {
            superseded(state, at);
        }
    }

    /// Writes the ledger: under the next number, or merged with the newest snapshot under the number after it.
    fn save(&self, state: &mut State, at: usize) {
        let writer = &mut state.writers[at];
        if !writer.current && state.ledger > writer.known {
            (writer.known, writer.known_rows) = (state.ledger, state.ledger_rows);
        }
        let (known, rows) = (writer.known, writer.known_rows);
        state.writers.iter_mut().for_each(|other| other.current = false);
        state.writers[at].current = true;
        promises::judge_snapshot(state, known);
        state.ledger = known;
        if self.hands > 0 {
            if state.object.epoch == known && state.object.rows == rows {
                state.ledger_version = state.object.version;
            }
            state.ledger_rows = rows;
        }
    }

    fn enter(&self, state: &mut State, at: usize) {
        let writer = &mut state.writers[at];
        let (next, fresh) = (writer.next, writer.fresh);
        if self.is(Flaw::AdoptLower) || next.epoch >= writer.known {
            (writer.known, writer.known_rows) = (next.epoch, self.content(next.rows));
        }
        self.save(state, at);
        promises::judge_end(state, fresh, &next.rows);
        state.writers[at] = Writer::ended();
    }
}

fn commit(state: &mut State, at: usize) {
    let writer = state.writers[at];
    for day in (0..DAYS).filter(|day| writer.has(*day)) {
        state.acknowledged[day] = state.acknowledged[day].max(writer.version);
    }
    state.writers[at].phase = Phase::Entering;
}

fn superseded(state: &mut State, at: usize) {
    if state.object.same_bytes(&state.writers[at].next) {
        state.broken |= promises::HONEST;
    }
    state.writers[at] = Writer::ended();
}

/// The run found its rows in the object: they are current as of its fetch, if the object is still the same.
fn skip(state: &mut State, at: usize) {
    let writer = state.writers[at];
    if state.object.same_bytes(&writer.seen) {
        for day in (0..DAYS).filter(|day| writer.has(*day)) {
            state.object.version[day] = state.object.version[day].max(writer.version);
        }
    }
    state.writers[at].next = writer.seen;
    state.writers[at].phase = Phase::Entering;
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.restarts, self.hands)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken != 0 {
            return;
        }
        if usize::from(state.source) + 1 < self.source.len() {
            actions.push(Action::Restate);
        }
        self.hand(state, actions);
        (0..self.writers).for_each(|at| self.actions_of(state, at, actions));
        let sent = (0..state.writes.len()).filter(|at| state.writes[*at] != Write::default());
        actions.extend(sent.map(|at| Action::Deliver(u8::try_from(at).unwrap_or(u8::MAX))));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Restate => state.source += 1,
            Action::Open(at, days) => {
                let (known, known_rows, phase) = (state.ledger, state.ledger_rows, Phase::Opened);
                let fresh = state.meddled && state.hands == 0;
                let kept = if self.is(Flaw::KeepEarly) { state.object } else { Generation::default() };
                let (saves, sends) = (self.saves, self.sends);
                let run = Writer {
                    phase,
                    fetches: days,
                    known,
                    known_rows,
                    fresh,
                    current: true,
                    saves,
                    sends,
                    ..Writer::default()
                };
                state.writers[usize::from(at)] = Writer { next: kept, ..run };
            }
            Action::Observe(at) => self.observe(&mut state, usize::from(at)),
            Action::Fetch(at) => {
                let at = usize::from(at);
                if self.is(Flaw::CompareLate) {
                    self.compare(&mut state, at);
                }
                if state.writers[at].phase == Phase::Observed {
                    (state.writers[at].phase, state.writers[at].version) = (Phase::Fetched, state.source);
                }
            }
            Action::Skip(at) => skip(&mut state, usize::from(at)),
            Action::Send(at) => self.load_and_send(&mut state, usize::from(at)),
            Action::Answer(at) => self.answer(&mut state, usize::from(at)),
            Action::NoAnswer(at) => state.writers[usize::from(at)].phase = Phase::Settling,
            Action::Settle(at) => self.settle(&mut state, usize::from(at)),
            Action::SettleFails(at) => self.resend(&mut state, usize::from(at)),
            Action::Save(at) => self.enter(&mut state, usize::from(at)),
            Action::SaveOther(at) => {
                state.writers[usize::from(at)].saves -= 1;
                self.save(&mut state, usize::from(at));
            }
            Action::Restart(at) => {
                state.restarts -= 1;
                state.writers[usize::from(at)] = Writer::default();
            }
            Action::PutBack => Self::lay(&mut state, last.past),
            Action::Forge => {
                let rows = [FOREIGN, last.object.rows[1]];
                let version = [0, last.object.version[1]];
                Self::lay(&mut state, Generation { rows, version, ..last.object });
            }
            Action::Remove => Self::lay(&mut state, Generation::default()),
            Action::Deliver(at) => {
                let write = state.writes[usize::from(at)];
                self.land(&mut state, &write);
            }
        }
        Some(state.in_order(self.writers)).filter(|state| state != last)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::properties()
    }
}
