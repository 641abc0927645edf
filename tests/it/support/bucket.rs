//! An S3 bucket behind a [`Script`](super::script::Script): just enough of the protocol for a lake, conditional writes
//! included.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::script::{Asked, Reply, Script};

const NO_SUCH_KEY: &str = "<Error><Code>NoSuchKey</Code><Message>there is none</Message></Error>";
const CONDITION: &str = "<Error><Code>PreconditionFailed</Code><Message>it does not hold</Message></Error>";

/// An empty bucket that answers to any name.
pub(crate) fn bucket() -> Script {
    bucket_but(|_| None)
}

/// The same, but a request for which `instead` returns a reply gets that reply and has no effect.
pub(crate) fn bucket_but(instead: impl Fn(&Asked) -> Option<Reply> + Send + 'static) -> Script {
    let mut objects = BTreeMap::new();
    Script::answering(move |asked| instead(asked).unwrap_or_else(|| answer(&mut objects, asked)))
}

type Objects = BTreeMap<String, Vec<u8>>;

fn answer(objects: &mut Objects, asked: &Asked) -> Reply {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let path = decoded(path);
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_owned();
    match asked.method.as_str() {
        "GET" if query.contains("list-type") => list(objects, query),
        "GET" => get(objects, &key, asked.header("range")),
        "PUT" => put(objects, key, asked),
        "POST" => Reply::new(200, "<DeleteResult></DeleteResult>"),
        _ => Reply::new(405, ""),
    }
}

fn list(objects: &Objects, query: &str) -> Reply {
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).map(decoded).unwrap_or_default();
    let entry = |(key, bytes): (&String, &Vec<u8>)| {
        let (tag, size) = (tag(bytes), bytes.len());
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-03T06:00:00.000Z</LastModified><Size>{size}</Size>\
             <ETag>{tag}</ETag></Contents>"
        )
    };
    let below = || objects.iter().filter_map(|pair| Some((pair, pair.0.strip_prefix(&prefix)?)));
    // With a delimiter, objects in folders are listed only as common prefixes.
    let folder = |rest: &str| query.contains("delimiter=").then(|| Some(rest.split_once('/')?.0.to_owned())).flatten();
    let folders: BTreeSet<String> = below().filter_map(|(_, rest)| folder(rest)).collect();
    let folders: String = folders
        .iter()
        .map(|name| format!("<CommonPrefixes><Prefix>{prefix}{name}/</Prefix></CommonPrefixes>"))
        .collect();
    let entries: String = below().filter(|(_, rest)| folder(rest).is_none()).map(|(pair, _)| entry(pair)).collect();
    Reply::new(200, format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}{folders}</ListBucketResult>"))
}

fn get(objects: &Objects, key: &str, range: Option<&str>) -> Reply {
    let Some(bytes) = objects.get(key) else { return Reply::new(404, NO_SUCH_KEY) };
    let from = range.and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let suffix = || last.parse().map(|count| bytes.len().saturating_sub(count)).ok();
        first.parse::<usize>().ok().or_else(suffix)
    });
    let whole = match from {
        Some(from) => {
            let place = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            Reply::new(206, &bytes[from..]).with("content-range", &place)
        }
        None => Reply::new(200, &bytes[..]),
    };
    whole.with("etag", &tag(bytes)).with("last-modified", "Tue, 03 Nov 2026 06:00:00 GMT")
}

fn put(objects: &mut Objects, key: String, asked: &Asked) -> Reply {
    let there = objects.get(&key).map(|bytes| tag(bytes));
    let absent = asked.header("if-none-match").is_none() || there.is_none();
    let same = asked.header("if-match").is_none_or(|wanted| there.as_deref() == Some(wanted));
    if !absent || !same {
        return Reply::new(412, CONDITION);
    }
    let tag = tag(&asked.bytes);
    objects.insert(key, asked.bytes.clone());
    Reply::new(200, "").with("etag", &tag)
}

fn tag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// Percent-decodes text.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).expect("a percent sign's byte");
        plain.push(byte.into());
        plain.push_str(&part[2..]);
    }
    plain
}
