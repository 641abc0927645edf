//! The opening of the DuckDB script: how to use it, and where the bucket is. It holds no credentials: DuckDB's own AWS
//! credential chain has them.

use crate::sql::Dialect;

/// A bucket as DuckDB is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'a> {
    /// Its name.
    pub name: &'a str,
    /// The lake's part of it; empty for all.
    pub prefix: &'a str,
    /// Its region, if it is known.
    pub region: Option<&'a str>,
    /// The address of the store, if DuckDB would not find it by the region.
    pub url: Option<&'a str>,
    /// Whether the bucket is a part of the path instead of the host.
    pub by_path: bool,
}

/// The first lines of the script.
#[must_use]
pub fn opening() -> Vec<String> {
    [
        "-- costlake connect: views of tables, revisions and runs. Use it as: costlake connect > lake.sql; duckdb -init lake.sql",
        "-- What a table said at the end of a UTC day, or at an instant: FROM <table>_as_of('2026-07-05')",
        "-- A view is right at every instant; a query that meets a replacement may end with an error: run it again.",
        "SET TimeZone = 'UTC';",
    ]
    .map(str::to_owned)
    .into()
}

/// The statements that give DuckDB access to a bucket.
#[must_use]
pub fn bucket_access(bucket: Bucket<'_>) -> Vec<String> {
    let Bucket { name, prefix, region, url, by_path } = bucket;
    let literal = |text: &str| Dialect::Duckdb.literal(text);
    let mut options = vec!["TYPE s3".to_owned(), "PROVIDER credential_chain".to_owned()];
    let scope = if prefix.is_empty() { format!("s3://{name}") } else { format!("s3://{name}/{prefix}") };
    options.push(format!("SCOPE {}", literal(&scope)));
    if let Some((scheme, host)) = url.and_then(|url| url.split_once("://")) {
        options.push(format!("ENDPOINT {}", literal(host.trim_end_matches('/'))));
        options.push(format!("USE_SSL {}", scheme == "https"));
    }
    if by_path {
        options.push("URL_STYLE 'path'".to_owned());
    }
    options.extend(region.map(|region| format!("REGION {}", literal(region))));
    vec![
        "INSTALL httpfs; LOAD httpfs;".to_owned(),
        "INSTALL aws; LOAD aws;".to_owned(),
        format!("CREATE OR REPLACE SECRET costlake ({});", options.join(", ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Bucket, bucket_access};

    fn secret(url: Option<&str>, by_path: bool) -> String {
        let bucket = Bucket { name: "bills", prefix: "it's", region: Some("cn-north-1"), url, by_path };
        bucket_access(bucket).pop().expect("a statement")
    }

    #[test]
    fn duckdb_is_told_where_the_bucket_is() {
        let begin = "CREATE OR REPLACE SECRET costlake (TYPE s3, PROVIDER credential_chain, SCOPE 's3://bills/it''s', ";
        for (url, by_path, wanted) in [
            (None, false, "REGION 'cn-north-1');"),
            (None, true, "URL_STYLE 'path', REGION 'cn-north-1');"),
            (
                Some("https://s3.cn-north-1.amazonaws.com.cn"),
                false,
                "ENDPOINT 's3.cn-north-1.amazonaws.com.cn', USE_SSL true, REGION 'cn-north-1');",
            ),
            (
                Some("http://127.0.0.1:9000/"),
                true,
                "ENDPOINT '127.0.0.1:9000', USE_SSL false, URL_STYLE 'path', REGION 'cn-north-1');",
            ),
        ] {
            assert_eq!(secret(url, by_path), format!("{begin}{wanted}"));
        }
    }
}
