//! One rule each: what an edit does, and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::domain::plan::{GrantKind, Owned, text};

const ANA: &str = "{limit: 1000, type: hard}";

fn user(limit: u64) -> UserPlan {
    UserPlan {
        limit: Credits::saturating(limit),
        kind: LimitKind::Hard,
        thresholds: None,
    }
}

/// Acme with ana (1,000), whom nobody owns, and bo (2,000), whom the file owns.
fn plan() -> Plan {
    let mut organization = OrganizationPlan::default();
    organization.users.insert("ana".into(), user(1_000));
    organization.users.insert("bo".into(), user(2_000));
    let mut plan = Plan::default();
    plan.organizations
        .insert("acme".into(), Arc::new(organization));
    let owned: Owned = [
        Entry::user("acme", "bo"),
        Entry::setting("acme", Setting::Scale),
    ]
    .into_iter()
    .collect();
    plan.owned = Arc::new(owned);
    plan
}

fn says(plan: &Plan, entry: &Entry) -> String {
    text(plan, entry).unwrap_or_default()
}

#[test]
fn what_the_file_owns_is_refused_by_name_and_the_rest_is_changed() {
    let plan = plan();
    let (ana, bo) = (Entry::user("acme", "ana"), Entry::user("acme", "bo"));
    assert_eq!(
        set_user(&plan, "acme", "bo", user(1), None),
        Err(EditError::Owned(vec![bo.clone()]))
    );
    assert_eq!(
        remove_user(&plan, "acme", "bo", None),
        Err(EditError::Owned(vec![bo.clone()]))
    );
    assert_eq!(
        delete_organization(&plan, "acme", None),
        Err(EditError::Owned(vec![Entry::organization("acme")]))
    );
    let refused = assign_equal(
        &plan,
        "acme",
        &["ana", "bo"],
        Credits::ZERO,
        LimitKind::Soft,
    );
    let refused = refused.unwrap_err();
    assert_eq!(refused, EditError::Owned(vec![bo]));
    assert_eq!(
        refused.to_string(),
        "the plan file owns organizations.acme.users.bo; change it there, or take it out of the file first"
    );
    let changed = set_user(&plan, "acme", "ana", user(7), None).unwrap();
    assert_eq!(says(&changed, &ana), "{limit: 7, type: hard}");
    let changed = remove_user(&plan, "acme", "ana", None).unwrap();
    assert_eq!(says(&changed, &ana), "");
}

#[test]
fn an_owned_setting_may_be_sent_along_as_it_is() {
    let plan = plan();
    let mut settings = Settings {
        display_name: Some("Acme".to_owned()),
        scale: Some(1),
        ..Settings::default()
    };
    let changed = set_settings(&plan, "acme", &settings, None).unwrap();
    assert_eq!(changed.organizations["acme"].display_name, "Acme");
    settings.scale = Some(10);
    assert_eq!(
        set_settings(&plan, "acme", &settings, None),
        Err(EditError::Owned(vec![Entry::setting(
            "acme",
            Setting::Scale
        )]))
    );
}

#[test]
fn a_change_is_based_on_what_was_read() {
    let plan = plan();
    let ana = Entry::user("acme", "ana");
    let read = etag(&plan, &ana);
    let changed = set_user(&plan, "acme", "ana", user(7), Some(&read)).unwrap();
    let found = etag(&changed, &ana);
    let expected = read.clone();
    assert_eq!(
        set_user(&changed, "acme", "ana", user(8), Some(&read)),
        Err(EditError::Stale {
            entry: ana,
            expected,
            found
        })
    );
    let read = settings_etag(&plan, "acme");
    let settings = Settings {
        seats: Some(5),
        ..Settings::default()
    };
    let changed = set_settings(&plan, "acme", &settings, Some(&read)).unwrap();
    let again = set_settings(&changed, "acme", &settings, Some(&read));
    assert!(matches!(again, Err(EditError::Stale { .. })));
    // Somebody else's change of a user does not concern the settings.
    let other = set_user(&plan, "acme", "ana", user(7), None).unwrap();
    assert_eq!(settings_etag(&other, "acme"), read);
}

