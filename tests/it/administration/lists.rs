//! Lists come page by page; the plan file owns what it names, and its changes are audited.

use super::*;

#[test]
fn open_holds_come_page_by_page() {
    let house = House::new();
    let holds: Vec<_> = (0..25).map(|_| house.reserve("acme", "bo", 2)).collect();
    house.engine.release(&holds[3]).unwrap();
    let (mut seen, mut from) = (Vec::new(), Some(0));
    while let Some(next) = from {
        let page = house.engine.reservations(name("acme"), next, 10).unwrap();
        assert!(page.holds.len() <= 10);
        seen.extend(page.holds);
        from = page.next;
    }
    let mut expected = holds.clone();
    expected.remove(3);
    let mut ids: Vec<_> = seen.iter().map(|it| it.id).collect();
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
    let hold = &seen[0];
    assert_eq!(
        (&*hold.environment, &*hold.user, hold.held),
        ("default", "bo", 2)
    );
    assert_eq!(hold.expires.since(hold.made), Duration::from_secs(60));
    assert!(house.engine.reservations(name("nobody"), 0, 10).is_err());
}

#[test]
fn accounts_come_in_order_page_by_page_and_agree_with_single_balances() {
    let house = House::new();
    let mut plan = String::from(PLAN);
    plan.truncate(plan.find("    users: {ana").unwrap());
    plan += "    users:\n";
    for number in 0..150 {
        plan += &format!("      u{number:03}: {{limit: 1}}\n");
    }
    assert_eq!(house.file(&plan), Ok(true));
    house.charge("acme", "zoe", 500);
    let acme = name("acme");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = house.engine.accounts(acme, after.as_ref(), 70).unwrap();
        assert!(page.accounts.len() <= 70);
        seen.extend(page.accounts);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let names: Vec<_> = seen
        .iter()
        .map(|it| it.balance.account.to_string())
        .collect();
    let mut expected = vec![
        "organization".to_owned(),
        "pool".to_owned(),
        "environments/prod".to_owned(),
    ];
    expected.extend((0..150).map(|number| format!("users/u{number:03}")));
    assert_eq!(names, expected);
    for it in &seen {
        let single = match &it.balance.account {
            Account::Organization => Of::Organization,
            Account::Environment(name) => Of::Environment(self::name(name)),
            Account::User(name) => Of::User(self::name(name)),
            Account::Pool => {
                let pool = &it.balance;
                assert_eq!(
                    (pool.used, pool.limit, pool.available),
                    (500, Some(8_850), 8_350)
                );
                continue;
            }
        };
        assert_eq!(house.engine.balance(acme, single).as_ref(), Ok(&it.balance));
    }
    assert_eq!(seen[0].kind, None);
    assert_eq!(seen[3].kind, Some(LimitKind::Hard));
}

#[test]
fn users_with_a_trial_are_accounts_and_used_members_besides() {
    let house = House::new();
    let tried = name("tried");
    for user in ["tom", "ann", "kim"] {
        house
            .engine
            .start_trial(tried, name(user), &Act::default())
            .unwrap();
    }
    house.charge("tried", "kim", 9);
    let page = house.engine.accounts(tried, None, 2).unwrap();
    let rest = house
        .engine
        .accounts(tried, page.next.as_ref(), 100)
        .unwrap();
    let all: Vec<_> = page.accounts.iter().chain(&rest.accounts).collect();
    let names: Vec<_> = all
        .iter()
        .map(|it| it.balance.account.to_string())
        .collect();
    assert_eq!(
        names,
        ["organization", "users/ann", "users/kim", "users/tom"]
    );
    assert_eq!(
        (all[2].balance.used, all[2].balance.limit, all[2].kind),
        (9, Some(50), None)
    );
    house.charge("acme", "zoe", 5);
    house.charge("acme", "", 5);
    let members = |after: Option<&str>, most| {
        let page = house.engine.members(name("acme"), after, most).unwrap();
        let names = page
            .accounts
            .iter()
            .map(|it| it.balance.account.to_string());
        (names.collect::<Vec<_>>(), page.next)
    };
    assert_eq!(members(None, 100).0, ["users/ana", "users/bo", "users/zoe"]);
    let (first, next) = members(None, 2);
    assert_eq!((first.len(), next), (2, Some(Account::User("bo".into()))));
    assert_eq!(members(Some("bo"), 2), (vec!["users/zoe".to_owned()], None));
}

