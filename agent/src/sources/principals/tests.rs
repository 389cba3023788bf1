//! Names of one person become one, and names of two never do.

use proptest::prelude::*;

use super::*;

fn settled(seen: &[(&str, &str)]) -> Principals {
    let mut names = Names::default();
    for (device, name) in seen {
        names.learn(device, device, name);
    }
    names.settle()
}

const ANNA: &str = "anna.berg@contoso.example";

#[test]
fn a_name_of_the_cloud_is_the_principal_name_with_its_letters() {
    let seen = [
        ("pc1", r"AzureAD\AnnaBerg"),
        ("pc1", "Anna.Berg@contoso.example"),
        ("pc1", "eve@contoso.example"),
    ];
    let principals = settled(&seen);
    assert_eq!(principals.of("PC1", r"azuread\annaberg"), Some(ANNA));
    assert_eq!(principals.of("pc1", ANNA), None);
    assert_eq!(principals.of("pc1", r"AzureAD\Eve"), None);
}

#[test]
fn a_name_of_a_domain_is_the_principal_name_with_its_letters_on_that_device() {
    let seen = [("pc1", r"CONTOSO\anna.berg"), ("pc1", ANNA)];
    assert_eq!(settled(&seen).of("pc1", r"contoso\Anna.Berg"), Some(ANNA));
    // Each on its own device proves nothing.
    let apart = [("pc1", r"CONTOSO\anna.berg"), ("pc2", ANNA)];
    assert_eq!(settled(&apart).of("pc1", r"CONTOSO\anna.berg"), None);
}

#[test]
fn an_account_of_the_device_itself_is_nobody_elses() {
    let seen = [
        ("PC1", r"pc1\anna.berg"),
        ("PC1", r".\anna.berg"),
        ("PC1", ANNA),
    ];
    assert_eq!(settled(&seen).of("PC1", r"pc1\anna.berg"), None);
    assert_eq!(settled(&seen).of("PC1", r".\anna.berg"), None);
}

#[test]
fn a_shortened_name_counts_only_on_a_device_of_one_person() {
    for short in ["anna@contoso.example", "aberg@contoso.example"] {
        let personal = [("pc1", r"AzureAD\AnnaBerg"), ("pc1", short)];
        assert_eq!(
            settled(&personal).of("pc1", r"AzureAD\AnnaBerg"),
            Some(short)
        );
        let shared = [personal[0], personal[1], ("pc1", "eve@contoso.example")];
        assert_eq!(settled(&shared).of("pc1", r"AzureAD\AnnaBerg"), None);
        let two = [personal[0], personal[1], ("pc1", r"AzureAD\EveLund")];
        assert_eq!(settled(&two).of("pc1", r"AzureAD\AnnaBerg"), None);
    }
    let other = [
        ("pc1", r"AzureAD\AnnaBerg"),
        ("pc1", "berg@contoso.example"),
    ];
    assert_eq!(settled(&other).of("pc1", r"AzureAD\AnnaBerg"), None);
}

#[test]
fn two_answers_are_none() {
    let two_principals = [
        ("pc1", r"AzureAD\AnnaBerg"),
        ("pc1", ANNA),
        ("pc1", "annaberg@fabrikam.example"),
    ];
    assert_eq!(
        settled(&two_principals).of("pc1", r"AzureAD\AnnaBerg"),
        None
    );
    let two_names = [
        ("pc1", r"C\anna.berg"),
        ("pc1", r"C\anna_berg"),
        ("pc1", ANNA),
    ];
    assert_eq!(settled(&two_names).of("pc1", r"C\anna.berg"), None);
}

#[test]
fn what_one_device_proves_holds_on_others_while_nobody_is_called_alike() {
    let proof = [("pc1", r"AzureAD\AnnaBerg"), ("pc1", ANNA)];
    let elsewhere = [proof[0], proof[1], ("pc2", r"AzureAD\AnnaBerg")];
    assert_eq!(
        settled(&elsewhere).of("pc2", r"AzureAD\AnnaBerg"),
        Some(ANNA)
    );
    // A second Anna Berg has a number, as directories give it.
    let alike = [
        elsewhere[0],
        elsewhere[1],
        elsewhere[2],
        ("pc3", "anna.berg2@contoso.example"),
    ];
    assert_eq!(settled(&alike).of("pc2", r"AzureAD\AnnaBerg"), None);
    assert_eq!(settled(&alike).of("pc1", r"AzureAD\AnnaBerg"), Some(ANNA));
    // Two devices that disagree leave a third without an answer.
    let disagree = [
        elsewhere[0],
        elsewhere[1],
        elsewhere[2],
        ("pc3", r"AzureAD\AnnaBerg"),
        ("pc3", "aberg@contoso.example"),
    ];
    assert_eq!(settled(&disagree).of("pc2", r"AzureAD\AnnaBerg"), None);
}

#[test]
fn more_names_than_are_remembered_change_nothing_of_those_that_are() {
    let mut names = Names::default();
    names.learn("pc1", "pc1", r"AzureAD\AnnaBerg");
    names.learn("pc1", "pc1", ANNA);
    for number in 0..2 * MAX_NAMES {
        names.learn("pc2", "pc2", &format!("user{number}@contoso.example"));
    }
    assert_eq!(names.count, MAX_NAMES);
    assert_eq!(names.settle().of("pc1", r"AzureAD\AnnaBerg"), Some(ANNA));
}

proptest! {
    #[test]
    fn the_answers_are_those_of_the_set_whatever_the_order(
        seen in prop::collection::vec((0..4_usize, 0..8_usize), 0..24),
        turn in any::<usize>(),
    ) {
        const NAMES: [&str; 8] = [
            r"AzureAD\AnnaBerg", r"azuread\annaberg", ANNA, "anna.berg2@contoso.example",
            r"CONTOSO\anna.berg", "anna@contoso.example", r"AzureAD\EveLund", "eve@contoso.example",
        ];
        const DEVICES: [&str; 4] = ["pc1", "pc2", "PC1", "pc3"];
        let seen: Vec<_> = seen.iter().map(|(device, name)| (DEVICES[*device], NAMES[*name])).collect();
        let mut other = seen.clone();
        other.rotate_left(turn % seen.len().max(1));
        other.extend(seen.iter().copied().take(turn % 5));
        other.reverse();
        let (one, other) = (settled(&seen), settled(&other));
        for device in DEVICES {
            for name in NAMES {
                prop_assert_eq!(one.of(device, name), other.of(device, name));
            }
        }
    }
}
