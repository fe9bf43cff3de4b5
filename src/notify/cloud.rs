//! Events as CloudEvents 1.0, structured JSON.

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use crate::domain::cycle::CycleSpan;
use crate::domain::notice::Notice;
use crate::domain::standing::percent;
use crate::domain::time::Timestamp;

use super::event::Event;

/// An event as CloudEvents has it. The same event gives the same bytes.
pub(super) fn event(event: &Event) -> Value {
    json!({
        "specversion": "1.0",
        "id": event.id.to_string(),
        "source": format!("/quotad/organizations/{}", encoded(&event.organization)),
        "type": event.kind().as_str(),
        "subject": event.account(),
        "time": rfc3339(event.at()),
        "datacontenttype": "application/json",
        "data": data(event),
    })
}

fn data(event: &Event) -> Map<String, Value> {
    let mut data = Map::new();
    let mut put = |key: &str, value: Value| drop(data.insert(key.to_owned(), value));
    put("organization", (*event.organization).into());
    put("account", event.account().into());
    let cycle = match &event.notice {
        Notice::Threshold {
            percent,
            used,
            limit,
            cycle,
            ..
        } => {
            put("percent", (*percent).into());
            put("used", (*used).into());
            put("limit", (*limit).into());
            Some(cycle)
        }
        Notice::Extension {
            usable,
            credits,
            by,
            cycle,
            ..
        } => {
            put("credits", (*credits).into());
            put("usable", rfc3339(*usable).into());
            put("requested_by", (**by).into());
            Some(cycle)
        }
        Notice::CycleClosed {
            cycle,
            used,
            trial_used,
            entitlement,
            rolled_over,
        } => {
            put("percent", percent(*used, Some(*entitlement)).into());
            put("used", (*used).into());
            put("limit", (*entitlement).into());
            put("trial_used", (*trial_used).into());
            put("rolled_over", (*rolled_over).into());
            Some(cycle)
        }
        Notice::Audit(_) => None,
    };
    if let Some(CycleSpan { start, end }) = cycle {
        put("cycle_start", rfc3339(*start).into());
        put("cycle_end", rfc3339(*end).into());
    }
    put("text", event.text().into());
    data
}

fn rfc3339(instant: Timestamp) -> String {
    instant
        .to_utc()
        .to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// As a segment of a URI: names may hold nearly anything.
fn encoded(name: &str) -> String {
    let mut uri = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::events;
    use super::*;

    #[test]
    fn a_threshold_as_cloud_events_has_it() {
        let events = events();
        assert_eq!(
            event(&events[0]),
            json!({
                "specversion": "1.0",
                "id": events[0].id.to_string(),
                "source": "/quotad/organizations/acme",
                "type": "dev.quotad.threshold.reached",
                "subject": "users/a+b@x.org",
                "time": "2026-09-21T14:13:20.123456789Z",
                "datacontenttype": "application/json",
                "data": {
                    "organization": "acme",
                    "account": "users/a+b@x.org",
                    "percent": 80,
                    "used": 8,
                    "limit": 10,
                    "cycle_start": "1970-01-01T00:00:00.000000007Z",
                    "cycle_end": "2262-04-11T23:47:16.854775807Z",
                    "text": "0.008 of 0.01 credits used (80%)",
                },
            })
        );
    }

    #[test]
    fn names_become_segments_of_a_uri() {
        assert_eq!(encoded("auth0|12 é/x"), "auth0%7C12%20%C3%A9%2Fx");
    }
}
