//! The account of a table, as a separate model: two create-only records, a ledger that may name an account, one object,
//! and runs of two accounts or of an unknown one. Each read and each create is a step; a run may die at any point.
//!
//! | action | code it models |
//! |---|---|
//! | `Begin` | `LedgerStore::open` of a run with these credentials |
//! | `Step` | the next of: `LedgerStore::check` (`table.json`, then `account.json`), `Owner::check` of the observation, a request, `LedgerStore::claim` (the create, then a read of the record), `LedgerStore::keep_account` (likewise), `publish`, `fetch::enter` |
//! | `Save` | a snapshot before the table is claimed: a probe's, or notes of failures |
//! | `Close` | `pipeline::close` after a fetch that was answered and published nothing |
//! | `Restart` | the process dies, or has ended; another run begins, with any credentials |
//! | `Deliver` | a create arrives late |
//! | `Lay` | an object of the second account is put into the table |

use stateright::{Model, Property};

/// An account; `None` if unknown or not recorded.
type Account = Option<bool>;
const FIRST: Account = Some(false);
const SECOND: Account = Some(true);

/// A deliberate bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The account of the table is not compared with the run's.
    NotCompared,
    /// A run that creates `table.json` does not read it again.
    ClaimsBlindly,
    /// The same for `account.json`.
    KeepsBlindly,
    /// The records are cached even if they are another account's, so the next fetch does not check them.
    NotesEarly,
    /// An account that is not recorded goes into the run's snapshots.
    TellsLedger,
    /// A failed request to AWS STS is accepted.
    InVainIsGood,
    /// The account in a footer is not checked.
    AnyObject,
}

/// The credentials of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) enum Who {
    /// The account is unknown, and the job does not require it.
    #[default]
    Unnamed,
    /// The request to AWS STS failed.
    InVain,
    First,
    Second,
}

const ALL: [Who; 4] = [Who::Unnamed, Who::InVain, Who::First, Who::Second];

impl Who {
    fn account(self) -> Account {
        match self {
            Self::Unnamed | Self::InVain => None,
            Self::First => FIRST,
            Self::Second => SECOND,
        }
    }

    /// Whether a run must not touch a table of that account.
    fn is_kept_out(self, table: Account) -> bool {
        let is_other = self.account().is_some() && self.account() != table;
        table.is_some() && (self == Self::InVain || is_other)
    }
}

/// The step after which the records are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum After {
    Opening,
    Naming,
    Keeping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
enum Phase {
    #[default]
    Idle,
    ReadsTable(After),
    ReadsAccount(After),
    Checked,
    Observed,
    Paid,
    Naming,
    Keeping,
    Publishing,
    Entering,
    Ended,
}

/// A create that was sent: `table.json`, perhaps with an account, or `account.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Create {
    Table(Account),
    Account(bool),
}

const CREATES: [Create; 5] =
    [Create::Table(None), Create::Table(FIRST), Create::Table(SECOND), Create::Account(false), Create::Account(true)];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Run {
    who: Who,
    phase: Phase,
    /// The `table.json` it has read.
    named: Option<Account>,
    /// The account in the ledger that it holds.
    ledger: Account,
    /// The account that its objects name.
    account: Account,
    claimed: bool,
    has_account: bool,
    /// Whether one of its two fetches was refused.
    was_refused: bool,
    /// Whether it publishes nothing more.
    closes: bool,
    /// The count of object writes at its observation.
    seen: u8,
    /// For the checks: whether the table was of another account when it began.
    is_kept_out: bool,
}

/// The whole state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct State {
    table: Option<Account>,
    account: Account,
    ledger: Account,
    /// The account in the object's footer.
    footer: Account,
    writes: u8,
    /// For the checks: the accounts whose rows were ever written by runs that knew their account.
    rows: [bool; 2],
    laid: bool,
    restarts: u8,
    broken: u8,
    /// Creates that were sent, in the order of [`CREATES`].
    sent: [bool; CREATES.len()],
    runs: [Run; 2],
}

impl State {
    fn written(&self) -> Account {
        self.table.flatten().or(self.account)
    }

    fn send(&mut self, create: Create) {
        CREATES.iter().zip(&mut self.sent).filter(|(known, _)| **known == create).for_each(|(_, sent)| *sent = true);
    }

