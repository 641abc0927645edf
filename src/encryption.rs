//! Encryption at rest that each write names, for buckets whose policy demands the header
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html>). Without it the bucket's own
//! default holds, which is what most buckets want.

/// What each write asks the store to encrypt with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Encryption {
    /// `x-amz-server-side-encryption`: `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: &'static str,
    /// The KMS key, by id, ARN or alias; the bucket's or the account's own without one.
    pub kms_key: Option<String>,
}

/// What may be asked for.
const ALGORITHMS: [&str; 3] = ["AES256", "aws:kms", "aws:kms:dsse"];
const KINDS: &str = "write AES256, aws:kms or aws:kms:dsse, or leave it out: the bucket's default holds then";

impl Encryption {
    /// Reads what was given; `None` if nothing was. A key alone means `aws:kms`.
    ///
    /// # Errors
    /// For another algorithm, and for a key that is none or that the algorithm does not take: whether it is about the key,
    /// what is wrong, and what to write.
    pub fn parse(algorithm: Option<&str>, kms_key: Option<&str>) -> Result<Option<Self>, Wrong> {
        let algorithm = match (algorithm, kms_key) {
            (None, None) => return Ok(None),
            (None, Some(_)) => "aws:kms",
            (Some(given), _) => {
                ALGORITHMS.into_iter().find(|known| known.eq_ignore_ascii_case(given.trim())).ok_or_else(|| Wrong {
                    is_of_key: false,
                    what: format!("is `{given}`, which S3 does not know: {KINDS}"),
                })?
            }
        };
        let Some(key) = kms_key.map(str::trim) else { return Ok(Some(Self { algorithm, kms_key: None })) };
        let wrong = |what: &str| Err(Wrong { is_of_key: true, what: what.to_owned() });
        if algorithm == "AES256" {
            return wrong("is given beside AES256, which has no key: write aws:kms, or leave the key out");
        }
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_graphic()) {
            return wrong(
                "is no id, ARN or alias of a KMS key: copy its ARN, or leave it out for the bucket's own key",
            );
        }
        Ok(Some(Self { algorithm, kms_key: Some(key.to_owned()) }))
    }
}

/// What is wrong with an encryption that was asked for.
#[derive(Debug)]
pub struct Wrong {
    /// Whether it is the key, and not the algorithm.
    pub is_of_key: bool,
    /// What is wrong, and what to write.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::Encryption;

    #[test]
    fn an_encryption_is_an_algorithm_and_perhaps_a_key() {
        let read =
            |algorithm, key| Encryption::parse(algorithm, key).map(|read| read.map(|it| (it.algorithm, it.kms_key)));
        assert_eq!(read(None, None).expect("none"), None);
        assert_eq!(read(Some("aes256"), None).expect("one"), Some(("AES256", None)));
        assert_eq!(read(Some("AWS:KMS"), None).expect("one"), Some(("aws:kms", None)));
        assert_eq!(read(None, Some("alias/bills")).expect("one"), Some(("aws:kms", Some("alias/bills".to_owned()))));
        assert_eq!(read(Some("aws:kms:dsse"), Some(" k ")).expect("one"), Some(("aws:kms:dsse", Some("k".to_owned()))));
        for (algorithm, key, wanted) in [
            (Some("kms"), None, "`kms`, which S3 does not know"),
            (Some(""), None, "``, which S3 does not know"),
            (Some("AES256"), Some("k"), "beside AES256"),
            (None, Some(""), "is no id, ARN or alias"),
            (None, Some("a\nb"), "is no id, ARN or alias"),
        ] {
            let error = read(algorithm, key).expect_err(wanted);
            assert!(error.what.contains(wanted), "{}", error.what);
        }
    }
}
