//! What the lake does: conditions, lost answers, crashes, two writers.
//!
//! | room | what happens to a run |
//! |---|---|
//! | [`loops`] | each of its calls to the store fails once, one after the other |
//! | [`calls`] | each of its calls to an API goes bad, one after the other |
//! | [`settling`] | its write of data is lost, late, refused or raced |
//! | [`recovery`] | the ledger or an object is not as the last run left it |
//! | [`generations`] | nothing, but what it wrote is looked at closely |
//! | [`control`] | its rows do not add up to the API's totals |
//! | [`history`] | it changes days that had been committed, and what they said before is kept |
//! | [`races`] | another one writes the same window; real processes |
//! | [`stores`] | the store is dishonest or peculiar |
//! | [`disks`] | the disk is full, read-only or in the way; the real binary on a real disk |
//! | [`limits`] | files, memory, permissions and links stop it; the real binary |
//! | [`clocks`] | its clock is wrong; the real binary |
//! | [`crashes`] | it dies at every named place, in turn; the real binary |
//! | [`kills`] | it is killed, stopped, or runs twice at once; the real binary |
//!
//! `faults` is the store that fails as scripted, `world` the rest of a run's surroundings, `binary` the program.

mod binary;
mod calls;
mod clocks;
mod control;
mod crashes;
mod disks;
mod faults;
mod generations;
mod guards;
mod history;
mod kills;
mod limits;
mod loops;
mod races;
mod recovery;
mod settling;
mod stores;
mod world;