    fn arrives(&mut self, create: Create) {
        match create {
            Create::Table(account) => _ = self.table.get_or_insert(account),
            Create::Account(account) => _ = self.account.get_or_insert(account),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Begin(usize, Who),
    Step(usize),
    Save(usize),
    Close(usize),
    Restart(usize),
    Deliver(Create),
    Lay,
}

const PAYS: u8 = 1;
const MIXES: u8 = 2;
const NAMES: u8 = 4;
const ALARMS: u8 = 8;
const OVERWRITES: u8 = 16;

pub(crate) const KEPT_OUT: &str = "another account pays nothing and writes nothing";
pub(crate) const ONE: &str = "a table has the rows of one account";
pub(crate) const NAMED: &str = "an object names the account that is written down";
pub(crate) const WRITTEN: &str = "only an account that is written down keeps others out";
pub(crate) const ALONE: &str = "an object of another account is never overwritten";
/// Not invariants but evidence that the model reaches these states.
pub(crate) const RACE: &str = "two accounts pay for one new table";
pub(crate) const LATER: &str = "a table takes its account on later";

/// The table and its runs.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) restarts: u8,
    pub(crate) flaw: Option<Flaw>,
}

impl Table {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Checks both records; returns whether the run goes on.
    fn check(&self, state: &State, run: &mut Run, after: After) -> bool {
        let written = [run.named.flatten(), state.account];
        let has_account = written.iter().any(Option::is_some);
        let known = [written[0], written[1], run.ledger.filter(|_| !has_account)];
        if self.is(Flaw::NotesEarly) {
            (run.claimed, run.has_account) = (run.claimed || run.named.is_some(), has_account);
        }
        let own = run.who.account();
        let differs = |theirs: &Account| own.is_some() && theirs.is_some() && *theirs != own;
        if known.iter().any(differs) && !self.is(Flaw::NotCompared) {
            return false;
        }
        (run.claimed, run.has_account) = (run.claimed || run.named.is_some(), has_account);
        let known = known.into_iter().flatten().next();
        run.ledger = if self.is(Flaw::TellsLedger) { known.or(own) } else { known };
        if after == After::Opening {
            run.account = known.or(own);
            return run.who != Who::InVain || known.is_none() || self.is(Flaw::InVainIsGood);
        }
        true
    }

    /// Records the account, or goes on to the object.
    fn keep(state: &mut State, run: &mut Run) {
        match run.who.account().filter(|_| run.claimed && !run.has_account) {
            Some(account) => {
                state.send(Create::Account(account));
                run.phase = Phase::Keeping;
            }
            None => run.phase = if run.closes { Phase::Ended } else { Phase::Publishing },
        }
    }

    fn publish(state: &mut State, run: &mut Run) {
        if state.writes != run.seen {
            run.phase = Phase::Ended;
            return;
        }
        let (own, table) = (run.who.account(), state.written());
        if run.is_kept_out {
            state.broken |= PAYS;
        }
        if own.is_some() && own != table {
            state.broken |= MIXES;
        }
        if run.account.is_some() && run.account != table {
            state.broken |= NAMES;
        }
        if run.account.is_some() && state.footer.is_some() && run.account != state.footer {
            state.broken |= OVERWRITES;
        }
        if let Some(account) = own {
            state.rows[usize::from(account)] = true;
        }
        (state.footer, state.writes) = (run.account, state.writes + 1);
        run.phase = Phase::Entering;
    }

