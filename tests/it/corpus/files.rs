//! Job files, command lines, the environment, and every kind of file in a lake.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use costlake::generation::footer;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use serde::Deserialize;

use super::ledger_files::{copy, held};
use super::said::{self, Said, read};
use crate::support::lake::files;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    now: String,
    job: String,
    good: Vec<String>,
    /// The command lines of a case without any.
    run: Vec<String>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    run: Option<Vec<String>>,
    /// The whole job file in place of the good one.
    job: Option<String>,
    /// Pairs of text: one is replaced by the other in the good job file.
    #[serde(default)]
    swap: Vec<[String; 2]>,
    /// Environment variables; an empty one is removed.
    #[serde(default)]
    variables: BTreeMap<String, String>,
    /// Files to write first, below the working folder.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// The end of the path of the one file in the lake that is damaged.
    damage: Option<String>,
    /// Thousandths of it that are kept.
    cut: Option<usize>,
    /// Its whole new text.
    text: Option<String>,
    /// Pairs of text to replace; in a Parquet object, in its commit record.
    #[serde(default)]
    change: Vec<[String; 2]>,
    /// How many times the text is repeated.
    times: Option<usize>,
    /// Bytes that overwrite its end, in hexadecimal.
    end: Option<String>,
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect()
}

/// A Parquet object with another text for its commit record.
fn with_record(object: &[u8], change: impl Fn(String) -> String) -> Vec<u8> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(object.to_vec())).expect("Parquet");
    let pairs = reader.metadata().file_metadata().key_value_metadata().expect("metadata");
    let record = pairs.iter().find(|pair| pair.key == footer::KEY).and_then(|pair| pair.value.clone());
    let schema = reader.schema().clone();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, None).expect("a writer");
    for batch in reader.build().expect("a reader") {
        writer.write(&batch.expect("rows")).expect("rows");
    }
    let record = KeyValue::new(footer::KEY.to_owned(), change(record.expect("a commit record")));
    writer.append_key_value_metadata(record);
    writer.close().expect("an object");
    bytes
}

impl Case {
    fn swapped(&self, pairs: &[[String; 2]], mut text: String) -> String {
        for [from, to] in pairs {
            assert!(text.contains(from.as_str()), "{}: `{from}` is not in {text}", self.name);
            text = text.replace(from.as_str(), to);
        }
        text
    }

    fn damage(&self, house: &Lakehouse) {
        let Some(end) = &self.damage else { return };
        // `folder*` matches a file whose name is not known in advance.
        let is_it = |path: &PathBuf| match end.strip_suffix('*') {
            Some(folder) => path.to_string_lossy().contains(folder),
            None => path.to_string_lossy().ends_with(end.as_str()),
        };
        let is_start = |path: &PathBuf| path.to_string_lossy().contains(".started");
        let found: Vec<PathBuf> =
            files(&house.lake()).into_iter().filter(|path| is_it(path) && !is_start(path)).collect();
        let path = found.last().unwrap_or_else(|| panic!("{}: nothing ends in {end}", self.name));
        let mut bytes = fs::read(path).expect("a file");
        if let Some(text) = &self.text {
            bytes = text.repeat(self.times.unwrap_or(1)).into_bytes();
        }
        if !self.change.is_empty() && path.extension().is_some_and(|extension| extension == "parquet") {
            bytes = with_record(&bytes, |record| self.swapped(&self.change, record));
        } else if !self.change.is_empty() {
            bytes = self.swapped(&self.change, String::from_utf8(bytes).expect("text")).into_bytes();
        }
        if let Some(thousandths) = self.cut {
            bytes.truncate(bytes.len() * thousandths / 1_000);
        }
        if let Some(end) = &self.end {
            let end = hex(end);
            let keep = bytes.len() - end.len();
            bytes.splice(keep.., end);
        }
        fs::write(path, bytes).expect("a damaged file");
    }
}

/// Damages the lake and runs each case: the lake must not change unless the run succeeds.
fn play(kind: &str) {
    let answers: Kind = read(kind);
    let good = || answers.good.iter().map(|body| Reply::new(200, body.as_str()));
    let source = Script::new();
    let base = said::house(source.url(), &answers.now);
    base.job("costs", &answers.job);
    source.then(good());
    base.run_well();
    let mut said = Said::default();
    for case in &answers.case {
        let script = Script::new();
        let mut house = said::house(script.url(), &answers.now);
        house.job("costs", &case.job.clone().unwrap_or_else(|| case.swapped(&case.swap, answers.job.clone())));
        copy(&base.lake(), &house.lake());
        for (name, value) in &case.variables {
            if value.is_empty() { house.unset(name) } else { house.set(name, value) }
        }
        for (name, text) in &case.files {
            let path = house.folder().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        case.damage(&house);
        let before = held(&house.lake());
        script.then(good());
        let run: Vec<&str> = case.run.as_ref().unwrap_or(&answers.run).iter().map(String::as_str).collect();
        let done = house.json(&run);
        let after = held(&house.lake());
        said.note(&case.name, &house, &done, after.objects != before.objects);
        if done.code != Some(0) {
            assert_eq!(after, before, "{kind}: {}: the lake was touched: {done}", case.name);
        }
    }
    said.settle(kind);
}

#[test]
fn job_files() {
    play("job_files");
}

#[test]
fn command_lines() {
    play("command_lines");
}

#[test]
fn surroundings() {
    play("surroundings");
}

#[test]
fn the_lake() {
    play("lake");
}
