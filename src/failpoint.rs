//! Crash points: named places in the code where a test makes the process die, wait or panic. Compiled out of releases.
//!
//! A build with debug assertions reads `COSTLAKE_CRASH`:
//!
//! | value | effect |
//! |---|---|
//! | `trace` | prints each point to stderr when it is reached |
//! | `NAME:K:die` | the K-th time the point is reached, dies as by kill -9: nothing is dropped, flushed or removed |
//! | `NAME:K:meet:FOLDER` | the K-th time, creates a file in FOLDER and continues once it holds two files |
//! | `NAME:K:panic:TEXT` | the K-th time, panics with TEXT |
//!
//! The points, in the order of a run:
//!
//! | point | what has just happened |
//! |---|---|
//! | `table_looked_up` | the table's record was looked up, its objects were not |
//! | `started_written` | a start record in the lake reserves requests that are not sent yet |
//! | `totals_answered` | the API's totals were received, the ledger does not record the request yet |
//! | `after_plan` | the plan is final |
//! | `after_observe` | the object that will be replaced was read |
//! | `after_budget` | the requests of the fetch are reserved |
//! | `page_received` | a page was received and is not parsed yet |
//! | `after_last_page` | the last page is parsed |
//! | `after_control` | the rows add up to the API's totals |
//! | `after_verify` | no rows had to be quarantined |
//! | `table_named` | the table's record is written, no object yet |
//! | `raw_kept`, `history_kept` | the raw responses are stored; the generation that will be replaced is stored |
//! | `after_encode` | the new object is in memory |
//! | `before_put` | the object is about to be sent |
//! | `lock_taken` | the table's lock is held (a lake on disk) |
//! | `tmp_created`, `tmp_written_unsynced`, `tmp_synced` | the staged file is created; is written; is synced |
//! | `folder_made_unsynced` | a folder is created, its parent is not synced |
//! | `renamed_dir_unsynced` | the staged file is renamed into place, its folder is not synced |
//! | `put_sent_no_answer` | any write has returned, its caller does not know yet |
//! | `put_acked` | the object's write is known to have landed |
//! | `before_ledger`, `ledger_written` | a snapshot is about to be written; is written |
//! | `between_partitions` | one fetch has ended, others may follow |
//! | `before_record`, `record_written` | everything of a job is done except the run's record; the record is written |
//! | `snapshot_removed`, `generation_removed` | an expired snapshot or generation has been deleted |

/// Marks the crash point `name` as reached.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(debug_assertions)]
    armed::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod armed {
    //! The effects of crash points.

    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    #[derive(Debug, PartialEq)]
    pub(super) enum Order {
        Nothing,
        Trace,
        At { name: String, passing: u32, act: Act },
    }

    #[derive(Debug, PartialEq)]
    pub(super) enum Act {
        Die,
        Meet(PathBuf),
        Panic(String),
    }

    static ORDER: OnceLock<Order> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);

    pub(super) fn pass(name: &str) {
        match ORDER.get_or_init(|| parse(&std::env::var("COSTLAKE_CRASH").unwrap_or_default())) {
            Order::At { name: wanted, passing, act } if wanted == name => {
                if PASSED.fetch_add(1, Ordering::Relaxed) + 1 != *passing {
                    return;
                }
                tell(name);
                match act {
                    Act::Die => std::process::abort(),
                    Act::Meet(folder) => meet(folder),
                    Act::Panic(text) => panic_with(text),
                }
            }
            Order::Trace => tell(name),
            _ => {}
        }
    }

    /// Any other value does nothing, so that a test that misspells one fails by itself.
    pub(super) fn parse(text: &str) -> Order {
        let parts: Vec<&str> = text.splitn(4, ':').collect();
        let (name, passing, act) = match parts[..] {
            ["trace"] => return Order::Trace,
            [name, passing, "die"] => (name, passing, Act::Die),
            [name, passing, "meet", folder] => (name, passing, Act::Meet(folder.into())),
            [name, passing, "panic", text] => (name, passing, Act::Panic(text.to_owned())),
            _ => return Order::Nothing,
        };
        passing.parse().map_or(Order::Nothing, |passing| Order::At { name: name.to_owned(), passing, act })
    }

    fn tell(name: &str) {
        let _ = writeln!(std::io::stderr(), "crash point {name}");
    }

    #[expect(clippy::panic, reason = "a test has asked for it")]
    fn panic_with(text: &str) {
        std::panic::panic_any(text.to_owned());
    }

    /// Waits for the other process, at most a minute.
    fn meet(folder: &Path) {
        let _ = std::fs::write(folder.join(std::process::id().to_string()), "");
        for _ in 0..60_000 {
            if std::fs::read_dir(folder).is_ok_and(|entries| entries.count() > 1) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        tell("where nobody came");
    }
}

#[cfg(test)]
mod tests {
    #[cfg(debug_assertions)]
    #[test]
    fn orders_are_read() {
        use super::armed::{Act, Order, parse};

        let at = |act| Order::At { name: "before_put".to_owned(), passing: 2, act };
        assert_eq!(parse("before_put:2:die"), at(Act::Die));
        assert_eq!(parse("before_put:2:meet:/a:b"), at(Act::Meet("/a:b".into())));
        assert_eq!(parse("before_put:2:panic:a:b"), at(Act::Panic("a:b".to_owned())));
        assert_eq!(parse("trace"), Order::Trace);
        for nothing in ["", "before_put", "before_put:x:die", "before_put:2:fly"] {
            assert_eq!(parse(nothing), Order::Nothing, "{nothing}");
        }
    }
}
