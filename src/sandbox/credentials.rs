//! Who asks AWS: a user of the company, or a role with the temporary credentials that the token service gave.
//!
//! Nothing is kept of a role: its access key id holds the account, its session token everything else. Neither is secret
//! here, and no signature is verified.

use chrono::{DateTime, Utc};

use super::catalog::COMPANY;
use super::dice::{hex, mix, of_text};
use super::organisations::Payer;

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// It is not signed.
    Nobody,
    /// Keys that are not the token service's: those of a user of the company.
    User,
    Role(Role),
}

/// A role that was assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) account: Payer,
    pub(super) name: String,
    pub(super) session: String,
}

/// What is wrong with temporary credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    Invalid,
    Expired,
}

/// Around the account in an access key id, which is 20 characters long.
const KEY_BEGIN: &str = "ASIA";
const KEY_END: &str = "LAKE";

impl Caller {
    /// The caller by the headers `Authorization` and `X-Amz-Security-Token`.
    pub(super) fn of(authorization: &str, token: &str, now: DateTime<Utc>) -> Result<Self, Unusable> {
        let Some(signature) = authorization.strip_prefix("AWS4-HMAC-SHA256") else { return Ok(Self::Nobody) };
        let credential = signature.trim_start().strip_prefix("Credential=").unwrap_or_default();
        let access_key_id = credential.split('/').next().unwrap_or_default();
        let account = access_key_id.strip_prefix(KEY_BEGIN).and_then(|rest| rest.strip_suffix(KEY_END));
        let Some(account) = account.and_then(Payer::of_account) else { return Ok(Self::User) };
        let (role, expires) = Role::of_token(token).ok_or(Unusable::Invalid)?;
        match (role.account == account, now < expires) {
            (false, _) => Err(Unusable::Invalid),
            (true, false) => Err(Unusable::Expired),
            (true, true) => Ok(Self::Role(role)),
        }
    }

    /// The account of the caller.
    pub(super) fn account(&self) -> &str {
        if let Self::Role(role) = self { role.account.id() } else { COMPANY }
    }

    pub(super) fn arn(&self) -> String {
        match self {
            Self::Role(role) => role.arn(),
            Self::Nobody | Self::User => format!("arn:aws:iam::{COMPANY}:user/sandbox"),
        }
    }

    /// The id that goes with the ARN.
    pub(super) fn id(&self) -> String {
        if let Self::Role(role) = self { role.id() } else { "AIDASANDBOXSANDBOX42".to_owned() }
    }
}

impl Role {
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{}", self.account.id(), self.name, self.session)
    }

    pub(super) fn id(&self) -> String {
        let hash = mix(&[of_text(self.account.id()), of_text(&self.name)]);
        format!("AROA{}:{}", hex(hash, 16).to_uppercase(), self.session)
    }

    pub(super) fn access_key_id(&self) -> String {
        format!("{KEY_BEGIN}{}{KEY_END}", self.account.id())
    }

    pub(super) fn secret_access_key(&self) -> String {
        let hash = mix(&[of_text(&self.arn()), 93]);
        format!("{}{}", hex(hash, 32), hex(mix(&[hash]), 8))
    }

    pub(super) fn session_token(&self, expires: DateTime<Utc>) -> String {
        format!("sandbox/{}/{}/{}/{}", self.account.id(), self.name, self.session, expires.timestamp())
    }

    /// The role of a session token, and when it expires.
    fn of_token(token: &str) -> Option<(Self, DateTime<Utc>)> {
        let mut parts = token.strip_prefix("sandbox/")?.split('/');
        let account = Payer::of_account(parts.next()?)?;
        let (name, session) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let expires = DateTime::from_timestamp(parts.next()?.parse().ok()?, 0)?;
        parts.next().is_none().then_some((Self { account, name, session }, expires))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{Caller, Role, Unusable};
    use crate::sandbox::organisations::Payer;
    use crate::sandbox::reader::{NOW, at};

    fn signed(access_key_id: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={access_key_id}/20261121/us-east-1/ce/aws4_request, SignedHeaders=host")
    }

    #[test]
    fn temporary_credentials_lead_back_to_their_role() {
        let account = Payer::of_account("000033334444").unwrap();
        let role = Role { account, name: "costs".to_owned(), session: "night".to_owned() };
        let (key, token) = (signed(&role.access_key_id()), role.session_token(at(NOW)));
        let of = |token: &str, now: &str| Caller::of(&key, token, at(now));
        assert_eq!(role.access_key_id().len(), 20);
        assert_eq!(of(&token, "2026-11-21T03:59:59Z"), Ok(Caller::Role(role.clone())));
        assert_eq!(of(&token, NOW), Err(Unusable::Expired));
        for token in ["", "x", &token.replace("000033334444", "000033334445"), &format!("{token}/"), "sandbox/1/2/3/4"]
        {
            assert_eq!(of(token, "2026-11-21T03:00:00Z"), Err(Unusable::Invalid), "{token}");
        }
    }

    #[test]
    fn all_other_keys_are_the_companys() {
        for key in ["AK", "ASIAIOSFODNN7EXAMPLE", "ASIA12345678901LAKE", "AKIA222233334444LAKE"] {
            let caller = Caller::of(&signed(key), "a token", at(NOW)).unwrap();
            assert_eq!((caller.account(), &caller), ("000123456789", &Caller::User), "{key}");
        }
        assert_eq!(Caller::of("AWS4-HMAC-SHA256 test", "", at(NOW)), Ok(Caller::User));
        assert_eq!(Caller::of("Bearer x", "", at(NOW)), Ok(Caller::Nobody));
    }
}
