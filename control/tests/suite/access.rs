//! Who may do what: every cell of the matrix of roles, and every way in which a scope ends.

use std::collections::BTreeSet;

use epm_control::{
    Access, BuiltInRole, CustomRole, DeviceFacts, Grant, InvalidRole, Limit, Right, Rights, Scope,
    Tag, Target,
};
use epm_policy::GroupId;

/// Rights by row; roles by column: administrator, privilege manager, privilege reader, security manager, read-only
/// operator. `x` is allowed. Written down from the specification, not made from the code.
const MATRIX: &str = "
    reports.view      x x x x x
    policy.read       x x x x x
    policy.create     x x - x -
    policy.update     x x - x -
    policy.delete     x x - x -
    policy.assign     x x - x -
    requests.view     x x x x x
    requests.modify   x x - x -
    telemetry.export  x - - - -
    pii.view          x - - - -
    agent.enrol       x - - - -
    retention.manage  x - - - -
    audit.view        x - - - -
    access.manage     x - - - -
";

#[test]
fn every_cell_of_the_matrix_of_roles_is_as_specified() {
    let mut cells = 0;
    let mut seen = BTreeSet::new();
    for line in MATRIX.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let right: Right = words.next().unwrap().parse().unwrap();
        seen.insert(right);
        let marks: Vec<&str> = words.collect();
        assert_eq!(marks.len(), BuiltInRole::ALL.len(), "{line}");
        for (role, mark) in BuiltInRole::ALL.into_iter().zip(marks) {
            let access = Access::new(vec![Grant {
                rights: role.rights(),
                scope: Scope::EVERYTHING,
            }]);
            let allowed = access.may(right, Target::Everything);
            assert_eq!(allowed, mark == "x", "{} {right}", role.name());
            cells += 1;
        }
    }
    assert_eq!(seen, Right::ALL.iter().copied().collect());
    assert_eq!(cells, 14 * 5);
}

