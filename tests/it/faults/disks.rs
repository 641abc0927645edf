//! The disk is full or read-only, or a path is blocked: the error says so, old data stays intact, and the next run
//! completes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use costlake::job::Job;
use costlake::lake::{Lake, LocalLake};
use costlake::pipeline::{Event, run_job};
use costlake::plan::Ask;

use super::binary::{Stage, assert_ledgers_agree, assert_nothing_staged, copy, said, tables};
use super::limits::{Night, bound_by_permissions};
use super::world::{EARLY, LATER, World, at, cost_job, october};

#[test]
fn a_file_where_a_folder_is_needed_is_named() {
    let stage = Stage::start(LATER);
    let file = stage.path("file");
    fs::write(&file, "mine").expect("a file");
    for lake in [file.clone(), file.join("lake")] {
        let output = stage.run(&lake);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("a file stands where a folder is needed"), "{}", said(&output));
        assert!(said(&output).contains(&file.display().to_string()), "{}", said(&output));
    }
    assert_eq!(fs::read(&file).expect("a file"), b"mine");
}

#[test]
fn a_file_in_place_of_a_table_leaves_the_other_tables_alone() {
    let stage = Stage::start(LATER);
    let (lake, whole) = (stage.path("lake"), stage.path("whole"));
    fs::create_dir(&lake).expect("a folder");
    fs::write(lake.join("cost"), "mine").expect("a file");
    let output = stage.run(&lake);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(fs::read(lake.join("cost")).expect("a file"), b"mine");
    fs::remove_file(lake.join("cost")).expect("a removal");
    stage.run_well(&whole);
    assert!(tables(&lake)[1] == tables(&whole)[1], "the other table is complete");
    stage.run_well(&lake);
    assert!(tables(&lake) == tables(&whole));
    assert_nothing_staged(&lake);
}

/// Whether this user can create a mount namespace.
fn can_mount(at: &Path) -> bool {
    let tried = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none"]).arg(at).output();
    tried.is_ok_and(|output| output.status.success())
}

/// In a mount namespace: a run on a copy of the lake on a small disk with `$FREE` free pages. The lake after it is
/// copied to `$OUT`.
const PAGES: &str = r#"
    mount -t tmpfs -o size=1m none "$COSTLAKE_LAKE"
    cp -r "$OUT/base/." "$COSTLAKE_LAKE"
    dd if=/dev/zero of="$COSTLAKE_LAKE/filler" bs=4k count=4096 2>/dev/null || true
    left=$(stat -c %s "$COSTLAKE_LAKE/filler")
    truncate -s $((left - FREE * 4096)) "$COSTLAKE_LAKE/filler"
    code=0; "$COSTLAKE" run || code=$?
    rm "$COSTLAKE_LAKE/filler"; mkdir "$OUT/full"; cp -r "$COSTLAKE_LAKE/." "$OUT/full"
    exit $code
"#;

/// In a mount namespace: a run while `$FROZEN` is a read-only mount.
const FROZEN: &str = r#"
    mount --bind "$FROZEN" "$FROZEN"; mount -o remount,ro,bind "$FROZEN"
    code=0; "$COSTLAKE" run || code=$?
    umount "$FROZEN"
    exit $code
"#;

/// In a mount namespace: a first run on a disk mounted below a folder that does not support fsync.
const MOUNTED: &str = r#"
    mount -t tmpfs none /proc/tty
    code=0; COSTLAKE_LAKE=/proc/tty "$COSTLAKE" run || code=$?
    cp -r /proc/tty/. "$OUT"
    exit $code
"#;

/// Runs a script in a new mount namespace.
fn in_namespace(night: &Night, lake: &Path, variables: &str, script: &str) -> Output {
    night.shell(lake, &format!("{variables} exec unshare -rm sh -ec '{script}'"))
}

