//! Micro-benchmarks of the steps from an answer to its file: decode, sort, digest, encode, on a day of 5,000 groups.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use bytes::Bytes;
use costlake::answer::{Order, Question, Tally};
use costlake::generation::{self, Footer, digest, rows};
use costlake::job;
use costlake::request::Answer;
use costlake::sources::{Fetched, Source};
use costlake::window::Window;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ROWS: u64 = 5_000;
const JOB: &str = r#"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost", "BlendedCost", "AmortizedCost", "NetUnblendedCost", "UsageQuantity"]
group_by = [{ dimension = "SERVICE" }, { dimension = "USAGE_TYPE" }]
[window]
begin = "2026-10-01"
"#;

/// One page of a day; every `escaped`th usage type has a quote in its name.
fn page(escaped: u64) -> Bytes {
    let mut text = r#"{"ResultsByTime":[{"TimePeriod":{"Start":"2026-10-01","End":"2026-10-02"},"Groups":["#.to_owned();
    for row in 0..ROWS {
        let quote = if row.is_multiple_of(escaped) { r#"\""# } else { "" };
        let _ = write!(
            text,
            r#"{{"Keys":["Amazon Service {:03}","USW2-Type:{:02}{quote}"],"Metrics":{{"#,
            row / 50,
            row % 50
        );
        for metric in ["UnblendedCost", "BlendedCost", "AmortizedCost", "NetUnblendedCost"] {
            let _ = write!(text, r#""{metric}":{{"Amount":"{}.{:010}","Unit":"USD"}},"#, row % 90, row * 7_919 + 1);
        }
        let _ = write!(text, r#""UsageQuantity":{{"Amount":"{row}","Unit":"Hrs"}}}}}},"#);
    }
    text.pop();
    text.push_str(r#"],"Total":{},"Estimated":false}]}"#);
    Bytes::from(text)
}

fn decode(source: &dyn Source, body: &Bytes) -> Fetched {
    let windows = [Window::day("2026-10-01".parse().unwrap())];
    let request = source.requests(&windows).remove(0);
    let mut reader = source.reader(&windows);
    let answer = Answer { status: 200, body: body.clone(), request_id: None, date: None, made_up: false };
    reader.read(&request, &answer).expect("a sound answer");
    reader.finish().expect("a whole fetch")
}

fn backwards(rows: &RecordBatch) -> RecordBatch {
    let order: UInt32Array = (0..rows.num_rows() as u32).rev().collect();
    take_record_batch(rows, &order).expect("rows")
}

fn steps(criterion: &mut Criterion) {
    let job = job::parse(Path::new("a_job.toml"), JOB).expect("a sound job");
    let source = job.source.as_ref();
    let (table, read_for) = (source.table(), source.read_for());
    let plain = page(u64::MAX);
    let fetched = decode(source, &plain);
    let sorted = rows::sort(table, &fetched.rows).expect("order");
    let reversed = backwards(&sorted);

    let mut group = criterion.benchmark_group("steps");
    group.throughput(Throughput::Bytes(plain.len() as u64));
    group.bench_function("decode", |bench| bench.iter(|| decode(source, black_box(&plain))));
    let escaped = page(10);
    group.bench_function("decode, a tenth with escapes", |bench| bench.iter(|| decode(source, black_box(&escaped))));

    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("sort, in order", |bench| bench.iter(|| rows::sort(table, black_box(&sorted))));
    group.bench_function("sort, backwards", |bench| bench.iter(|| rows::sort(table, black_box(&reversed))));
    group.bench_function("digest", |bench| bench.iter(|| digest::of_rows(table, black_box(&sorted), &read_for)));
    group.bench_function("sums", |bench| bench.iter(|| rows::sums(table, black_box(&sorted), &read_for)));

    let footer = Footer {
        format: generation::footer::FORMAT,
        epoch: 1,
        fingerprint: String::new(),
        account: None,
        partition: "2026-10".to_owned(),
        days: BTreeMap::new(),
        replaced: BTreeMap::new(),
    };
    let batches = [sorted];
    group.bench_function("encode", |bench| {
        bench.iter(|| generation::encode(table, black_box(batches.to_vec()), &footer))
    });
    let object = Bytes::from(generation::encode(table, batches.to_vec(), &footer).expect("an object"));
    group.bench_function("decode Parquet", |bench| bench.iter(|| generation::decode(table, object.clone())));
    let month = Window::new("2026-10-01".parse().unwrap(), "2026-11-01".parse().unwrap()).expect("a month");
    let question = Question::parse(table, None, &["service".to_owned()], &[]).expect("a question");
    group.bench_function("answer by service", |bench| {
        bench.iter(|| {
            let mut tally = Tally::new(&question, month, None);
            let columns = question.columns();
            generation::scan(table, object.clone(), &columns, |arrays| tally.add(month, arrays)).expect("rows");
            tally.finish(Order::default())
        });
    });
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