    fn step(&self, state: &mut State, at: usize) {
        let mut run = state.runs[at];
        match run.phase {
            Phase::Idle | Phase::Ended => {}
            Phase::ReadsTable(after) => (run.named, run.phase) = (state.table, Phase::ReadsAccount(after)),
            Phase::ReadsAccount(after) => {
                if !self.check(state, &mut run, after) {
                    if state.written().is_none() {
                        state.broken |= ALARMS;
                    }
                    // The run has another fetch in flight beside the refused one.
                    let has_more = after != After::Opening && !run.closes && !run.was_refused;
                    run.was_refused = true;
                    run.phase = if has_more { Phase::Paid } else { Phase::Ended };
                } else {
                    match after {
                        After::Opening => run.phase = Phase::Checked,
                        After::Naming | After::Keeping => Self::keep(state, &mut run),
                    }
                }
            }
            Phase::Checked => {
                let differs = state.footer.is_some() && run.account.is_some() && state.footer != run.account;
                let is_refused = differs && !self.is(Flaw::AnyObject);
                (run.seen, run.phase) = (state.writes, if is_refused { Phase::Ended } else { Phase::Observed });
            }
            Phase::Observed => {
                if run.is_kept_out {
                    state.broken |= PAYS;
                }
                run.phase = Phase::Paid;
            }
            Phase::Paid if run.claimed => Self::keep(state, &mut run),
            Phase::Paid => {
                state.send(Create::Table(run.who.account()));
                run.phase = Phase::Naming;
            }
            Phase::Naming => {
                state.arrives(Create::Table(run.who.account()));
                let blind = self.is(Flaw::ClaimsBlindly);
                run.phase = if blind { Phase::Publishing } else { Phase::ReadsTable(After::Naming) };
            }
            Phase::Keeping => {
                run.who.account().into_iter().for_each(|account| state.arrives(Create::Account(account)));
                let blind = self.is(Flaw::KeepsBlindly);
                run.has_account |= blind;
                run.phase = if blind { Phase::Publishing } else { Phase::ReadsTable(After::Keeping) };
            }
            Phase::Publishing => Self::publish(state, &mut run),
            Phase::Entering => {
                state.ledger = run.ledger.or(state.ledger);
                run.phase = Phase::Ended;
            }
        }
        state.runs[at] = run;
    }
}

impl Model for Table {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { restarts: self.restarts, ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken != 0 {
            return;
        }
        for (at, run) in state.runs.iter().enumerate() {
            match run.phase {
                Phase::Idle => actions.extend(ALL.map(|who| Action::Begin(at, who))),
                Phase::Ended => {}
                _ => actions.push(Action::Step(at)),
            }
            if matches!(run.phase, Phase::Checked | Phase::Observed | Phase::Paid) {
                actions.push(Action::Save(at));
            }
            if run.phase == Phase::Paid {
                actions.push(Action::Close(at));
            }
            if run.phase != Phase::Idle && state.restarts > 0 {
                actions.push(Action::Restart(at));
            }
        }
        let sent = CREATES.iter().zip(state.sent).filter(|(_, sent)| *sent);
        actions.extend(sent.map(|(create, _)| Action::Deliver(*create)));
        if !state.laid {
            actions.push(Action::Lay);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin(at, who) => {
                let is_kept_out = who.is_kept_out(state.written());
                let phase = Phase::ReadsTable(After::Opening);
                state.runs[at] = Run { who, phase, is_kept_out, ledger: state.ledger, ..Run::default() };
            }
            Action::Step(at) => self.step(&mut state, at),
            Action::Save(at) => {
                if state.runs[at].is_kept_out {
                    state.broken |= PAYS;
                }
                state.ledger = state.runs[at].ledger.or(state.ledger);
            }
            Action::Close(at) => {
                let mut run = Run { closes: true, ..state.runs[at] };
                Self::keep(&mut state, &mut run);
                state.runs[at] = run;
            }
            Action::Restart(at) => {
                state.restarts -= 1;
                state.runs[at] = Run::default();
            }
            Action::Deliver(create) => state.arrives(create),
            Action::Lay => (state.laid, state.footer, state.writes) = (true, SECOND, state.writes + 1),
        }
        state.runs.sort_unstable();
        Some(state).filter(|state| state != last)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(KEPT_OUT, |_, state: &State| state.broken & PAYS == 0),
            Property::always(ONE, |_, state: &State| state.broken & MIXES == 0 && state.rows != [true, true]),
            Property::always(NAMED, |_, state: &State| {
                let agree = state.table.flatten().is_none() || state.account.is_none();
                state.broken & NAMES == 0 && (agree || state.table.flatten() == state.account)
            }),
            Property::always(WRITTEN, |_, state: &State| state.broken & ALARMS == 0),
            Property::always(ALONE, |_, state: &State| state.broken & OVERWRITES == 0),
            Property::sometimes(RACE, |_, state: &State| {
                let paid = |who| state.runs.iter().any(|run| run.who == who && run.phase == Phase::Paid);
                state.table.is_none() && paid(Who::First) && paid(Who::Second)
            }),
            Property::sometimes(LATER, |_, state: &State| state.table == Some(None) && state.account.is_some()),
        ]
    }
}
