//! Parses the location of a lake from the command line.
//!
//! Text that a shell would have expanded, or that was meant as an address, is never used as the name of a folder: the
//! bill would be written next to the program, on a disk that is not watched and that a container loses. Text that
//! begins with `./` is always a folder.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::redact::without_credentials;

/// URL schemes of stores and of the web.
const SCHEMES: [&str; 29] = [
    "abfs", "abfss", "adl", "az", "azure", "cos", "cosn", "dbfs", "file", "ftp", "gcs", "gs", "hdfs", "http", "https",
    "obs", "oci", "oss", "r2", "s3", "s3a", "s3n", "sftp", "ssh", "swift", "viewfs", "wasb", "wasbs", "webhdfs",
];

/// Where a lake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder.
    Folder(PathBuf),
    /// `s3://bucket/prefix`.
    Bucket {
        /// Bucket.
        bucket: String,
        /// Prefix without leading and trailing slashes, possibly empty.
        prefix: String,
    },
}

impl Location {
    /// Reads a path, `file://` or `s3://` URL.
    ///
    /// # Errors
    /// [`Kind::Config`] for another scheme, a bucket without a name, and text that is neither a plain path nor an
    /// address.
    pub fn parse(text: &str) -> Result<Self> {
        if text.starts_with("./") {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        check_expanded(text)?;
        let shown = without_credentials(text);
        if let Some(rest) = text.strip_prefix("s3://") {
            if rest.starts_with("arn:") {
                let advice = "write the bucket's name, or the alias of the access point (it ends with -s3alias): s3://alias/prefix";
                return Err(wrong(format!("`{shown}` is an ARN, not a bucket and prefix"), advice));
            }
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.trim_matches('/');
            let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let sound =
                !bucket.is_empty() && bucket.bytes().all(of_name) && !prefix.contains("//") && !prefix.contains("..");
            return sound
                .then(|| Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
                .ok_or_else(|| wrong(format!("`{shown}` is not a bucket and prefix"), TAKEN));
        }
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') {
                Ok(Self::Folder(PathBuf::from(path)))
            } else {
                Err(wrong(format!("`{shown}` is not an absolute path"), TAKEN))
            };
        }
        check_path(text)?;
        Ok(Self::Folder(PathBuf::from(text)))
    }
}

/// Advice: the accepted forms of a location.
const TAKEN: &str = "--lake takes a folder, file:///folder or s3://bucket/prefix";

fn wrong(message: String, advice: &str) -> Error {
    Error::new(Kind::Config, message).advise(advice)
}

/// Refuses text that a shell would have expanded: in a unit file, a compose file or a manifest nothing expands it.
fn check_expanded(text: &str) -> Result<()> {
    let shown = without_credentials(text);
    if text.starts_with('~') {
        let advice = format!("write the whole path of the folder; for a folder of that very name write ./{shown}");
        return Err(wrong(format!("`{shown}` begins with `~`, which only a shell knows"), &advice));
    }
    let named = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '('));
    if text.split('$').skip(1).any(named) {
        let advice =
            "write what the variable holds; a folder that really has this name is given as a path that begins with ./";
        return Err(wrong(format!("`{shown}` holds a variable that nothing has replaced"), advice));
    }
    Ok(())
}

