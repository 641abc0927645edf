//! Named places at which a test lets the program die or wait. A release has none of them.
//!
//! A build with debug assertions reads `COSTLAKE_CRASH`:
//!
//! | text | then |
//! |---|---|
//! | `trace` | every place is named on stderr when it is passed |
//! | `NAME:K:die` | the K-th passing of the place ends the process as kill -9 would: nothing is dropped, flushed or removed |
//! | `NAME:K:meet:FOLDER` | the K-th passing leaves a file in FOLDER and goes on when two files are there |
//! | `NAME:K:panic:TEXT` | the K-th passing panics with TEXT |
//!
//! The places, in the order of a run:
//!
//! | place | what has just happened |
//! |---|---|
//! | `started_written` | a record of the lake reserves requests that are not sent yet |
//! | `totals_answered` | the API's totals are there, the ledger does not know yet that they were asked |
//! | `after_plan` | it is known what is due |
//! | `after_observe` | the object that will be replaced was looked at |
//! | `after_budget` | the requests of the fetch are reserved |
//! | `page_received` | one answer came and is not read yet |
//! | `after_last_page` | the last answer is read |
//! | `after_control` | the rows add up to the API's totals |
//! | `after_verify` | no rows had to be set aside |
//! | `table_named` | the table's record is written, no object is |
//! | `raw_kept`, `history_kept` | the answers, and the generation that will be replaced, are kept |
//! | `after_encode` | the new object is in memory |
//! | `before_put` | the object is about to be sent |
//! | `lock_taken` | the table's lock is held: what a lease would be, on a disk |
//! | `tmp_created`, `tmp_written_unsynced`, `tmp_synced` | the staged file is empty; is written; is on the disk |
//! | `folder_made_unsynced` | a folder is made, its parent is not synced |
//! | `renamed_dir_unsynced` | the staged file stands in place, its folder is not synced |
//! | `put_sent_no_answer` | any write has landed, and whoever asked for it has not heard |
//! | `put_acked` | the object's write is known to have landed |
//! | `before_ledger`, `ledger_written` | a snapshot is about to be sent; has landed |
//! | `between_partitions` | one fetch has ended, others may follow |
//! | `before_record`, `record_written` | all of a job is done but for the record of the run; that, too |
//! | `snapshot_removed`, `generation_removed` | something that is past its time has been let go |

/// Passes the place called `name`.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(debug_assertions)]
    armed::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod armed {
    //! What happens at the places.

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

    /// A text that says something else gives no order, so that a test that misspells one fails on its own.
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

    /// Waits for the other one, at most a minute.
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