#[test]
fn what_is_not_there_is_not_found() {
    let plan = plan();
    let nobody = Entry::organization("nobody");
    let not_found = |entry: &Entry| Err(EditError::NotFound(entry.clone()));
    assert_eq!(
        set_user(&plan, "nobody", "ana", user(1), None),
        not_found(&nobody)
    );
    assert_eq!(
        set_grants(&plan, "nobody", Vec::new(), None),
        not_found(&nobody)
    );
    assert_eq!(
        delete_organization(&plan, "nobody", None),
        not_found(&nobody)
    );
    let zoe = Entry::user("acme", "zoe");
    assert_eq!(remove_user(&plan, "acme", "zoe", None), not_found(&zoe));
    let dev = Entry::environment("acme", "dev");
    assert_eq!(
        delete_environment(&plan, "acme", "dev", None),
        not_found(&dev)
    );
    let chat = Entry::Rate("chat".into());
    assert_eq!(delete_rate(&plan, "chat", None), not_found(&chat));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_path() {
    let plan = plan();
    let path = |refused: Result<Plan, EditError>| match refused {
        Err(EditError::Invalid(errors)) => errors[0].path.clone(),
        other => format!("{other:?}"),
    };
    let settings = Settings {
        thresholds: Some(Thresholds(vec![100, 80])),
        ..Settings::default()
    };
    let refused = set_settings(&plan, "acme", &settings, None);
    assert_eq!(path(refused), "organizations.acme.thresholds");
    let grant = Grant {
        kind: GrantKind::License {
            license: "none".into(),
            count: 1,
            purchased: None,
        },
        valid_from: None,
        valid_until: None,
    };
    let refused = set_grants(&plan, "acme", vec![grant], None);
    assert_eq!(path(refused), "organizations.acme.grants.0.license");
    let refused = set_user(&plan, "acme", " x", user(1), None);
    assert_eq!(path(refused), "organizations.acme.users. x");
    let equal = |users: &[&str]| {
        path(assign_equal(
            &plan,
            "acme",
            users,
            Credits::ZERO,
            LimitKind::Hard,
        ))
    };
    assert_eq!(equal(&[]), "users");
    assert_eq!(equal(&["ana", "zoe", "ana"]), "users.2");
    let mut only = plan.clone();
    only.owned = Arc::default();
    assert_eq!(
        path(delete_organization(&only, "acme", None)),
        "organizations"
    );
}

#[test]
fn equal_limits_keep_each_users_own_thresholds() {
    let mut plan = plan();
    plan.owned = Arc::default();
    let organization = Arc::make_mut(plan.organizations.get_mut("acme").unwrap());
    organization.users.get_mut("bo").unwrap().thresholds = Some(Thresholds(vec![50]));
    let users = ["bo", "zoe"];
    let changed = assign_equal(
        &plan,
        "acme",
        &users,
        Credits::saturating(3),
        LimitKind::Soft,
    );
    let changed = changed.unwrap();
    for (user, text) in [
        ("ana", ANA),
        ("bo", "{limit: 3, type: soft, thresholds: [50]}"),
        ("zoe", "{limit: 3, type: soft}"),
    ] {
        assert_eq!(says(&changed, &Entry::user("acme", user)), text);
    }
}

#[test]
fn a_whole_plan_replaces_what_the_file_does_not_own() {
    let plan = plan();
    let mut wanted = Plan::default();
    let mut organization = OrganizationPlan::default();
    organization.users.insert("cy".into(), user(3));
    wanted
        .organizations
        .insert("acme".into(), Arc::new(organization));
    let changed = replace(&plan, &wanted).unwrap();
    for (name, text) in [
        ("ana", ""),
        ("bo", "{limit: 2000, type: hard}"),
        ("cy", "{limit: 3, type: hard}"),
    ] {
        assert_eq!(says(&changed, &Entry::user("acme", name)), text);
    }
    assert_eq!(changed.owned, plan.owned);
    // The same again, with the file's own words, changes nothing.
    assert_eq!(replace(&changed, &changed).as_ref(), Ok(&changed));
    let organization = wanted.organizations.get_mut("acme").unwrap();
    Arc::make_mut(organization)
        .users
        .insert("bo".into(), user(4));
    assert_eq!(
        replace(&plan, &wanted),
        Err(EditError::Owned(vec![Entry::user("acme", "bo")]))
    );
    let refused = replace(&Plan::default(), &Plan::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "organizations: the plan names no organization; add one"
    );
}
