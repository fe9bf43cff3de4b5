//! A grant on the command line: the keys of the plan file, `kind=contract,credits=10000`.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::config::units;
use crate::rpc::pb;

/// A grant as it is typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GrantText(pub(super) pb::Grant);

impl FromStr for GrantText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut keys = BTreeMap::new();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                format!(
                    "{part:?} is no key with a value; write it like kind=contract,credits=10000"
                )
            })?;
            if keys.insert(key.trim(), value.trim()).is_some() {
                return Err(format!("the key {key:?} stands here twice; keep one"));
            }
        }
        let kind = keys
            .remove("kind")
            .ok_or("the key kind is missing; write kind=contract, kind=add_on or kind=license")?;
        let kind = match kind {
            "contract" => pb::grant::Kind::Contract(pb::Contract {
                credits: number(&mut keys, "credits")?.ok_or("a contract needs credits=N")?,
                rollover: small(&mut keys, "rollover")?,
            }),
            "add_on" | "add-on" => pb::grant::Kind::AddOn(pb::AddOn {
                count: number(&mut keys, "count")?.ok_or("an add-on needs count=N")?,
            }),
            "license" => pb::grant::Kind::License(pb::License {
                license: keys
                    .remove("license")
                    .ok_or("a licence needs license=NAME, as the catalogue names it")?
                    .to_owned(),
                count: number(&mut keys, "count")?.ok_or("a licence needs count=N")?,
                purchased: day(&mut keys, "purchased")?,
            }),
            other => {
                return Err(format!(
                    "{other:?} is no kind of grant; write contract, add_on or license"
                ));
            }
        };
        let grant = pb::Grant {
            kind: Some(kind),
            valid_from: day(&mut keys, "valid_from")?,
            valid_until: day(&mut keys, "valid_until")?,
        };
        match keys.keys().next() {
            None => Ok(Self(grant)),
            Some(key) => Err(format!(
                "the key {key:?} does not belong to this kind of grant"
            )),
        }
    }
}

fn number(keys: &mut BTreeMap<&str, &str>, key: &str) -> Result<Option<u64>, String> {
    let number = keys.remove(key).map(units::whole).transpose();
    number.map_err(|problem| format!("{key}: {problem}"))
}

fn small(keys: &mut BTreeMap<&str, &str>, key: &str) -> Result<u32, String> {
    let number = number(keys, key)?.unwrap_or(0);
    u32::try_from(number).map_err(|_| format!("{key}: {number} is too large"))
}

fn day(keys: &mut BTreeMap<&str, &str>, key: &str) -> Result<String, String> {
    let Some(text) = keys.remove(key) else {
        return Ok(String::new());
    };
    units::date(text).map_err(|problem| format!("{key}: {problem}"))?;
    Ok(text.to_owned())
}

/// The same as it is printed, and read again.
pub(super) fn text(grant: &pb::Grant) -> String {
    let mut text = match &grant.kind {
        None => "kind=".to_owned(),
        Some(pb::grant::Kind::Contract(it)) if it.rollover > 1 => format!(
            "kind=contract,credits={},rollover={}",
            it.credits, it.rollover
        ),
        Some(pb::grant::Kind::Contract(it)) => format!("kind=contract,credits={}", it.credits),
        Some(pb::grant::Kind::AddOn(it)) => format!("kind=add_on,count={}", it.count),
        Some(pb::grant::Kind::License(it)) => {
            format!("kind=license,license={},count={}", it.license, it.count)
        }
    };
    let purchased = match &grant.kind {
        Some(pb::grant::Kind::License(it)) => it.purchased.as_str(),
        _ => "",
    };
    for (key, value) in [
        ("purchased", purchased),
        ("valid_from", &grant.valid_from),
        ("valid_until", &grant.valid_until),
    ] {
        if !value.is_empty() {
            text.push_str(&format!(",{key}={value}"));
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_printed_as_they_are_typed() {
        for typed in [
            "kind=contract,credits=10000",
            "kind=contract,credits=10000,rollover=2,valid_from=2026-01-01",
            "kind=add_on,count=3,valid_until=2026-12-31",
            "kind=license,license=power-automate-premium,count=5,purchased=2025-12-20",
        ] {
            assert_eq!(text(&typed.parse::<GrantText>().unwrap().0), typed);
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (typed, part) in [
            ("", "no key with a value"),
            ("credits=1", "kind is missing"),
            ("kind=gift,credits=1", "no kind of grant"),
            ("kind=contract", "needs credits"),
            ("kind=contract,credits=x", "credits: "),
            ("kind=contract,credits=1,credits=2", "twice"),
            (
                "kind=contract,credits=1,count=2",
                "\"count\" does not belong",
            ),
            ("kind=add_on,count=1,valid_from=1.2.2026", "valid_from: "),
            ("kind=license,count=1", "needs license"),
            ("kind=contract,credits=1,rollover=4294967296", "too large"),
        ] {
            let problem = typed.parse::<GrantText>().unwrap_err();
            assert!(problem.contains(part), "{typed:?}: {problem}");
        }
    }
}
