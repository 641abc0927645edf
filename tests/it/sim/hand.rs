//! Outside tampering: older objects are put back, and objects are removed or replaced by forged ones, during and after
//! runs, once a ledger knows the object. No run may use such an object as a base, and the next clean run leaves the
//! rows of the bill.

use std::sync::Arc;

use bytes::Bytes;
use costlake::generation::{decode, digest, encode, rows};
use costlake::ledger::{Ledger, Standing};
use costlake::sources::Source;
use costlake::window::Grain;

use super::history::footer_of;
use super::watch::{LEDGER, key_of};
use super::world::World;

/// The kind of tampering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meddling {
    /// An older generation replaces the object.
    PutBack,
    Remove,
    /// An object of the same generation number with other rows replaces it.
    Forge,
}

pub(super) const MEDDLINGS: [Meddling; 3] = [Meddling::PutBack, Meddling::Remove, Meddling::Forge];

/// The same generation with one row less on the first day that has any.
fn forged(source: &Arc<dyn Source>, bytes: &Bytes) -> Option<Bytes> {
    let table = source.table();
    let mut footer = footer_of(bytes);
    let whole = decode(table, bytes.clone()).ok()?;
    let mut days = rows::split_by_slot(table, Grain::Daily, &whole).ok()?;
    let slot = *days.keys().next()?;
    let fewer = days.get(&slot).map(|batch| batch.slice(1, batch.num_rows() - 1))?;
    let facts = footer.days.get_mut(&slot)?;
    facts.rows = fewer.num_rows() as u64;
    facts.digest = digest::of_rows(table, &fewer, &facts.read_for).ok()?;
    facts.sums = rows::sums(table, &fewer, &facts.read_for).ok()?;
    days.insert(slot, fewer);
    encode(table, days.into_values().collect(), &footer).ok().map(Bytes::from)
}

impl World {
    /// Whether the newest ledger knows exactly this object: the loss of one that no ledger knows is undetectable.
    fn is_in_ledger(&self, partition: &str, object: &Bytes) -> bool {
        let snapshots = self.objects.held.range(LEDGER.to_owned()..).take_while(|(key, _)| key.starts_with(LEDGER));
        let newest = snapshots.last().and_then(|(_, held)| serde_json::from_slice::<Ledger>(&held.bytes).ok());
        let standing = |ledger: Ledger| Standing::of(ledger.partitions.get(partition), &footer_of(object));
        newest.map(standing) == Some(Standing::Same)
    }

    /// Tampers with one object, if the draw finds one.
    pub(super) fn meddle(&mut self, source: &Arc<dyn Source>) {
        let partitions = self.watch.partitions();
        let Some(partition) = partitions.get(self.rng.usize(0..partitions.len().max(1))).cloned() else { return };
        let meddling = MEDDLINGS[self.rng.usize(0..MEDDLINGS.len())];
        let past = self.watch.past(&partition);
        let Some(current) = past.current.filter(|current| self.is_in_ledger(&partition, current)) else { return };
        let next = match meddling {
            Meddling::Remove => None,
            Meddling::PutBack => {
                let older: Vec<&Bytes> = past.all.iter().filter(|bytes| **bytes != current).collect();
                let Some(chosen) = older.get(self.rng.usize(0..older.len().max(1))) else { return };
                Some((*chosen).clone())
            }
            Meddling::Forge => {
                let Some(other) = forged(source, &current) else { return };
                Some(other)
            }
        };
        let event = self.event();
        self.note(|| format!("a hand: {meddling:?} of {partition}"));
        self.tally.count(format!("hand: {meddling:?}"));
        let key = key_of(&partition);
        match &next {
            Some(bytes) => self.objects.add(&key, bytes.clone()),
            None => _ = self.objects.held.remove(&key),
        }
        self.watch.meddled(event, &partition, next);
    }
}
