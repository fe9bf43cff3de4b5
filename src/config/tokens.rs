//! `tokens.yaml`: who may administer this sidecar. What stands in it is never shown, neither in errors nor in logs.

use std::collections::BTreeSet;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::domain::names::Name;
use crate::rpc::access::{Caller, Role, TokenDigest, Tokens};

use super::error::ConfigError;
use super::variables::Variables;
use super::{plan_file, yaml};

/// The least length of a token, in bytes: 128 bits, if it is random.
pub const TOKEN_BYTES_LEAST: usize = 16;

/// Tokens at most: each call is compared with all of them.
pub const TOKENS_MAX: usize = 1_000;

/// The file as it is typed. Has no `Debug`, for it holds secrets.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawTokens {
    /// The tokens, 1 to 1,000.
    tokens: Vec<RawToken>,
}

/// A token: who it is, what they may do, and how it is recognized. One of the keys `token` and `sha256`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawToken {
    /// Who: stands in the audit.
    name: String,
    /// `viewer` reads, `maker` also requests extensions, `admin` changes.
    #[schemars(extend("enum" = ["viewer", "maker", "admin"]))]
    role: String,
    /// The token itself, at least 16 bytes; better `sha256`, or `${VAR}`.
    token: Option<String>,
    /// The SHA-256 of the token, as 64 hexadecimal digits.
    sha256: Option<String>,
}

/// The JSON Schema of the file.
pub(super) fn schema(generator: SchemaGenerator) -> Schema {
    generator.into_root_schema_for::<RawTokens>()
}

/// The text of a tokens file.
///
/// # Errors
/// If it cannot be read.
pub fn read_text(path: &Path) -> Result<String, ConfigError> {
    plan_file::read_text(path)
}

/// Reads the text of a tokens file; `${VAR}` in values stands for this process's environment.
///
/// # Errors
/// With the place, but never with what stands there.
pub fn parse(text: &str, file_name: &str) -> Result<Tokens, ConfigError> {
    parse_with(text, file_name, &Variables::of_process())
}

/// The same; `${VAR}` stands for what `variables` say.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(
    text: &str,
    file_name: &str,
    variables: &Variables,
) -> Result<Tokens, ConfigError> {
    let raw: RawTokens = yaml::read(text, file_name, variables, |_| None)
        .map_err(|error| hidden(file_name, &error))?;
    checked(raw).map_err(|problem| ConfigError::of_file(file_name, problem))
}

/// The same places; of the messages only those that can hold nothing of the file but names of keys and variables.
fn hidden(file_name: &str, error: &ConfigError) -> ConfigError {
    const HARMLESS: [&str; 2] = ["the environment variable ", "the file is empty"];
    let problems = error.problems().iter().map(|problem| {
        let message = &problem.message;
        let is_harmless = HARMLESS.iter().any(|start| message.starts_with(start))
            || message.ends_with("is missing here; add it");
        let message = if is_harmless {
            message.clone()
        } else {
            "this cannot be read (what stands here is not shown, for it may be secret); write tokens: [{name: ops, role: \
             admin, token: \"...\"}], with `sha256` in place of `token` if you like"
                .to_owned()
        };
        (problem.position, message)
    });
    ConfigError::without_text(file_name, problems)
}

fn checked(raw: RawTokens) -> Result<Tokens, String> {
    match raw.tokens.len() {
        0 => return Err("tokens: is empty; add a token, or do without the file".to_owned()),
        1..=TOKENS_MAX => {}
        count => {
            return Err(format!(
                "tokens: has {count} items; keep at most {TOKENS_MAX}"
            ));
        }
    }
    let (mut names, mut digests) = (BTreeSet::new(), Vec::new());
    let mut tokens = Vec::new();
    for (index, raw) in raw.tokens.iter().enumerate() {
        let at = |key: &str, problem: &str| format!("tokens[{index}].{key}: {problem}");
        let name = Name::parse(&raw.name).map_err(|_| {
            at(
                "name",
                "is no name; write 1 to 128 bytes without control characters or surrounding blanks",
            )
        })?;
        if !names.insert(name.as_str()) {
            return Err(at(
                "name",
                "stands above too; give each token a name of its own",
            ));
        }
        let role =
            role(&raw.role).ok_or_else(|| at("role", "is none; write viewer, maker or admin"))?;
        let digest = match (&raw.token, &raw.sha256) {
            (Some(token), None) => of_token(token).map_err(|problem| at("token", problem))?,
            (None, Some(hex)) => of_hex(hex).ok_or_else(|| {
                at(
                    "sha256",
                    "is no SHA-256; write the 64 hex digits of the token's",
                )
            })?,
            _ => return Err(at("token", "write either `token` or `sha256`")),
        };
        if digests.contains(&digest) {
            return Err(at(
                "token",
                "is the same as one above; make a new one for each",
            ));
        }
        digests.push(digest);
        let who = name.as_str().into();
        tokens.push((Caller { who, role }, digest));
    }
    Ok(Tokens::new(tokens))
}