#[test]
fn the_plan_file_owns_what_it_names_and_every_change_of_the_plan_is_audited() {
    let house = House::new();
    assert_eq!(house.file(PLAN), Ok(false));
    let set = act("SetLimit", None);
    let refused = house.change(&set, |plan| {
        edit::set_user(plan, "acme", "ana", user(5), None)
    });
    let ana = Entry::user("acme", "ana");
    assert_eq!(
        refused,
        Err(Unchanged::Edit(EditError::Owned(vec![ana.clone()])))
    );
    let changed = house.change(&set, |plan| {
        edit::set_user(plan, "acme", "cy", user(5), None)
    });
    assert_eq!(changed, Ok(true));
    let again = house.change(&set, |plan| {
        edit::set_user(plan, "acme", "cy", user(5), None)
    });
    assert_eq!(again, Ok(false));
    let too_much = house.change(&set, |plan| {
        edit::set_user(plan, "acme", "cy", user(9_000), None)
    });
    assert!(matches!(
        too_much,
        Err(Unchanged::Engine(EngineError::Refused(_)))
    ));
    assert_eq!(
        house.told(),
        ["root SetLimit acme/organizations.acme.users.cy:  -> {limit: 5, type: hard} (because)"]
    );
    // Another text of the file: bo is no longer in it, cy is; dev stays, and what the API made elsewhere.
    let text_after = PLAN.replace("bo: {limit: 200, type: soft}", "cy: {limit: 6}");
    let house = house.restarted();
    assert_eq!(house.file(&text_after), Ok(true));
    assert_eq!(
        house.told(),
        [
            "plan file PlanFile acme/organizations.acme.users.bo: {limit: 200, type: soft} ->  (plan.yaml)",
            "plan file PlanFile acme/organizations.acme.users.cy: {limit: 5, type: hard} -> {limit: 6, type: hard} \
             (taken over by the plan file; plan.yaml)",
        ]
    );
    assert_eq!(house.file(&text_after), Ok(false));
    let cy = Entry::user("acme", "cy");
    let refused = house.change(&set, |plan| edit::remove_user(plan, "acme", "cy", None));
    assert_eq!(refused, Err(Unchanged::Edit(EditError::Owned(vec![cy]))));
    // A file that is wrong changes nothing.
    assert!(
        house
            .file("organizations: {acme: {users: {ana: {limit: 99999}}}}")
            .is_err()
    );
    assert_eq!(
        text(&house.engine.plan(), &ana).as_deref(),
        Some("{limit: 100, type: hard}")
    );
    assert_eq!(house.told(), [""; 0]);
}

#[test]
fn what_concerns_all_organizations_is_audited_once_and_long_lists_are_counted() {
    let house = House::new();
    let text = format!("{PLAN}rate_card: {{chat: {{credits: 3}}}}\n");
    assert_eq!(house.file(&text), Ok(true));
    assert_eq!(
        house.told(),
        ["plan file PlanFile /rate_card.chat:  -> {credits: 3} (plan.yaml)"]
    );
    let mut wanted = (*house.engine.plan()).clone();
    let organization = Arc::make_mut(wanted.organizations.get_mut("tried").unwrap());
    for number in 0..1_007 {
        organization
            .users
            .insert(format!("u{number}").into(), user(0));
    }
    let changed = house.change(&act("ApplyPlan", None), |plan| edit::replace(plan, &wanted));
    assert_eq!(changed, Ok(true));
    let audits = house.audits();
    assert_eq!(audits.len(), 1_001);
    assert_eq!(&*audits[1_000].target, "7 more entries");
}
