//! A whole plan as a plan file: what a person would write, and what reads as the same plan.

use std::fmt::Write;

use super::text::{Scalar, grant_text};
use super::{Catalogue, Entry, OrganizationPlan, Plan, Setting, text};

/// A plan as the text of a plan file (YAML), with everything that does not hold anyway, whoever owns it.
///
/// Reads as the same plan, unless a licence that is built in was taken out of its catalogue or has lost its cap.
pub fn file_text(plan: &Plan) -> String {
    let mut out = String::new();
    if !plan.organizations.is_empty() {
        line(&mut out, 0, "organizations", None);
    }
    for (name, organization) in &plan.organizations {
        put_organization(&mut out, plan, name, organization);
    }
    let operations = plan.rate_card.operations.keys();
    let rates = operations.map(|name| (&**name, Entry::Rate(name.clone())));
    put_named(&mut out, plan, 0, "rate_card", rates);
    put_catalogue(&mut out, plan);
    out
}

fn put_organization(out: &mut String, plan: &Plan, name: &str, organization: &OrganizationPlan) {
    if organization.is_bare() {
        return line(out, 1, &Scalar(name).to_string(), Some("{}"));
    }
    line(out, 1, &Scalar(name).to_string(), None);
    for setting in Setting::ALL {
        let says = text(plan, &Entry::setting(name, setting));
        if let Some(says) = says {
            line(out, 2, setting.key(), Some(&says));
        }
    }
    if !organization.grants.is_empty() {
        line(out, 2, "grants", None);
    }
    for grant in &organization.grants {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "      - {}", grant_text(grant));
    }
    let environments = organization.environments.keys();
    let environments = environments.map(|it| (&**it, Entry::environment(name, it)));
    put_named(out, plan, 2, "environments", environments);
    let users = organization.users.keys();
    let users = users.map(|it| (&**it, Entry::user(name, it)));
    put_named(out, plan, 2, "users", users);
}

fn put_catalogue(out: &mut String, plan: &Plan) {
    if *plan.catalogue == Catalogue::default() {
        return;
    }
    line(out, 0, "catalogue", None);
    if let Some(says) = text(plan, &Entry::AddOnCredits) {
        line(out, 1, "add_on_credits", Some(&says));
    }
    let licenses = plan.catalogue.licenses.keys();
    let licenses = licenses.map(|name| (&**name, Entry::License(name.clone())));
    put_named(out, plan, 1, "licenses", licenses);
}

/// Entries by name under a key, unless none of them says anything.
fn put_named<'a>(
    out: &mut String,
    plan: &Plan,
    depth: usize,
    key: &str,
    entries: impl Iterator<Item = (&'a str, Entry)>,
) {
    let mut is_first = true;
    for (name, entry) in entries {
        let Some(says) = text(plan, &entry) else {
            continue;
        };
        if std::mem::take(&mut is_first) {
            line(out, depth, key, None);
        }
        line(out, depth + 1, &Scalar(name).to_string(), Some(&says));
    }
}

fn line(out: &mut String, depth: usize, key: &str, says: Option<&str>) {
    let indent = 2 * depth;
    // Writing to a string cannot fail.
    let _ = match says {
        Some(says) => writeln!(out, "{:indent$}{key}: {says}", ""),
        None => writeln!(out, "{:indent$}{key}:", ""),
    };
}