/// Refuses a path that was meant as an address: one with another or a misspelt scheme.
fn check_path(text: &str) -> Result<()> {
    let (first, rest) = text.split_once('/').unwrap_or((text, ""));
    let (scheme, behind) = first.split_once(':').unwrap_or((first, ""));
    let scheme = scheme.trim().to_ascii_lowercase();
    let is_scheme = SCHEMES.contains(&scheme.as_str());
    if !is_scheme && !first.contains(':') && !text.is_empty() {
        return Ok(());
    }
    let shown = without_credentials(text);
    let rest = format!("{behind}/{rest}");
    let rest = rest.trim_start_matches('/');
    let is_name = !text.is_empty() && !text.contains("://");
    let folder = if is_name { format!("; for a folder of that name write ./{shown}") } else { String::new() };
    let advice = match scheme.as_str() {
        "s3" | "s3a" | "s3n" if !rest.is_empty() => format!("write s3://{}{folder}", without_credentials(rest)),
        "file" if !rest.is_empty() => format!("write file:///{}{folder}", without_credentials(rest)),
        _ => format!("{TAKEN}{folder}"),
    };
    Err(wrong(format!("`{shown}` is not a lake costlake can write"), &advice))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Location, SCHEMES};
    use std::path::PathBuf;

    fn shown(text: &str) -> String {
        Location::parse(text).map_or_else(|error| error.report(), |lake| lake.to_string())
    }

    #[test]
    fn lakes_are_folders_or_buckets() {
        assert_eq!(shown("lake"), "lake");
        assert_eq!(shown("file:///data/lake"), "/data/lake");
        assert_eq!(shown("s3://bucket/a/b/"), "s3://bucket/a/b");
        assert_eq!(shown("s3://bucket"), "s3://bucket");
        for wrong in [
            "",
            "gs://bucket/x",
            "s3://my bucket/x",
            "s3://b\n/x",
            "s3://bücher/x",
            "s3://",
            "s3:///x",
            "file://relative",
            "s3://b/../x",
            "s3://key:secret@b/x",
        ] {
            assert!(Location::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_access_point_is_named_by_its_alias() {
        assert_eq!(shown("s3://bills-abc123-s3alias/x"), "s3://bills-abc123-s3alias/x");
        let said = shown("s3://arn:aws:s3:us-east-1:111122223333:accesspoint/bills/x");
        assert!(said.contains("is an ARN") && said.contains("-s3alias"), "{said}");
    }

    #[test]
    fn what_a_shell_would_have_replaced_is_refused() {
        for text in ["~", "~/lake", "~somebody/lake"] {
            assert!(shown(text).contains(&format!("write ./{text}")), "{}", shown(text));
        }
        for text in [
            "$HOME/lake",
            "/data/$USER",
            "lake_$stage",
            "lake-${STAGE}",
            "${X:-lake}",
            "s3://bucket/$STAGE/x",
            "s3://${BUCKET}/x",
            "file:///data/$_x",
            "/data/$(STAGE)/x",
        ] {
            assert!(shown(text).contains("variable"), "{}", shown(text));
        }
        for text in ["/data/a~b", "lake~", "costs$", "/data/$1", "a$/b", "a$$"] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn an_address_is_never_taken_for_a_folder() {
        for (text, right) in [
            ("s3:/bucket/x", "write s3://bucket/x;"),
            ("s3:bucket/x", "write s3://bucket/x;"),
            ("s3//bucket/x", "write s3://bucket/x;"),
            ("S3//bucket/x", "write s3://bucket/x;"),
            ("s3/bucket", "write s3://bucket;"),
            ("S3://bucket/x", "write s3://bucket/x"),
            ("s3a://bucket/x", "write s3://bucket/x"),
            (" s3://bucket/x", "write s3://bucket/x"),
            ("file:/data/lake", "write file:///data/lake;"),
            ("FILE:///data/lake", "write file:///data/lake"),
            ("file//data/lake", "write file:///data/lake;"),
            ("gs://bucket/x", "--lake takes"),
            ("gs//bucket/x", "--lake takes"),
            ("Https//bucket.example/x", "--lake takes"),
            ("https://bucket.s3.amazonaws.com/x", "--lake takes"),
            ("nothing-known://x", "--lake takes"),
            ("C:\\lake", "--lake takes"),
            ("bucket:x", "--lake takes"),
            ("s3", "write ./s3"),
            ("host:9000/bucket", "write ./host:9000/bucket"),
        ] {
            let said = shown(text);
            assert!(said.contains("is not a lake costlake can write") && said.contains(right), "{text}: {said}");
        }
        for scheme in SCHEMES {
            assert!(Location::parse(&format!("{}//x/y", scheme.to_uppercase())).is_err(), "{scheme}");
        }
        for text in ["s3x/lake", "data/s3:/x", "/s3//x", "profiles/lake", "../s3:x", "filed/lake"] {
            assert_eq!(shown(text), text);
        }
        let said = shown("s3:/key:hush-hush@bucket/x") + &shown("S3://key:hush-hush@bucket/x");
        assert!(!said.contains("hush"), "{said}");
    }

    #[test]
    fn a_dot_and_a_slash_always_mean_a_folder() {
        for text in ["./~x", "./s3//x", "./$X", "./${X}/y", "./a:b", "./file:/x", "./S3://x", "./"] {
            assert_eq!(Location::parse(text).expect("a folder"), Location::Folder(PathBuf::from(text)));
        }
    }
}