#[test]
fn a_right_is_known_by_its_name_and_by_no_other() {
    for right in Right::ALL {
        let stored = serde_json::to_string(right).unwrap();
        assert_eq!(stored, format!("{:?}", right.name()));
        assert_eq!(serde_json::from_str::<Right>(&stored).unwrap(), *right);
    }
    for unknown in ["", "policy", "policy.*", "Policy.Read", "policy.read "] {
        assert!(unknown.parse::<Right>().is_err(), "{unknown}");
    }
    let rights: Rights = [Right::PiiView, Right::ReportsView].into_iter().collect();
    let stored = serde_json::to_string(&rights).unwrap();
    assert_eq!(stored, r#"["reports.view","pii.view"]"#);
    assert!(serde_json::from_str::<Rights>(r#"["everything"]"#).is_err());
}

fn rights(of: &[Right]) -> Rights {
    of.iter().copied().collect()
}

#[test]
fn a_role_of_ones_own_says_what_is_wrong_with_it() {
    let useful = rights(&[Right::RequestsView, Right::RequestsModify]);
    let role = CustomRole::new(" Help desk ", useful.clone()).unwrap();
    assert_eq!(
        (role.name().as_str(), role.rights()),
        ("Help desk", &useful)
    );
    for name in ["", "  ", "a\nb", &"x".repeat(65)] {
        let refused = CustomRole::new(name, useful.clone()).unwrap_err();
        assert!(matches!(refused, InvalidRole::Name(_)), "{name:?}");
    }
    for role in BuiltInRole::ALL {
        let refused = CustomRole::new(&role.name().to_uppercase(), useful.clone()).unwrap_err();
        assert_eq!(refused, InvalidRole::BuiltIn(role.name()));
    }
    let refused = CustomRole::new("Nobody", Rights::default()).unwrap_err();
    assert_eq!(refused, InvalidRole::Empty);
    for (needs, without) in [
        (Right::RequestsModify, Right::RequestsView),
        (Right::PolicyUpdate, Right::PolicyRead),
        (Right::PolicyDelete, Right::PolicyRead),
        (Right::PolicyAssign, Right::PolicyRead),
    ] {
        let refused = CustomRole::new("Half", rights(&[needs])).unwrap_err();
        assert_eq!(refused, InvalidRole::Useless { needs, without });
        CustomRole::new("Whole", rights(&[needs, without])).unwrap();
    }
}

fn device(groups: &[&str], tags: &[&str]) -> DeviceFacts {
    DeviceFacts {
        groups: groups.iter().map(|name| GroupId::from(*name)).collect(),
        tags: tags.iter().map(|name| Tag((*name).to_owned())).collect(),
    }
}

fn scope(groups: Option<&[&str]>, tags: Option<&[&str]>) -> Scope {
    let limits = device(groups.unwrap_or_default(), tags.unwrap_or_default());
    Scope {
        groups: groups.map_or(Limit::Any, |_| Limit::OneOf(limits.groups)),
        tags: tags.map_or(Limit::Any, |_| Limit::OneOf(limits.tags)),
    }
}

#[test]
fn a_device_is_reached_through_its_groups_and_its_tags_together() {
    let laptop = device(&["laptops", "berlin"], &["finance"]);
    let bare = device(&[], &[]);
    for (scope, reaches_laptop, reaches_bare) in [
        (Scope::EVERYTHING, true, true),
        (scope(Some(&["laptops"]), None), true, false),
        (scope(Some(&["servers", "berlin"]), None), true, false),
        (scope(Some(&["servers"]), None), false, false),
        (scope(None, Some(&["finance"])), true, false),
        (scope(None, Some(&["research"])), false, false),
        (scope(Some(&["laptops"]), Some(&["finance"])), true, false),
        (scope(Some(&["laptops"]), Some(&["research"])), false, false),
        (scope(Some(&["servers"]), Some(&["finance"])), false, false),
        // Nothing chosen is nothing.
        (scope(Some(&[]), None), false, false),
        (scope(None, Some(&[])), false, false),
    ] {
        let stored = serde_json::to_string(&scope).unwrap();
        assert_eq!(serde_json::from_str::<Scope>(&stored).unwrap(), scope);
        assert_eq!(
            scope.reaches(Target::Device(&laptop)),
            reaches_laptop,
            "{stored}"
        );
        assert_eq!(
            scope.reaches(Target::Device(&bare)),
            reaches_bare,
            "{stored}"
        );
    }
}

#[test]
fn a_whole_group_or_everything_is_reached_only_without_other_limits() {
    let laptops = GroupId::from("laptops");
    for (scope, reaches_group, reaches_everything) in [
        (Scope::EVERYTHING, true, true),
        (scope(Some(&["laptops"]), None), true, false),
        (scope(Some(&["servers"]), None), false, false),
        (scope(Some(&["laptops"]), Some(&["finance"])), false, false),
        (scope(None, Some(&["finance"])), false, false),
    ] {
        assert_eq!(
            scope.reaches(Target::Group(&laptops)),
            reaches_group,
            "{scope:?}"
        );
        assert_eq!(
            scope.reaches(Target::Everything),
            reaches_everything,
            "{scope:?}"
        );
    }
}

#[test]
fn a_right_of_one_grant_does_not_travel_to_the_scope_of_another() {
    let helpdesk = Grant {
        rights: rights(&[Right::RequestsView, Right::RequestsModify]),
        scope: scope(Some(&["laptops"]), None),
    };
    let reader = Grant {
        rights: BuiltInRole::EndpointPrivilegeReader.rights(),
        scope: Scope::EVERYTHING,
    };
    let access = Access::new(vec![helpdesk.clone(), reader.clone()]);
    let (laptop, server) = (device(&["laptops"], &[]), device(&["servers"], &[]));
    assert!(access.may_review(&laptop));
    assert!(!access.may_review(&server));
    assert!(access.may(Right::RequestsView, Target::Device(&server)));
    assert!(!access.may(Right::RequestsModify, Target::Device(&server)));
    // Queries are narrowed to these.
    let modify = access.reach(Right::RequestsModify);
    assert!(modify.reaches(Target::Device(&laptop)) && !modify.reaches(Target::Device(&server)));
    assert!(
        access
            .reach(Right::RequestsView)
            .reaches(Target::Everything)
    );
    assert!(access.reach(Right::PiiView).is_nowhere());
    // Seeing and modifying may come from two grants, if both reach the device.
    let modify_only = Grant {
        rights: rights(&[Right::RequestsModify]),
        scope: scope(Some(&["servers"]), None),
    };
    assert!(!Access::new(vec![modify_only.clone()]).may_review(&server));
    assert!(Access::new(vec![modify_only, reader]).may_review(&server));
    assert!(!Access::default().may_review(&server));
}
