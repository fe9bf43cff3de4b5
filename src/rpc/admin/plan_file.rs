//! The plan in force as a plan file, in words that are always the same.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::domain::plan::{Entry, OrganizationPlan, Part, Plan, Setting, text};

/// The whole plan as YAML that a plan file may hold: what differs from the defaults.
pub(crate) fn text_of(plan: &Plan) -> String {
    let mut file = String::from("organizations:\n");
    for (name, organization) in &plan.organizations {
        add_organization(&mut file, plan, name, organization);
    }
    add_mapping(
        &mut file,
        0,
        "rate_card",
        plan.rate_card
            .operations
            .keys()
            .map(|name| (&**name, text(plan, &Entry::Rate(name.clone())))),
    );
    let add_on = text(plan, &Entry::AddOnCredits);
    let licenses: Vec<_> = plan
        .catalogue
        .licenses
        .keys()
        .filter_map(|name| Some((&**name, text(plan, &Entry::License(name.clone()))?)))
        .collect();
    if add_on.is_some() || !licenses.is_empty() {
        file.push_str("catalogue:\n");
        if let Some(credits) = add_on {
            line(&mut file, 1, "add_on_credits", &credits);
        }
        let licenses = licenses.into_iter().map(|(name, it)| (name, Some(it)));
        add_mapping(&mut file, 1, "licenses", licenses);
    }
    file
}

/// Names the text of a plan: 16 hexadecimal digits.
pub(super) fn etag_of(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn add_organization(file: &mut String, plan: &Plan, name: &str, organization: &OrganizationPlan) {
    let says = |part| text(plan, &Entry::Organization(name.into(), part));
    let begun = file.len();
    for setting in Setting::ALL {
        if let Some(value) = says(Part::Setting(setting)) {
            line(file, 2, setting.key(), &value);
        }
    }
    if let Some(grants) = says(Part::Grants) {
        line(file, 2, "grants", &grants);
    }
    let environments = organization.environments.keys();
    let environments = environments.map(|it| (&**it, says(Part::Environment(it.clone()))));
    add_mapping(file, 2, "environments", environments);
    let users = organization.users.keys();
    add_mapping(
        file,
        2,
        "users",
        users.map(|it| (&**it, says(Part::User(it.clone())))),
    );
    let body = file.split_off(begun);
    if body.is_empty() {
        line(file, 1, &key(name), "{}");
    } else {
        let _ = writeln!(file, "  {}:", key(name));
        file.push_str(&body);
    }
}

/// A key with entries by name; nothing if there are none.
fn add_mapping<'a>(
    file: &mut String,
    depth: usize,
    name: &str,
    entries: impl Iterator<Item = (&'a str, Option<String>)>,
) {
    let mut is_first = true;
    for (entry, says) in entries {
        if std::mem::replace(&mut is_first, false) {
            let _ = writeln!(file, "{:indent$}{name}:", "", indent = 2 * depth);
        }
        line(
            file,
            depth + 1,
            &key(entry),
            says.as_deref().unwrap_or("{}"),
        );
    }
}

fn line(file: &mut String, depth: usize, key: &str, value: &str) {
    let _ = writeln!(file, "{:indent$}{key}: {value}", "", indent = 2 * depth);
}

/// A name as a key: always in quotes, as JSON has them, which YAML reads.
fn key(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}
