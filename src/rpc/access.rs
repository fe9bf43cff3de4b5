//! Who may do what on the management listener: bearer tokens with roles.
//!
//! Only digests of tokens are in memory, and nothing in here prints one.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Who a change is by where there are no tokens.
pub const ANONYMOUS: &str = "anonymous";

/// What a caller may do; each may do what the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Requests extensions too.
    Maker,
    /// Changes everything.
    Admin,
}

impl Role {
    /// As it is written in the tokens file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Maker => "maker",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of the token, for the audit log.
    pub who: Arc<str>,
    /// What it may do.
    pub role: Role,
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of this token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// One that was computed elsewhere.
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Debug for TokenDigest {
    /// Says nothing: who has the digest of a weak token can guess it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

/// All tokens.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<(Caller, TokenDigest)>);

impl Tokens {
    /// These; names are unique.
    pub fn new(tokens: Vec<(Caller, TokenDigest)>) -> Self {
        Self(tokens)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token this is. Looks at all of them and takes as long for each, so that the time tells nothing.
    fn find(&self, token: &[u8]) -> Option<&Caller> {
        let TokenDigest(given) = TokenDigest::of(token);
        let mut found = Choice::from(0);
        let mut place = 0_u32;
        for (index, (_, TokenDigest(known))) in (0_u32..).zip(&self.0) {
            let is_it = known.ct_eq(&given);
            place.conditional_assign(&index, is_it);
            found |= is_it;
        }
        let (caller, _) = self.0.get(place as usize)?;
        bool::from(found).then_some(caller)
    }
}

/// Why a call is refused at the door. Never says what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// Without a token where one is needed.
    #[error("a token is needed; send `authorization: Bearer TOKEN` with one of the tokens file")]
    NoToken,
    /// Not one of ours.
    #[error("the token is none of the tokens file's; ask whoever runs this sidecar for one")]
    WrongToken,
    /// There are no tokens, and the call changes something.
    #[error(
        "this sidecar has no tokens, so that nobody may change anything through it; set management.tokens_file \
         (--management-tokens-file), or on your own machine --management-open"
    )]
    NoTokens,
    /// The token's role is too low.
    #[error("{who} is {role}, and this call needs the role {needed}; use a token with that role")]
    RoleTooLow {
        /// The name of the token.
        who: Arc<str>,
        /// Its role.
        role: Role,
        /// The least role that may do it.
        needed: Role,
    },
}

/// Decides who comes in. Tokens are swapped while calls run.
#[derive(Debug)]
pub struct Access {
    tokens: ArcSwap<Tokens>,
    /// What callers without a token may do; `None`: nothing, for there are tokens.
    anonymous: Option<Role>,
}

impl Access {
    /// By tokens only.
    pub fn by_tokens(tokens: Tokens) -> Self {
        Self {
            tokens: ArcSwap::from_pointee(tokens),
            anonymous: None,
        }
    }

    /// Everybody who reaches the listener has this role. For loopback addresses.
    pub fn anonymous(role: Role) -> Self {
        Self {
            tokens: ArcSwap::default(),
            anonymous: Some(role),
        }
    }

    /// Whether whoever reaches the listener may come in without a token.
    pub fn is_anonymous(&self) -> bool {
        self.anonymous.is_some()
    }

    /// From the next call on these tokens count.
    pub fn replace(&self, tokens: Tokens) {
        self.tokens.store(Arc::new(tokens));
    }

    /// Who calls, if that one may do what needs this role.
    ///
    /// # Errors
    /// If there is no token, a wrong one, or one whose role is too low.
    pub fn admit(&self, headers: &HeaderMap, needed: Role) -> Result<Caller, Stranger> {
        let caller = match (bearer(headers)?, self.anonymous) {
            (Some(token), None) => {
                let tokens = self.tokens.load();
                tokens.find(token).cloned().ok_or(Stranger::WrongToken)?
            }
            // A token that cannot be checked is not let pass as if there were none.
            (Some(_), Some(_)) => return Err(Stranger::NoTokens),
            (None, None) => return Err(Stranger::NoToken),
            (None, Some(role)) => Caller {
                who: ANONYMOUS.into(),
                role,
            },
        };
        if caller.role >= needed {
            return Ok(caller);
        }
        if self.anonymous.is_some() {
            return Err(Stranger::NoTokens);
        }
        let Caller { who, role } = caller;
        Err(Stranger::RoleTooLow { who, role, needed })
    }
}

