//! The commit protocol under faults: conditional writes, lost answers, crashes, two writers.
//!
//! | module | what happens to a run |
//! |---|---|
//! | [`loops`] | each of its calls to the store fails, one after the other |
//! | [`calls`] | each of its calls to an API fails, one after the other |
//! | [`settling`] | its data write is lost, late, refused or raced |
//! | [`recovery`] | the ledger or an object is not as the last run left it |
//! | [`generations`] | no faults: the written generations are checked in detail |
//! | [`control`] | its rows do not add up to the API's totals |
//! | [`history`] | it changes committed days, and their earlier rows are kept |
//! | [`races`] | another process writes the same window; the real binary |
//! | [`stores`] | the store ignores conditions or has unusual ETags |
//! | [`disks`] | the disk is full, read-only or in the way; the real binary on a real disk |
//! | [`limits`] | limits on files and memory, permissions, and links stop it; the real binary |
//! | [`clocks`] | its clock is wrong; the real binary |
//! | [`crashes`] | it dies at every crash point in turn; the real binary |
//! | [`kills`] | it is killed, stopped, or runs twice at once; the real binary |
//!
//! `failing_store` is a store with scripted failures, `world` the rest of the environment, `binary` runs the real program.

mod binary;
mod calls;
mod clocks;
mod control;
mod crashes;
mod disks;
mod failing_store;
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