fn role(text: &str) -> Option<Role> {
    [Role::Viewer, Role::Maker, Role::Admin]
        .into_iter()
        .find(|role| role.as_str() == text)
}

fn of_token(token: &str) -> Result<TokenDigest, &'static str> {
    if token.len() < TOKEN_BYTES_LEAST {
        return Err("is shorter than 16 bytes; make one with `openssl rand -hex 32`");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "holds what no header can carry; write ASCII letters, digits and signs without blanks",
        );
    }
    Ok(TokenDigest::of(token.as_bytes()))
}

fn of_hex(hex: &str) -> Option<TokenDigest> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|it| u8::try_from(it).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    (digits.len() == 64).then_some(())?;
    bytes.try_into().ok().map(TokenDigest::from_bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::AUTHORIZATION;

    use crate::rpc::access::Access;

    const SECRET: &str = "s3cret-s3cret-s3cret";

    fn parse(text: &str) -> Result<Tokens, ConfigError> {
        let variables = [("OPS_TOKEN".to_owned(), SECRET.to_owned())];
        parse_with(text, "tokens.yaml", &variables.into_iter().collect())
    }

    fn bearer(token: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
    }

    #[test]
    fn a_token_is_plain_a_variable_or_a_digest() {
        let digest = "ef92b778bafe771e89245b89ecbc08a44a4e166c06659911881f383d4473e94f";
        let text = format!(
            "tokens:\n- {{name: ops, role: admin, token: \"${{OPS_TOKEN}}\"}}\n- {{name: eye, role: viewer, token: \
             0123456789abcdef}}\n- {{name: bot, role: maker, sha256: {digest}}}\n"
        );
        let access = Access::by_tokens(parse(&text).unwrap());
        for (token, who, role) in [
            (SECRET, "ops", Role::Admin),
            ("0123456789abcdef", "eye", Role::Viewer),
            ("password123", "bot", Role::Maker),
        ] {
            let caller = access.admit(&bearer(token), Role::Viewer).unwrap();
            assert_eq!((&*caller.who, caller.role), (who, role));
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place_and_never_shown() {
        for (text, expected) in [
            ("", "tokens.yaml: the file is empty"),
            ("tokens: []", "tokens.yaml: tokens: is empty"),
            (
                "tokens: [{name: ops, role: root, token: s3cret-s3cret-s3cret}]",
                "tokens.yaml: tokens[0].role: is none",
            ),
            (
                "tokens: [{name: ops, role: admin, token: s3cret}]",
                "tokens.yaml: tokens[0].token: is shorter than 16 bytes",
            ),
            (
                "tokens: [{name: ops, role: admin, token: s3cret-s3cret-s3crét}]",
                "tokens.yaml: tokens[0].token: holds what no header",
            ),
            (
                "tokens: [{name: ops, role: admin, sha256: s3cret-s3cret-s3cret}]",
                "tokens.yaml: tokens[0].sha256: is no SHA-256",
            ),
            (
                "tokens: [{name: ops, role: admin}]",
                "tokens.yaml: tokens[0].token: write either",
            ),
            (
                "tokens: [{name: ops, role: admin, token: s3cret-s3cret-s3cret}, {name: ops, role: admin, token: \
                 s3cret-s3cret-s3cret2}]",
                "tokens.yaml: tokens[1].name: stands above",
            ),
            (
                "tokens: [{name: ops, role: admin, token: s3cret-s3cret-s3cret}, {name: bot, role: admin, token: \
                 s3cret-s3cret-s3cret}]",
                "tokens.yaml: tokens[1].token: is the same",
            ),
            (
                "tokens: [{name: ops, role: admin, token: [s3cret-s3cret-s3cret]}]",
                "tokens.yaml:1:",
            ),
            ("tokens: {s3cret-s3cret-s3cret: 1}", "tokens.yaml:1:"),
            (
                "s3cret-s3cret-s3cret",
                "tokens.yaml:1:1: this cannot be read",
            ),
            (
                "tokens: [{name: ops, token: s3cret-s3cret-s3cret}]",
                "tokens.yaml:1:",
            ),
            (
                "tokens: [{name: ops, role: admin, token: \"${s3cret-s3cret}\"}]",
                "tokens.yaml:1:",
            ),
            (
                "tokens: [{name: ops, role: admin, token: \"${NO_SUCH}\"}]",
                "tokens.yaml:1:42: the environment variable NO_SUCH is not set",
            ),
        ] {
            let shown = parse(text).unwrap_err().to_string();
            assert!(shown.starts_with(expected), "{text:?} gives {shown:?}");
            assert!(!shown.contains("s3c"), "{text:?} gives {shown:?}");
        }
    }
}