/// The lake is an existing folder whose parent is on another disk or cannot be read.
#[test]
fn the_folder_above_a_lake_need_not_be_synced_where_it_cannot_be() {
    let night = Night::fall();
    let [whole, mounted, above] = ["first", "mounted", "above"].map(|name| night.stage.path(name));
    night.run_well(&whole);
    let assert_same = |output: &Output, lake: &Path| {
        assert_eq!(output.status.code(), Some(0), "{}: {}", lake.display(), said(output));
        assert!(night.tables(lake) == night.tables(&whole), "{}", lake.display());
    };
    fs::create_dir(&mounted).expect("a folder");
    if can_mount(&mounted) {
        assert_same(&in_namespace(&night, &mounted, &format!("OUT={}", mounted.display()), MOUNTED), &mounted);
    } else {
        println!("skipped: no mount namespace to be had here");
    }
    let lake = above.join("lake");
    fs::create_dir_all(&lake).expect("a folder");
    let Some(bound) = bound_by_permissions() else {
        println!("skipped: permissions cannot be made to bind this user");
        return;
    };
    fs::set_permissions(&above, fs::Permissions::from_mode(0o311)).expect("permissions");
    let output = night.shell(&lake, &format!(r#"exec {bound} "$COSTLAKE" run"#));
    fs::set_permissions(&above, fs::Permissions::from_mode(0o755)).expect("permissions");
    assert_same(&output, &lake);
}

#[test]
fn a_disk_that_fills_up_at_any_page_harms_nothing() {
    let night = Night::fall();
    let lake = night.lake("lake");
    if !can_mount(&lake) {
        println!("skipped: no mount namespace to be had here");
        return;
    }
    for free in 0..200 {
        let what = format!("{free} pages left");
        let out = lake.parent().expect("a folder");
        let output = in_namespace(&night, &lake, &format!("OUT={} FREE={free}", out.display()), PAGES);
        let full = out.join("full");
        if output.status.code() == Some(0) {
            night.assert_complete(&full, &what);
            println!("disk full: at {free} pages in turn");
            assert!(free > 5, "{free}");
            return;
        }
        assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
        assert!(said(&output).contains("free some room on the disk"), "{what}: {}", said(&output));
        night.assert_heals(&full, &what);
        fs::remove_dir_all(&full).expect("a removal");
    }
    panic!("no disk was large enough");
}

#[test]
fn any_folder_that_may_only_be_read_is_named() {
    let night = Night::fall();
    if !can_mount(&night.lake("lake")) {
        println!("skipped: no mount namespace to be had here");
        return;
    }
    let mut refused = 0;
    let folders = [
        "",
        "cost",
        "cost/billing_period=2026-10",
        "_costlake",
        "_costlake/cost",
        "_costlake/cost/ledger",
        "_costlake/tmp",
    ];
    for (number, folder) in folders.iter().enumerate() {
        let lake = night.lake(&format!("frozen{number}"));
        let frozen = lake.join(folder);
        let frozen = frozen.display().to_string().trim_end_matches('/').to_owned();
        let output = in_namespace(&night, &lake, &format!("FROZEN={frozen}"), FROZEN);
        assert_eq!(output.status.code(), Some(1), "{frozen}: {}", said(&output));
        let advised = ["mounted read-only", "on one file system"];
        assert!(advised.iter().any(|words| said(&output).contains(words)), "{frozen}: {}", said(&output));
        assert!(said(&output).contains(&frozen), "{frozen}: not named: {}", said(&output));
        night.assert_heals(&lake, &frozen);
        refused += 1;
    }
    println!("read-only: {refused} folders refused the run");
}

#[test]
fn readers_never_see_a_file_beside_the_object() {
    let stage = Stage::start(EARLY);
    let lake = stage.path("lake");
    stage.run_well(&lake);
    stage.sandbox.set_now(at(LATER));
    let mut run = stage.command(&lake).spawn().expect("the program");
    let mut looks = 0;
    while run.try_wait().expect("a child").is_none() {
        for folder in fs::read_dir(lake.join("cost")).expect("a folder").flatten() {
            for file in fs::read_dir(folder.path()).expect("a folder").flatten() {
                assert_eq!(file.file_name(), "data.parquet", "seen while a run was writing");
            }
        }
        looks += 1;
    }
    assert!(looks > 10, "only {looks} looks");
}

#[tokio::test]
async fn on_a_disk_too_another_writers_generation_stands() {
    // Without history the old object is not read again, so only the write itself can detect it.
    let (job, folder) = (Job { keep_history: false, ..cost_job() }, tempfile::tempdir().expect("a folder"));
    let open = |name: &str| Lake::Local(LocalLake::new(folder.path().join(name)));
    let world = World::start(EARLY).await;
    for name in ["ours", "theirs"] {
        let report = run_job(&world.context(open(name)), &job, "run", Ask::Due).await;
        assert_eq!(report.exit_code, 0, "{report:#?}");
    }
    world.set("2026-11-20T06:00:00Z");
    assert_eq!(run_job(&world.context(open("theirs")), &job, "run", october()).await.exit_code, 0);
    world.set(LATER);
    let object = |name: &str| folder.path().join(name).join("cost/billing_period=2026-10/data.parquet");
    let (from, to) = (object("theirs"), object("ours"));
    let mut context = world.context(open("ours"));
    // The other writer's object lands during our fetch.
    context.listener = Some(Arc::new(move |event| {
        if matches!(&event, Event::Page { partition, .. } if partition == "2026-10") {
            fs::copy(&from, &to).expect("a copy");
        }
    }));
    let report = run_job(&context, &job, "run", october()).await;
    assert_eq!(report.exit_code, 5, "{report:#?}");
    assert_eq!(fs::read(object("ours")).expect("a file"), fs::read(object("theirs")).expect("a file"));
}

#[test]
fn a_lake_can_be_moved() {
    let stage = Stage::start(EARLY);
    let (here, there) = (stage.path("here"), stage.path("a/new/place"));
    stage.run_well(&here);
    copy(&here, &there);
    fs::remove_dir_all(&here).expect("a removal");
    stage.sandbox.set_now(at(LATER));
    stage.run_well(&there);
    assert_ledgers_agree(&there);
    assert!(!here.exists());
}
