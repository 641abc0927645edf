//! Every source has all its parts, and the published job schema matches the keys.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use costlake::job;
use costlake::sources::REGISTRY;
use costlake::sources::keys::json_schema;
use costlake::table::{Column, ColumnType, parse_schema};

use super::source::{files, read, root};

const JOB_SCHEMA: &str = "schemas/job.schema.json";

#[test]
fn every_source_has_a_schema_that_every_reader_understands() {
    for entry in REGISTRY {
        let text = read(format!("schemas/{}.json", entry.name));
        assert_eq!(text, entry.schema, "{}", entry.name);
        let columns = parse_schema(&text).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let is_reserved = |column: &Column| column.name == costlake::unit::ACCOUNT;
        assert!(!columns.iter().any(is_reserved), "{}: a table with accounts has a column of this name", entry.name);
        assert!(!columns.is_empty());
        let mut names = BTreeSet::new();
        for column in &columns {
            let name = column.name.as_str();
            // `tag_<slug>` is a placeholder for any number of columns.
            let plain = name.replace(['<', '>'], "");
            let sound = plain.starts_with(|c: char| c.is_ascii_lowercase())
                && plain.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                && name.matches('<').count() <= 1
                && name.contains('<') == name.ends_with('>');
            assert!(sound, "{}: {name}", entry.name);
            assert!(names.insert(name), "{}: {name} stands twice", entry.name);
            assert!(column.doc.len() > 10, "{}: {name} is not explained", entry.name);
        }
    }
}

#[test]
fn there_are_no_schemas_without_a_source() {
    for path in files("schemas") {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(path.ends_with(JOB_SCHEMA) || costlake::sources::find(&name).is_some(), "{}", path.display());
    }
}

#[test]
fn every_shipped_job_is_right_and_every_source_has_one() {
    let (jobs, broken) = job::load_all(&root().join("jobs")).expect("the jobs");
    let lines: Vec<String> = broken.iter().flat_map(job::BrokenJob::lines).collect();
    assert_eq!(lines, Vec::<String>::new());
    for entry in REGISTRY {
        let shown: Vec<&str> = entry.jobs.iter().map(|(name, _)| *name).collect();
        let written = jobs.iter().filter(|job| job.entry.name == entry.name).map(|job| job.unit.table.as_str());
        assert_eq!(shown.iter().copied().collect::<BTreeSet<_>>(), written.collect(), "{}", entry.name);
        assert!(!shown.is_empty(), "no job in jobs/ shows {}", entry.name);
    }
    for job in &jobs {
        assert!(job.description.is_some() && job.schedule.is_some(), "{} is an example: show both", job.unit.table);
    }
}

#[test]
fn every_source_has_fixtures() {
    for entry in REGISTRY {
        let fixtures = files(&format!("src/sources/{}/fixtures", entry.name));
        assert!(!fixtures.is_empty(), "{}", entry.name);
        for path in fixtures {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&read(&path));
            assert!(parsed.is_ok(), "{}: {parsed:?}", path.display());
        }
    }
}

#[test]
fn every_number_says_over_which_rows_it_adds_up() {
    for entry in REGISTRY {
        for column in parse_schema(entry.schema).expect("a schema") {
            let is_number = !matches!(
                column.kind,
                ColumnType::Boolean | ColumnType::String | ColumnType::Date | ColumnType::Timestamp
            );
            assert_eq!(column.sums.is_some(), is_number, "{}: {}", entry.name, column.name);
            assert!(!column.assigned || column.kind == ColumnType::String, "{}: {}", entry.name, column.name);
        }
    }
}

/// Whether the places in the key are 1, 2, 3, … with a time first; a schema without any leaves the key to its source.
fn has_sound_key(columns: &[Column]) -> bool {
    let mut places: Vec<(u8, ColumnType)> = columns.iter().filter_map(|one| Some((one.key?, one.kind))).collect();
    places.sort_unstable_by_key(|(place, _)| *place);
    let are_in_a_row = places.iter().zip(1..).all(|((place, _), wanted)| *place == wanted);
    let first = places.first().map(|(_, kind)| *kind);
    are_in_a_row && first.is_none_or(|kind| matches!(kind, ColumnType::Date | ColumnType::Timestamp))
}