/// The token that was sent, if any.
fn bearer(headers: &HeaderMap) -> Result<Option<&[u8]>, Stranger> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = sent.next() else {
        return Ok(None);
    };
    if sent.next().is_some() {
        return Err(Stranger::WrongToken);
    }
    let value = value.as_bytes();
    let token = value
        .split_at_checked(7)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map(|(_, token)| token.trim_ascii())
        .filter(|token| !token.is_empty());
    token.map(Some).ok_or(Stranger::NoToken)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const OPS: &str = "0123456789abcdef-ops";
    const EYE: &str = "0123456789abcdef-eye";

    fn access() -> Access {
        let token = |who: &str, role, token: &str| {
            let who = who.into();
            (Caller { who, role }, TokenDigest::of(token.as_bytes()))
        };
        Access::by_tokens(Tokens::new(vec![
            token("eye", Role::Viewer, EYE),
            token("bot", Role::Maker, "0123456789abcdef-bot"),
            token("ops", Role::Admin, OPS),
        ]))
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn a_token_says_who_and_what_may_be_done() {
        let access = access();
        for (header, needed, expected) in [
            (format!("Bearer {OPS}"), Role::Admin, Ok("ops")),
            (format!("bearer  {OPS} "), Role::Viewer, Ok("ops")),
            (format!("Bearer {EYE}"), Role::Viewer, Ok("eye")),
            (
                format!("Bearer {OPS}x"),
                Role::Viewer,
                Err(Stranger::WrongToken),
            ),
            (format!("Basic {OPS}"), Role::Viewer, Err(Stranger::NoToken)),
            (OPS.to_owned(), Role::Viewer, Err(Stranger::NoToken)),
            ("Bearer ".to_owned(), Role::Viewer, Err(Stranger::NoToken)),
        ] {
            let seen = access.admit(&headers(&header), needed);
            let seen = seen
                .as_ref()
                .map(|caller| &*caller.who)
                .map_err(Clone::clone);
            assert_eq!(seen, expected);
        }
        let none = access.admit(&HeaderMap::new(), Role::Viewer);
        assert_eq!(none, Err(Stranger::NoToken));
        let low = access.admit(&headers(&format!("Bearer {EYE}")), Role::Maker);
        assert!(matches!(low, Err(Stranger::RoleTooLow { .. })), "{low:?}");
    }

    #[test]
    fn two_tokens_at_once_are_none() {
        let mut both = headers(&format!("Bearer {OPS}"));
        both.append(AUTHORIZATION, format!("Bearer {EYE}").parse().unwrap());
        assert_eq!(
            access().admit(&both, Role::Viewer),
            Err(Stranger::WrongToken)
        );
    }

    #[test]
    fn without_tokens_everybody_reads_and_nobody_changes_unless_it_is_open() {
        let nobody = HeaderMap::new();
        let closed = Access::anonymous(Role::Viewer);
        assert_eq!(
            &*closed.admit(&nobody, Role::Viewer).unwrap().who,
            ANONYMOUS
        );
        for needed in [Role::Maker, Role::Admin] {
            assert_eq!(closed.admit(&nobody, needed), Err(Stranger::NoTokens));
        }
        let open = Access::anonymous(Role::Admin);
        assert_eq!(open.admit(&nobody, Role::Admin).unwrap().role, Role::Admin);
        let guess = headers(&format!("Bearer {OPS}"));
        assert_eq!(open.admit(&guess, Role::Viewer), Err(Stranger::NoTokens));
        assert_eq!(
            Access::by_tokens(Tokens::default()).admit(&guess, Role::Viewer),
            Err(Stranger::WrongToken)
        );
    }

    #[test]
    fn replaced_tokens_count_at_once() {
        let access = access();
        let old = headers(&format!("Bearer {OPS}"));
        access.admit(&old, Role::Admin).unwrap();
        access.replace(Tokens::default());
        assert_eq!(access.admit(&old, Role::Viewer), Err(Stranger::WrongToken));
    }

    #[test]
    fn nothing_prints_a_token_or_its_digest() {
        let access = access();
        let digest: [u8; 32] = Sha256::digest(OPS.as_bytes()).into();
        let printed = format!(
            "{access:?} {access:#?} {:?}",
            access.admit(&headers("Bearer x"), Role::Admin)
        );
        assert!(!printed.contains("0123456789abcdef"));
        assert!(!printed.contains(&format!("{:?}", &digest[..4]).replace(['[', ']'], "")));
    }
}