#[test]
fn the_key_of_a_schema_begins_with_the_time_and_has_no_gap() {
    for entry in REGISTRY {
        assert!(has_sound_key(&parse_schema(entry.schema).expect("a schema")), "{}", entry.name);
    }
    for (day, service, is_sound) in [
        (Some(1), Some(2), true),
        (None, None, true),
        (Some(2), Some(1), false),
        (Some(1), Some(3), false),
        (Some(1), Some(1), false),
    ] {
        let mut columns = parse_schema(costlake::sources::aws_cost_and_usage::ENTRY.schema).expect("a schema");
        columns.retain(|column| ["usage_date", "service"].contains(&column.name.as_str()));
        for column in &mut columns {
            column.key = if column.kind == ColumnType::Date { day } else { service };
        }
        assert_eq!(has_sound_key(&columns), is_sound, "{day:?} {service:?}");
    }
}

#[test]
fn the_rows_of_every_shipped_job_have_a_key_that_begins_with_their_time() {
    let (jobs, _) = job::load_all(&root().join("jobs")).expect("the jobs");
    for job in &jobs {
        let table = job.source.table();
        let first = table.sort_key().first().map(|index| table.columns()[*index].kind);
        assert!(matches!(first, Some(ColumnType::Date | ColumnType::Timestamp)), "{}", job.unit.table);
    }
}

/// Files that name a source, outside its own folder and tests.
fn named_in(name: &str) -> Vec<String> {
    let own = format!("src/sources/{name}/");
    let code = |text: &str| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    let names = |text: &str| {
        let without_docs = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        without_docs
            .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
            .any(|word| word == name)
    };
    let folders = ["src", "schemas", "jobs"].into_iter().flat_map(tree);
    let relative = folders.map(|path| path.strip_prefix(root()).expect("inside").display().to_string());
    let is_test = |path: &String| path.ends_with("tests.rs") || path.contains("/tests/");
    let others = relative.filter(|path| !path.starts_with(&own) && !is_test(path));
    // The demo ends with questions to the tables of jobs that are named like their source.
    let others = others.filter(|path| path != JOB_SCHEMA && path != "src/cli/demo.rs");
    others.filter(|path| *path == format!("schemas/{name}.json") || names(&code(&read(path)))).collect()
}

/// All files below a folder.
fn tree(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { tree(&path.display().to_string()) } else { vec![path] }).collect()
}

/// Adding an endpoint touches its folder, a line in the registry, its schema and its job: nothing else.
#[test]
fn a_source_is_known_to_three_files_outside_its_folder() {
    for entry in REGISTRY {
        let files = named_in(entry.name);
        let jobs = files.iter().filter(|path| path.starts_with("jobs/")).count();
        assert!(jobs > 0 && files.len() <= 2 + jobs, "{} is named in {files:?}", entry.name);
        assert!(files.iter().any(|path| path == "src/sources/mod.rs"), "{files:?}");
        let text = read(format!("src/sources/{}/mod.rs", entry.name));
        assert!(text.starts_with("//!"), "{} does not say what it is for", entry.name);
    }
}

/// After a change of the keys, `COSTLAKE_BLESS=1 cargo test --test it conventions` rewrites the file.
#[test]
fn the_published_job_schema_is_the_one_of_the_keys() {
    let wanted = format!("{}\n", serde_json::to_string_pretty(&json_schema()).expect("JSON"));
    let path = root().join(JOB_SCHEMA);
    if std::env::var_os("COSTLAKE_BLESS").is_some() {
        fs::write(&path, &wanted).expect("a file");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{JOB_SCHEMA} is not up to date: run COSTLAKE_BLESS=1 cargo test --test it conventions");
}

#[test]
fn every_key_is_explained() {
    for entry in REGISTRY {
        let mut paths = BTreeSet::new();
        for key in entry.keys() {
            assert!(paths.insert(key.path), "{} stands twice in {}", key.path, entry.name);
            assert!(!key.doc.is_empty() && !key.default.is_empty(), "{}", key.path);
        }
    }
}
